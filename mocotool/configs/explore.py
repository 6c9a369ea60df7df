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
    """What the page of `moco explore` begins with, and where it is served."""

    num_directions: Annotated[
        int, Option("PCA directions that get a slider.", min=1, max=MAX_DIRECTIONS)
    ] = 8
    num_frames: Annotated[int, Option("Frames to begin with.", min=1, max=MAX_FRAMES)] = 48
    seed: Annotated[Seed, Option("Content and motion seed to begin with.", max=MAX_SEED)] = 0
    num_samples: Annotated[
        int, Option("Latents to compute a basis of where there is no --pca.", min=2)
    ] = EditConfig().num_samples
    port: Annotated[int, Option("Port of the page; 0 takes a free one.", min=0, max=65535)] = 0

    def __post_init__(self) -> None:
        check_options(self)


def parse_strengths(text: str) -> tuple[float, ...]:
    """Turn "0,1.5,-2" into (0.0, 1.5, -2.0); nothing is no strengths.

    Raises:
        ConfigError: The text is not a list of numbers.
    """
    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise ConfigError(f"directions {text!r:.80}: expected numbers such as 0,1.5,-2") from None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ExploreView:
    """What one client of `moco explore` looks at: a video, by where its controls stand."""

    seed: Annotated[int, Option("Content seed.", min=0, max=MAX_SEED)] = 0
    motion_seed: Annotated[
        int,
        Option("Motion seed; without a motion model, the seed to go to.", min=0, max=MAX_SEED),
    ] = 0
    truncation_psi: Annotated[
        float, Option("1 leaves the first latent as drawn, 0 is the average one.", min=-2, max=2)
    ] = 1.0
    step_size: Annotated[
        float | None,
        Option("How far one frame may move; the motion model's own.", min=0, max=MAX_STEP_SIZE),
    ] = None
    num_frames: Annotated[int, Option("Frames.", min=1, max=MAX_FRAMES)] = 48
    loop: Annotated[bool, Option("Whether the first frame follows the last.")] = True
    fps: Annotated[float, Option("Frames per second.", above=0, max=120)] = DEFAULT_FPS
    label: Annotated[int | None, Option("Class, for a generator that has them.", min=0)] = None
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
