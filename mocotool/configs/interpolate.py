"""Settings of `moco interpolate`."""

import dataclasses
from typing import Annotated, Literal

from mocotool.configs.option import Option, check_options

InterpolationMode = Literal["linear", "cubic", "pchip", "slerp"]
Ends = Literal["natural", "periodic"]

Factor = Annotated[
    int, Option("Factor by which the number of frames grows; the duration stays the same.", min=1)
]
Mode = Annotated[
    InterpolationMode,
    Option(
        "linear, cubic (smooth), pchip (smooth without overshoot), or slerp (on the sphere, for z)."
    ),
]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class InterpolateConfig:
    """Config of `interpolate_trajectory`."""

    factor: Factor = 2
    mode: Mode = "linear"
    ends: Annotated[
        Ends, Option("natural: from the first frame to the last; periodic: a loop.")
    ] = "natural"

    def __post_init__(self) -> None:
        check_options(self)
