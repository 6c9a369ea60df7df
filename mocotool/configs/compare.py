"""Settings of `moco compare`."""

import dataclasses
from typing import Annotated

from mocotool.configs.option import Option, Seed, check_options


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class CompareConfig:
    """Config of a blind comparison."""

    num_trials: Annotated[
        int, Option("Number of questions, divided evenly among the pairs of sides.", min=1)
    ] = 50
    grid: Annotated[int, Option("Show a grid of N x N videos of each side.", min=1, max=4)] = 1
    question: Annotated[str, Option("The question.")] = "Which looks more real?"
    seed: Seed = 0

    def __post_init__(self) -> None:
        check_options(self)
