"""Settings of `moco interpolate`."""

import dataclasses
from typing import Literal

from mocotool.errors import ConfigError

InterpolationMode = Literal["linear", "cubic", "pchip", "slerp"]
Ends = Literal["natural", "periodic"]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class InterpolateConfig:
    """What `interpolate_trajectory` makes of a trajectory."""

    factor: int = 2
    """How many times as many frames; the duration stays."""
    mode: InterpolationMode = "linear"
    """"linear", "cubic" (a spline, smooth at the given frames), "pchip" (cubics that stay between
    their frames) or "slerp" (along the sphere, for z)."""
    ends: Ends = "natural"
    """"natural" goes from the first frame to the last; "periodic" makes a loop, whose last new
    frames lead back to the first."""

    def __post_init__(self) -> None:
        if self.factor < 1:
            raise ConfigError(f"factor {self.factor}: expected 1 at least", hint="--factor 2")
