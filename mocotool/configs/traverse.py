"""Settings of `moco traverse`."""

import dataclasses

from mocotool.configs.render import DEFAULT_FPS
from mocotool.errors import ConfigError


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TraverseConfig:
    """What `traverse_basis` shows."""

    num_components: int = 20
    """Directions to walk, the widest first; one row or video each."""
    reach: float = 2.0
    """How far to walk either way, in standard deviations."""
    num_frames: int = 5
    """Steps from one end to the other."""
    truncation_psi: float = 1.0
    """1 leaves the middle latent as drawn, 0 takes the most average one."""
    label: int | None = None
    """Class, for a generator that has them."""
    fps: float = DEFAULT_FPS
    """Frames a second, where the walks become videos."""
    num_samples: int = 100_000
    """Latents of the basis, where none is given."""
    seed: int = 0
    """Seed of the latent in the middle, and of the basis where none is given."""

    def __post_init__(self) -> None:
        for name, count in (("components", self.num_components), ("steps", self.num_frames)):
            if count < 1:
                raise ConfigError(f"{count} {name}, expected 1 at least")
        if not 0.0 < self.reach < float("inf"):
            raise ConfigError(f"reach {self.reach}: expected more than 0", hint="--reach 2")
        if not 0.0 < self.fps < 1e4:
            raise ConfigError(f"{self.fps} frames a second, expected more than 0", hint="--fps 12")
