"""Settings of `moco eval prediction`."""

import dataclasses

from mocotool.configs.interpolate import InterpolationMode
from mocotool.configs.invert import InvertConfig
from mocotool.errors import ConfigError


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class PredictionConfig:
    """What `compute_prediction` predicts and compares."""

    num_latents: int = 16
    """Latents that the motion model makes of each first frame."""
    factor: int = 2
    """How many times as many frames interpolation makes of them."""
    mode: InterpolationMode = "linear"
    """How it interpolates."""
    num_videos: int | None = None
    """Videos at most, spread evenly over all; `None` is all."""
    invert: InvertConfig = dataclasses.field(default_factory=InvertConfig)
    """How the first frames are inverted."""
    seed: int = 0
    """Motion seed of the first video; the others count up."""

    def __post_init__(self) -> None:
        if self.num_latents < 2:
            raise ConfigError(f"{self.num_latents} latents predict nothing, expected 2 at least")
        if self.factor < 1:
            raise ConfigError(f"factor {self.factor}: expected 1 at least", hint="--factor 2")
        if self.num_videos is not None and self.num_videos < 1:
            raise ConfigError(f"{self.num_videos} videos, expected 1 at least")

    @property
    def num_frames(self) -> int:
        """Frames of each prediction, and of the real clip beside it."""
        return self.num_latents * self.factor
