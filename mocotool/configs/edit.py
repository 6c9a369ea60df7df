"""Settings of `moco edit`."""

import dataclasses
import math
import re
from typing import Annotated

from mocotool.configs.interpolate import Ends
from mocotool.configs.option import Option, check_options
from mocotool.configs.steering import Layers, Schedule, parse_ends
from mocotool.errors import ConfigError


@dataclasses.dataclass(frozen=True, slots=True)
class Move:
    """A direction and a strength, as typed."""

    name: str
    """Index of a PCA component, or a file of directions."""
    strength: float
    """Strength in standard deviations of the latents, or in multiples of the file's vector."""
    row: int | None = None
    """Index of the vector in a file that holds several, or `None`."""

    @property
    def is_component(self) -> bool:
        """Whether the direction is a component of a PCA basis."""
        return self.name.isdecimal()


def parse_move(text: str) -> Move:
    """Turn "3:+2.0", "smile.npy:-1.5", "smile.npy#2:1" or "smile.npy" into a move.

    Raises:
        ConfigError: The text is none of them.
    """
    name, colon, number = text.rpartition(":")
    try:
        strength = float(number) if colon else 1.0
    except ValueError:
        name, strength = text, 1.0
    name = name if colon and name else text
    placed = re.fullmatch(r"(.+)#(\d{1,6})", name)
    name, row = (placed[1], int(placed[2])) if placed else (name, None)
    if not math.isfinite(strength) or (name.isdecimal() and not colon):
        raise ConfigError(f"direction {text!r}: expected 3:+2.0, or a file such as smile.npy:1.5")
    return Move(name=name, strength=strength, row=row)


def parse_moves(texts: str) -> tuple[Move, ...]:
    """Turn moves separated by commas into moves."""
    return tuple(parse_move(text.strip()) for text in texts.split(","))


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class EditConfig:
    """Config of `edit_trajectory`, in order of application."""

    smooth: Annotated[
        float,
        Option("Smooth over time: standard deviation of a Gaussian, in frames.", min=0, max=1000),
    ] = 0.0
    truncation_psi: Annotated[
        tuple[float, float] | None,
        Option(
            "Truncation towards the mean: 1 changes nothing, 0 is the mean; 1:0.5 varies it from "
            "the first frame to the last.",
            metavar="P[:Q]",
            parse=parse_ends,
        ),
    ] = None
    directions: Annotated[
        tuple[Move, ...],
        Option(
            "3:2 moves along PCA direction 3 by 2 standard deviations, smile.npy:1.5 along a saved "
            "vector; separate several with commas.",
            metavar="3:+2.0",
            name="direction",
            parse=parse_moves,
            shown="none",
        ),
    ] = ()
    schedule: Schedule = "constant"
    layers: Layers = None
    ends: Annotated[
        Ends, Option("How --smooth treats the ends: natural, or periodic for a loop.")
    ] = "natural"
    num_samples: Annotated[
        int, Option("Latents for the PCA basis, if one is needed without --pca.", min=2)
    ] = 100_000

    def __post_init__(self) -> None:
        check_options(self)

    @property
    def needs_basis(self) -> bool:
        """Whether a PCA basis is needed, for its directions or its mean."""
        return self.truncation_psi is not None or any(m.is_component for m in self.directions)
