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
    """How far to go along which direction, as it was typed."""

    name: str
    """Number of a PCA component, or a file of directions."""
    strength: float
    """In standard deviations of the latents, or in lengths of the file's vector."""
    row: int | None = None
    """Which vector of a file that holds several, or `None` where it was left open."""

    @property
    def is_component(self) -> bool:
        """Whether it is along a component of a PCA basis."""
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
    """What `edit_trajectory` changes, in this order."""

    smooth: Annotated[
        float,
        Option("Smooth over time: standard deviation of a Gaussian, in frames.", min=0, max=1000),
    ] = 0.0
    truncation_psi: Annotated[
        tuple[float, float] | None,
        Option(
            "Towards the mean: 1 changes nothing, 0 is the mean; 1:0.5 from the first frame to "
            "the last.",
            metavar="P[:Q]",
            parse=parse_ends,
        ),
    ] = None
    directions: Annotated[
        tuple[Move, ...],
        Option(
            "Along PCA direction 3 by 2 standard deviations, or along a saved vector "
            "(smile.npy:1.5); several with commas.",
            metavar="3:+2.0",
            name="direction",
            parse=parse_moves,
            shown="none",
        ),
    ] = ()
    schedule: Schedule = "constant"
    layers: Layers = None
    ends: Annotated[Ends, Option("What --smooth takes the clip for: one with ends, or a loop.")] = (
        "natural"
    )
    num_samples: Annotated[
        int, Option("Latents to compute a basis of where one is needed without --pca.", min=2)
    ] = 100_000

    def __post_init__(self) -> None:
        check_options(self)

    @property
    def needs_basis(self) -> bool:
        """Whether a basis is asked for its directions or its mean."""
        return self.truncation_psi is not None or any(m.is_component for m in self.directions)
