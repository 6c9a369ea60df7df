"""Settings that several operations on latents share, and how they are typed."""

import math
import re
from typing import Annotated, Literal

from mocotool.configs.option import Option
from mocotool.errors import ConfigError

Ease = Literal["none", "in", "out", "in-out"]


def parse_layers(text: str) -> tuple[int, int]:
    """Turn "8-13" or "8" into the first and the last layer.

    Raises:
        ConfigError: The text is neither.
    """
    match = re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", text.strip())
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if last < first:
        raise ConfigError(f"layers {text!r}: expected a range such as 0-5")
    return first, last


def parse_ends(text: str) -> tuple[float, float]:
    """Turn "0.7" or "1:0.5" into what holds at the first frame and at the last.

    Raises:
        ConfigError: The text is neither a number nor two.
    """
    try:
        numbers = [float(part) for part in text.split(":")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2) or not all(map(math.isfinite, numbers)):
        raise ConfigError(f"{text!r}: expected a number, or two such as 1:0.5")
    return numbers[0], numbers[-1]


Layers = Annotated[
    tuple[int, int] | None,
    Option(
        "Layers of w+ that change, the coarsest is 0; all if left out.",
        metavar="0-5",
        parse=parse_layers,
    ),
]
Schedule = Annotated[
    str,
    Option(
        "How strong over the clip: constant, linear, ease, pulse, or a CSV file with a number for "
        "each frame.",
        metavar="CURVE",
    ),
]
