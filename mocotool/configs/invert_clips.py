"""Settings of `moco invert` for whole clips."""

import dataclasses
import functools
from typing import Annotated

from mocotool.configs.option import Option, Seed, check_options

LEAST_FRAMES = 16

_Clips = functools.partial(Option, panel="Whole clips")
_Inner = functools.partial(Option, typed=False)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class InvertClipsConfig:
    """Config of `invert_clips`."""

    num_frames: Annotated[
        int | None,
        _Clips(
            "Frames per clip; shorter videos are skipped.",
            min=2,
            shown=f"as many as the shortest has, at least {LEAST_FRAMES}",
        ),
    ] = None
    frame_stride: Annotated[int, _Clips("Take every n-th frame of a clip.", min=1)] = 2
    num_steps: Annotated[int, _Inner("Most steps of the joint search.", min=1)] = 12
    num_anchors: Annotated[
        int,
        _Clips(
            "Frames per clip at which derivatives are computed; more are slower and more accurate.",
            min=1,
        ),
    ] = 2
    refresh_every: Annotated[
        int,
        _Clips("Steps of the search that derivatives serve; fewer are slower and nearer.", min=1),
    ] = 3
    num_axes: Annotated[
        int,
        _Clips("Axes of the latents that are searched, the widest; fewer are quicker.", min=1),
    ] = 128
    smoothness: Annotated[
        float,
        _Clips("Weight of squared steps between frames, in standard deviations.", min=0),
    ] = 0.0003
    prior: Annotated[
        float, _Inner("Weight of squared distance from the mean, in the same units.", min=0)
    ] = 0.0003
    min_gain: Annotated[
        float,
        _Inner("A step that lowers the loss by less than this share ends the search.", min=0),
    ] = 0.01
    seed: Seed = 0

    def __post_init__(self) -> None:
        check_options(self)
