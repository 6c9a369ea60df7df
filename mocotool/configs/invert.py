"""Settings of `moco invert`."""

import dataclasses
from typing import Annotated, Literal

from mocotool.configs.option import Option, Seed, check_options
from mocotool.configs.render import Label, NoiseChoice
from mocotool.errors import ConfigError

SearchSpace = Literal["w", "w+", "z"]
PerceptualChoice = Literal["squeezenet", "vgg16", "none"]
AlignChoice = Literal["none", "center", "face"]

DEFAULT_PERCEPTUAL: PerceptualChoice = "squeezenet"
"""Perceptual networks of the objective."""
DEFAULT_ALIGN: AlignChoice = "center"
"""How pictures are cropped: whole, centre, or the largest face, aligned."""

MIN_STEPS = 10


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class InvertConfig:
    """Config of `invert`."""

    space: Annotated[
        SearchSpace | None,
        Option(
            "w, w+ (a latent per layer), or z (through the mapping; returns latents in w).",
            shown="the generator's own: w, or z where there is no mapping",
        ),
    ] = None
    num_steps: Annotated[
        int,
        Option(
            "Maximum number of Adam steps; an image whose loss has converged takes fewer.",
            min=MIN_STEPS,
        ),
    ] = 500  # the paper takes 20,000
    num_polish_steps: Annotated[
        int,
        Option(
            "Maximum number of Gauss-Newton steps after these; each costs about 25 of them.",
            min=0,
        ),
    ] = 20
    num_tune_steps: Annotated[
        int, Option("Steps of --tune, with up to eight images each.", min=1)
    ] = 250
    learning_rate: Annotated[
        float, Option("Peak learning rate of Adam, in standard deviations of the latents.", above=0)
    ] = 0.2
    perceptual_weight: Annotated[
        float | None,
        Option("Weight of the perceptual term.", min=0, shown="0.3 for squeezenet, else 1"),
    ] = None
    noise: Annotated[
        NoiseChoice,
        Option("Per-pixel noise: the file's own, or none. Use the same for rendering."),
    ] = "const"
    num_starts: Annotated[
        int, Option("Latents sampled and rendered for the initialisation.", min=1)
    ] = 1000
    latent_noise: Annotated[
        float,
        Option(
            "Initial noise on latents, in standard deviations; decays to 0 over three quarters.",
            min=0,
            typed=False,
        ),
    ] = 0.0  # several starts find the way better
    label: Label = None
    batch_size: Annotated[
        int | None,
        Option(
            "Images per batch; affects the result only by rounding.",
            min=1,
            shown="by their size",
            panel="Computing",
        ),
    ] = None
    seed: Seed = 0

    def __post_init__(self) -> None:
        check_options(self)
        if self.noise == "random":
            raise ConfigError(
                "noise that is resampled at every step cannot be inverted",
                hint="--noise const or --noise none, and the same for `moco render`",
            )

    @property
    def num_steps_in_all(self) -> int:
        """Maximum number of steps of both kinds."""
        return self.num_steps + self.num_polish_steps

    def choose_batch_size(self, resolution: int) -> int:
        """Return the number of images per batch."""
        if self.batch_size is not None:
            return self.batch_size
        return max(1, min(16, 16 * 128**2 // resolution**2))
