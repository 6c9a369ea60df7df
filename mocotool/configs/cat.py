"""Settings of `moco cat`."""

import dataclasses
from typing import Annotated

from mocotool.configs.option import Option, check_options


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class CatConfig:
    """Config of `join_trajectories`."""

    blend: Annotated[
        int, Option("Length of the cross-fade in frames, which both clips share.", min=0)
    ] = 0

    def __post_init__(self) -> None:
        check_options(self)
