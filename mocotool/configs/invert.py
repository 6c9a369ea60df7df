"""Settings of `moco invert`."""

import dataclasses
from typing import Literal

from mocotool.configs.render import NoiseChoice
from mocotool.errors import ConfigError

SearchSpace = Literal["w", "w+", "z"]
PerceptualChoice = Literal["squeezenet", "vgg16", "none"]
AlignChoice = Literal["none", "center", "face"]

DEFAULT_PERCEPTUAL: PerceptualChoice = "squeezenet"
"""What pictures are compared by, besides their pixels."""
DEFAULT_ALIGN: AlignChoice = "center"
"""How pictures become squares: whole, their centre, or the largest face set upright."""

MIN_STEPS = 10


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class InvertConfig:
    """What `invert` looks for, and how long."""

    space: SearchSpace | None = None
    """"w", "w+" (a latent for each layer) or "z" (through the mapping); `None` is the space that
    the generator's latents live in."""
    num_steps: int = 500
    """Steps at most; an image whose loss stands still takes fewer. The paper takes 20,000."""
    num_polish_steps: int = 20
    """Gauss-Newton steps after that at most, each worth about 25 of the others; 0 for none. They
    are taken while the loss falls, and not for images that are exact already."""
    learning_rate: float = 0.2
    """Peak step of Adam, in standard deviations of each latent dimension."""
    perceptual_weight: float | None = None
    """Weight of the distance of features; `None` is what suits them: 0.3 for squeezenet, else 1."""
    noise: NoiseChoice = "const"
    """Per-pixel noise while searching, as `moco render` has it; "random" cannot be inverted."""
    num_starts: int = 1000
    """Latents drawn and rendered; they say where each image begins."""
    latent_noise: float = 0.0
    """Noise added to latents in the first three quarters, in standard deviations; it falls to 0.
    None by default: several starts find the way better."""
    label: int | None = None
    """Class, for a generator that has them."""
    batch_size: int | None = None
    """Images searched for at once; `None` is what their size suggests. The result depends on it
    only by rounding."""
    seed: int = 0
    """Seed of the starts and of the latent noise."""

    def __post_init__(self) -> None:
        if self.num_steps < MIN_STEPS:
            raise ConfigError(
                f"{self.num_steps} steps, expected {MIN_STEPS} at least", hint="--num-steps 500"
            )
        if self.num_polish_steps < 0:
            raise ConfigError(f"{self.num_polish_steps} polish steps, expected 0 or more")
        for name in ("learning_rate", "num_starts"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected more than 0")
        for name in ("perceptual_weight", "latent_noise"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < float("inf"):
                raise ConfigError(f"{name} is {value}, expected 0 or more")
        if self.noise == "random":
            raise ConfigError(
                "noise that is drawn anew in every step cannot be inverted",
                hint="--noise const or --noise none, and the same for `moco render`",
            )
        if self.batch_size is not None and self.batch_size < 1:
            raise ConfigError(f"a batch of {self.batch_size} images, expected 1 at least")

    @property
    def num_steps_in_all(self) -> int:
        """Steps of both kinds, at most."""
        return self.num_steps + self.num_polish_steps

    def choose_batch_size(self, resolution: int) -> int:
        """Return how many images are searched for at once."""
        if self.batch_size is not None:
            return self.batch_size
        return max(1, min(16, 16 * 128**2 // resolution**2))
