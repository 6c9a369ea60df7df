"""Settings of `moco traverse`."""

import dataclasses
from typing import Annotated

from mocotool.configs.option import Option, Seed, check_options
from mocotool.configs.render import DEFAULT_FPS, Fps, Label, TruncationPsi


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TraverseConfig:
    """Config of `traverse_basis`."""

    num_components: Annotated[
        int, Option("Number of directions, in order of variance; one row or video each.", min=1)
    ] = 20
    reach: Annotated[
        float, Option("Distance in both directions, in standard deviations.", above=0)
    ] = 2.0
    num_frames: Annotated[int, Option("Frames from one end to the other.", min=1)] = 5
    num_samples: Annotated[
        int, Option("Latents for the PCA basis, if --pca is left out.", min=2)
    ] = 100_000
    truncation_psi: TruncationPsi = 1.0
    label: Label = None
    fps: Fps = DEFAULT_FPS
    seed: Seed = 0

    def __post_init__(self) -> None:
        check_options(self)
