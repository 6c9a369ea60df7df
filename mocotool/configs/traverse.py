"""Settings of `moco traverse`."""

import dataclasses
from typing import Annotated

from mocotool.configs.option import Option, Seed, check_options
from mocotool.configs.render import DEFAULT_FPS, Fps, Label, TruncationPsi


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TraverseConfig:
    """What `traverse_basis` shows."""

    num_components: Annotated[
        int, Option("Directions to show, the widest first; one row or video each.", min=1)
    ] = 20
    reach: Annotated[
        float, Option("How far to walk either way, in standard deviations.", above=0)
    ] = 2.0
    num_frames: Annotated[int, Option("Steps from one end to the other.", min=1)] = 5
    num_samples: Annotated[
        int, Option("Latents to compute a basis of if --pca is left out.", min=2)
    ] = 100_000
    truncation_psi: TruncationPsi = 1.0
    label: Label = None
    fps: Fps = DEFAULT_FPS
    seed: Seed = 0

    def __post_init__(self) -> None:
        check_options(self)
