"""Settings of `moco invert` for whole clips."""

import dataclasses

from mocotool.configs.evaluate import check_positive
from mocotool.errors import ConfigError

LEAST_FRAMES = 16


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class InvertClipsConfig:
    """How `invert_clips` finds the frames of clips together."""

    num_frames: int | None = None
    """Frames of each clip, from its first; shorter clips are left out. `None` is as many as the
    shortest of at least `LEAST_FRAMES` has."""
    frame_stride: int = 2
    """Every which frame of a video is taken; motion is learnt with 2."""
    num_steps: int = 12
    """Steps of the joint search at most."""
    num_anchors: int = 1
    """Frames of a clip at which derivatives are taken; each costs a rendering a direction."""
    refresh_every: int = 4
    """Steps that derivatives serve."""
    num_axes: int = 128
    """Axes of the latents that are searched, the widest ones."""
    smoothness: float = 0.003
    """Weight of squared steps from frame to frame, in standard deviations of the latents."""
    prior: float = 0.0003
    """Weight of squared distance from the mean, in the same units."""
    min_gain: float = 0.01
    """A step that lowers the loss by less than this share ends the search."""
    seed: int = 0
    """Seed of the starts."""

    def __post_init__(self) -> None:
        if self.num_frames is not None and self.num_frames < 2:
            raise ConfigError(f"clips of {self.num_frames} frames, expected at least 2")
        for name in ("frame_stride", "num_steps", "num_anchors", "refresh_every", "num_axes"):
            check_positive(name, getattr(self, name))
        for name in ("smoothness", "prior", "min_gain"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ConfigError(f"{name} is {getattr(self, name)}, expected at least 0")
