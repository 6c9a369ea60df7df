"""Settings of `moco explore`, and what its page has controls for."""

import dataclasses
import math
from typing import Annotated

from mocotool.configs.edit import EditConfig
from mocotool.configs.option import Option, Seed, check_options
from mocotool.configs.render import DEFAULT_FPS
from mocotool.configs.sample import MAX_SEED
from mocotool.errors import ConfigError

MAX_FRAMES = 480
MAX_STEP_SIZE = 10.0
MAX_STRENGTH = 10.0
MAX_DIRECTIONS = 64


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ExploreConfig:
    """Config of `moco explore`: initial state of the page, and its port."""

    num_directions: Annotated[
        int, Option("PCA directions that get a slider.", min=1, max=MAX_DIRECTIONS)
    ] = 8
    num_frames: Annotated[int, Option("Initial number of frames.", min=1, max=MAX_FRAMES)] = 48
    seed: Annotated[Seed, Option("Initial content and motion seed.", max=MAX_SEED)] = 0
    num_samples: Annotated[
        int, Option("Latents for the PCA basis, if there is no --pca.", min=2)
    ] = EditConfig().num_samples
    port: Annotated[int, Option("Port of the page; 0 chooses a free one.", min=0, max=65535)] = 0

    def __post_init__(self) -> None:
        check_options(self)


def parse_strengths(text: str) -> tuple[float, ...]:
    """Parse "0,1.5,-2" as (0.0, 1.5, -2.0); an empty text is an empty tuple.

    Raises:
        ConfigError: The text is not a list of numbers.
    """
    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise ConfigError(f"directions {text!r:.80}: expected numbers such as 0,1.5,-2") from None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ExploreView:
    """A video in `moco explore`, described by the state of its controls."""

    seed: Annotated[int, Option("Content seed.", min=0, max=MAX_SEED)] = 0
    motion_seed: Annotated[
        int,
        Option("Motion seed; without a motion model, the seed to go to.", min=0, max=MAX_SEED),
    ] = 0
    truncation_psi: Annotated[
        float, Option("1 keeps the first latent, 0 is the mean.", min=-2, max=2)
    ] = 1.0
    step_size: Annotated[
        float | None,
        Option("Step size of the motion model.", min=0, max=MAX_STEP_SIZE),
    ] = None
    num_frames: Annotated[int, Option("Frames.", min=1, max=MAX_FRAMES)] = 48
    loop: Annotated[bool, Option("Whether the video loops.")] = True
    fps: Annotated[float, Option("Frames per second.", above=0, max=120)] = DEFAULT_FPS
    label: Annotated[int | None, Option("Class, for a class-conditional generator.", min=0)] = None
    directions: Annotated[
        tuple[float, ...],
        Option(
            "Strength along each of the first PCA directions, in standard deviations.",
            parse=parse_strengths,
        ),
    ] = ()

    def __post_init__(self) -> None:
        check_options(self)
        if len(self.directions) > MAX_DIRECTIONS:
            raise ConfigError(
                f"directions: got {len(self.directions)} numbers, expected at most {MAX_DIRECTIONS}"
            )
        for strength in self.directions:
            if not (math.isfinite(strength) and abs(strength) <= MAX_STRENGTH):
                raise ConfigError(
                    f"directions {strength}: expected from -{MAX_STRENGTH:g} to {MAX_STRENGTH:g}"
                )
