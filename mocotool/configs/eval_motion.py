"""Settings of `moco eval motion`."""

import dataclasses
import functools
from typing import Annotated, Literal

from mocotool.configs.option import Option, Seed, check_options

RealPlaces = Literal["random", "first"]

LEAST_FRAMES = 5
LONGEST = 1024

_Option = functools.partial(Option, panel="Protocol")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class MotionProtocol:
    """Protocol of the motion metrics."""

    num_frames: Annotated[int, _Option("Frames per clip.", min=LEAST_FRAMES)] = 16
    real_stride: Annotated[int, _Option("Take every n-th frame of real videos.", min=1)] = 2
    fake_stride: Annotated[int, _Option("Take every n-th frame of generated videos.", min=1)] = 1
    num_clips: Annotated[
        int | None, _Option("Maximum number of clips per side, one per video.", min=2)
    ] = 256
    num_seeds: Annotated[int, _Option("Number of repeats with new seeds.", min=1)] = 5
    max_frames: Annotated[
        int,
        _Option("Longest walk of a motion model, for identity over time.", max=LONGEST),
    ] = 64
    seed: Seed = 0
    real_places: Annotated[
        RealPlaces,
        _Option("Start of clips in real videos: random, or the first frame.", typed=False),
    ] = "random"
    num_contents: Annotated[
        int,
        _Option("Contents in the design that separates content from motion.", min=2, typed=False),
    ] = 64
    num_motions: Annotated[int, _Option("Motion seeds per content.", min=2, typed=False)] = 16

    def __post_init__(self) -> None:
        check_options(self)

    @property
    def lengths(self) -> tuple[int, ...]:
        """Lengths at which identity is measured: `num_frames`, doubled up to `max_frames`."""
        found = [self.num_frames]
        while 2 * found[-1] <= self.max_frames:
            found.append(2 * found[-1])
        return tuple(found)
