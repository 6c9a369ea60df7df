"""Settings of `moco react`."""

import dataclasses
from typing import Annotated, Literal

from mocotool.configs.edit import Move, parse_move
from mocotool.configs.interpolate import InterpolationMode
from mocotool.configs.option import Option, check_options, list_choices
from mocotool.configs.render import DEFAULT_FPS, Fps
from mocotool.errors import ConfigError

Band = Literal["bass", "mid", "high", "onset"]
BANDS: tuple[Band, ...] = ("bass", "mid", "high", "onset")


def parse_driven(text: str) -> tuple[tuple[Move, Band], ...]:
    """Turn "0:2@bass,1:1" into moves and what drives each; without a word it is the onsets.

    Raises:
        ConfigError: A part is no move, or driven by something that there is not.
    """
    driven: list[tuple[Move, Band]] = []
    for part in text.split(","):
        move, at, band = part.strip().rpartition("@")
        if at and band not in BANDS:
            raise ConfigError(
                f"direction {part!r}: driven by {band!r}, expected {list_choices(BANDS)}"
            )
        driven.append((parse_move(move if at else band), band if at else "onset"))  # type: ignore[arg-type]
    return tuple(driven)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ReactConfig:
    """Config of `react_trajectory`."""

    by: Annotated[
        Literal["energy", "onset", "nothing"],
        Option(
            "How the way through the latents follows the sound: fast where it is loud, one frame "
            "of them at each onset, or evenly."
        ),
    ] = "energy"
    calm: Annotated[
        float, Option("Speed in silence, as a fraction of the speed at the loudest.", min=0, max=1)
    ] = 0.1
    directions: Annotated[
        tuple[tuple[Move, Band], ...],
        Option(
            "A direction as in `moco edit`, driven by bass, mid, high or onset; separate several "
            "with commas.",
            metavar="0:2@bass",
            name="direction",
            parse=parse_driven,
            shown="none",
        ),
    ] = ()
    decay: Annotated[
        float, Option("Seconds in which the effect of an onset decays to a third.", above=0)
    ] = 0.2
    mode: Annotated[
        InterpolationMode, Option("Interpolation between the frames of the latents.")
    ] = "cubic"
    num_samples: Annotated[
        int, Option("Latents for the PCA basis, if one is needed without --pca.", min=2)
    ] = 100_000
    fps: Fps = DEFAULT_FPS

    def __post_init__(self) -> None:
        check_options(self)

    @property
    def needs_basis(self) -> bool:
        """Whether a PCA basis is needed for the directions."""
        return any(move.is_component for move, _ in self.directions)
