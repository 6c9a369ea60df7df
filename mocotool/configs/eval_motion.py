"""Settings of `moco eval motion`."""

import dataclasses
from typing import Literal, get_args

from mocotool.configs.evaluate import check_choice, check_positive
from mocotool.errors import ConfigError

RealPlaces = Literal["random", "first"]

LEAST_FRAMES = 5
LONGEST = 1024


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class MotionProtocol:
    """What the figures of motion depend on besides the videos."""

    num_frames: int = 16
    """Frames in a clip."""
    real_stride: int = 2
    """Every which frame of a real video is taken; models are trained with 2."""
    real_places: RealPlaces = "random"
    """Where clips of real videos begin: at a random place, or with the video."""
    fake_stride: int = 1
    """Every which frame of a generated video is taken."""
    num_clips: int | None = 256
    """Clips of a side at most, one a video; a motion model is sampled for as many as there are real
    ones. `None` is all."""
    num_seeds: int = 5
    """How often everything is drawn anew: places in videos, and what a motion model makes."""
    max_frames: int = 64
    """A motion model is sampled up to here, to see whether its people last."""
    num_contents: int = 64
    """Contents of the design that tells content from motion seed, for a motion model."""
    num_motions: int = 16
    """Motion seeds for each of them."""
    seed: int = 0
    """Of the first repeat; the others count up."""

    def __post_init__(self) -> None:
        for name in ("real_stride", "fake_stride", "num_seeds"):
            check_positive(name, getattr(self, name))
        check_choice("real_places", self.real_places, get_args(RealPlaces))
        if self.num_clips is not None and self.num_clips < 2:
            raise ConfigError(f"{self.num_clips} clips, expected at least 2", hint="--num-clips")
        for name, least in (
            ("num_frames", LEAST_FRAMES),
            ("num_contents", 2),
            ("num_motions", 2),
            ("max_frames", self.num_frames),
        ):
            if getattr(self, name) < least:
                raise ConfigError(
                    f"{name.replace('_', ' ')} {getattr(self, name)}, expected at least {least}",
                    hint=f"--{name.replace('_', '-')} {least}",
                )
        if self.max_frames > LONGEST:
            raise ConfigError(f"max frames {self.max_frames}, expected at most {LONGEST}")
        if self.seed < 0:
            raise ConfigError(f"seed {self.seed}, expected at least 0")

    @property
    def lengths(self) -> tuple[int, ...]:
        """Lengths at which identity is looked at: `num_frames`, doubled up to `max_frames`."""
        found = [self.num_frames]
        while 2 * found[-1] <= self.max_frames:
            found.append(2 * found[-1])
        return tuple(found)
