"""Settings of `moco cat`."""

import dataclasses
from typing import Annotated

from mocotool.configs.option import Option, check_options


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class CatConfig:
    """How `join_trajectories` goes from one clip to the next."""

    blend: Annotated[
        int, Option("Frames in which one clip becomes the next; both give them.", min=0)
    ] = 0

    def __post_init__(self) -> None:
        check_options(self)
