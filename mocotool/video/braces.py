"""Brace expansion for sets of archives, as in WebDataset: `shards/{000..099}.tar`."""

import itertools
import re
from pathlib import Path

from mocotool.errors import ConfigError

MAX_PLACES = 100_000


def expand_braces(place: Path) -> list[Path]:
    """Expand braces in the last part of a path, as shells do; other paths are returned as they are.

    "{000..012}" counts with leading zeros, and "{a,b}" lists. A file or folder with this literal
    name takes precedence.

    Raises:
        ConfigError: A range is descending or too long.
    """
    pieces = re.split(r"(\{\d+\.\.\d+\}|\{[^{},]*(?:,[^{},]*)+\})", place.name)
    if len(pieces) == 1 or place.exists():
        return [place]
    choices = [_expand(piece, place) for piece in pieces]
    number = 1
    for choice in choices:
        number *= len(choice)
        if number > MAX_PLACES:
            raise ConfigError(f"{place}: stands for more than {MAX_PLACES:,} files")
    return [place.with_name("".join(parts)) for parts in itertools.product(*choices)]


def _expand(piece: str, place: Path) -> list[str]:
    """Expand one part of a name."""
    if counted := re.fullmatch(r"\{(\d+)\.\.(\d+)\}", piece):
        first, last = (int(text) for text in counted.groups())
        if not 0 <= last - first < MAX_PLACES:
            raise ConfigError(f"{place}: {piece} does not count upwards to {MAX_PLACES:,} at most")
        return [f"{i:0{len(counted[1])}d}" for i in range(first, last + 1)]
    if piece.startswith("{") and piece.endswith("}"):
        return piece[1:-1].split(",")
    return [piece]
