"""Settings of `moco interpolate`."""

import dataclasses
from typing import Annotated, Literal

from mocotool.configs.option import Option, check_options

InterpolationMode = Literal["linear", "cubic", "pchip", "slerp"]
Ends = Literal["natural", "periodic"]

Factor = Annotated[int, Option("How many times as many frames; the duration stays.", min=1)]
Mode = Annotated[
    InterpolationMode,
    Option(
        "Straight, smooth at the given frames, smooth but never beyond them, or along the sphere "
        "(for z)."
    ),
]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class InterpolateConfig:
    """What `interpolate_trajectory` makes of a trajectory."""

    factor: Factor = 2
    mode: Mode = "linear"
    ends: Annotated[Ends, Option("From the first frame to the last, or a loop.")] = "natural"

    def __post_init__(self) -> None:
        check_options(self)
