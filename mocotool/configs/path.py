"""Settings of `moco path`."""

import dataclasses
from typing import Annotated

from mocotool.configs.interpolate import InterpolationMode
from mocotool.configs.option import Option, check_options
from mocotool.configs.render import DEFAULT_FPS, Fps, Label, TruncationPsi
from mocotool.configs.steering import Ease


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class PathConfig:
    """How `make_path` goes from keyframe to keyframe."""

    num_frames: Annotated[int, Option("Frames of the whole path.", min=1)] = 48
    loop: Annotated[
        bool, Option("Go back to the first keyframe: the first frame follows the last.")
    ] = False
    mode: Annotated[
        InterpolationMode,
        Option(
            "Straight, smooth at the keyframes, smooth but never beyond them, or along the sphere "
            "(for z)."
        ),
    ] = "cubic"
    ease: Annotated[Ease, Option("Leave keyframes slowly, reach them slowly, or both.")] = "none"
    truncation_psi: TruncationPsi = 1.0
    label: Label = None
    fps: Fps = DEFAULT_FPS

    def __post_init__(self) -> None:
        check_options(self)
