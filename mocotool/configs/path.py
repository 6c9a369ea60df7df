"""Settings of `moco path`."""

import dataclasses
from typing import Annotated

from mocotool.configs.interpolate import InterpolationMode
from mocotool.configs.option import Option, check_options
from mocotool.configs.render import DEFAULT_FPS, Fps, Label, TruncationPsi
from mocotool.configs.steering import Ease


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class PathConfig:
    """Config of `make_path`."""

    num_frames: Annotated[int, Option("Frames of the whole path.", min=1)] = 48
    loop: Annotated[bool, Option("Return to the first keyframe, for a seamless loop.")] = False
    mode: Annotated[
        InterpolationMode,
        Option(
            "linear, cubic (smooth), pchip (smooth without overshoot), or slerp (on the sphere, "
            "for z)."
        ),
    ] = "cubic"
    ease: Annotated[Ease, Option("Leave keyframes slowly, reach them slowly, or both.")] = "none"
    truncation_psi: TruncationPsi = 1.0
    label: Label = None
    fps: Fps = DEFAULT_FPS

    def __post_init__(self) -> None:
        check_options(self)
