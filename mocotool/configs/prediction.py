"""Settings of `moco eval prediction`."""

import dataclasses
from typing import Annotated

from mocotool.configs.interpolate import Factor, Mode
from mocotool.configs.invert import InvertConfig
from mocotool.configs.option import Option, Seed, check_options


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class PredictionConfig:
    """Config of `compute_prediction`."""

    num_latents: Annotated[
        int, Option("Latents that the motion model generates from a first frame.", min=2)
    ] = 16
    factor: Factor = 2
    mode: Mode = "linear"
    num_videos: Annotated[
        int | None, Option("Maximum number of videos, evenly spaced; all if left out.", min=1)
    ] = None
    num_repeats: Annotated[
        int, Option("Number of repeats with new motion seeds; the mean is reported.", min=1)
    ] = 1
    tune: Annotated[
        bool, Option("Also tune the generator to the first frames (pivotal tuning).")
    ] = False
    invert: InvertConfig = dataclasses.field(default_factory=InvertConfig)
    """Inversion of the first frames."""
    seed: Seed = 0

    def __post_init__(self) -> None:
        check_options(self)

    @property
    def num_frames(self) -> int:
        """Number of frames per prediction and real clip."""
        return self.num_latents * self.factor
