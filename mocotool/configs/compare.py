"""Settings of `moco compare`."""

import dataclasses
from typing import Annotated

from mocotool.configs.option import Option, Seed, check_options


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class CompareConfig:
    """How a page asks which side is preferred."""

    num_trials: Annotated[int, Option("Questions; each pair of sides gets its share.", min=1)] = 50
    grid: Annotated[
        int, Option("Show a square of so many videos by so many of each side.", min=1, max=4)
    ] = 1
    question: Annotated[str, Option("What is asked.")] = "Which looks more real?"
    seed: Seed = 0

    def __post_init__(self) -> None:
        check_options(self)
