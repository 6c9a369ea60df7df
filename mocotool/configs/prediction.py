"""Settings of `moco eval prediction`."""

import dataclasses
from typing import Annotated

from mocotool.configs.interpolate import Factor, Mode
from mocotool.configs.invert import InvertConfig
from mocotool.configs.option import Option, Seed, check_options


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class PredictionConfig:
    """What `compute_prediction` predicts and compares."""

    num_latents: Annotated[
        int, Option("Latents the motion model makes of a first frame.", min=2)
    ] = 16
    factor: Factor = 2
    mode: Mode = "linear"
    num_videos: Annotated[
        int | None, Option("Most videos to use, spread evenly; all if left out.", min=1)
    ] = None
    num_repeats: Annotated[
        int, Option("Sample motion this often, from other seeds; the mean counts.", min=1)
    ] = 1
    tune: Annotated[
        bool, Option("Fit the generator to the first frames as well (pivotal tuning).")
    ] = False
    invert: InvertConfig = dataclasses.field(default_factory=InvertConfig)
    """How the first frames are inverted."""
    seed: Seed = 0

    def __post_init__(self) -> None:
        check_options(self)

    @property
    def num_frames(self) -> int:
        """Frames of each prediction, and of the real clip beside it."""
        return self.num_latents * self.factor
