"""Shards of work for machines that do not communicate: I/N is part I of N, from 0."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from mocotool.errors import ConfigError, FileFormatError, MismatchError

Shard = tuple[int, int]
WHOLE: Shard = (0, 1)
MAX_SHARDS = 1_000_000
MAX_LISTED = 8
HINT = "make all parts by one command, with another --shard each"


def check_shard(shard: Shard) -> Shard:
    """Check the index of a shard; return the shard.

    Raises:
        ConfigError: There is none.
    """
    index, count = shard
    if not 0 <= index < count <= MAX_SHARDS:
        raise ConfigError(
            f"shard {index}/{count}: expected a number from 0 to {count - 1} before the slash"
        )
    return shard


def parse_shard(text: str) -> Shard:
    """Parse "0/4" as (0, 4).

    Raises:
        ConfigError: It is something else, or there is no such part.
    """
    index, slash, count = text.partition("/")
    if not (slash and index.isdecimal() and count.isdecimal()):
        raise ConfigError(f"--shard {text}: expected I/N such as 0/4")
    return check_shard((int(index), int(count)))


def take_share(number: int, shard: Shard, *, multiple: int = 1) -> range:
    """Return the range of items of a shard: a contiguous block, so that order is kept.

    Args:
        number: How many things there are.
        shard: Whose.
        multiple: Blocks begin at multiples of this where there are enough things.

    Raises:
        ConfigError: None are left for this shard.
    """
    index, count = check_shard(shard)
    step = multiple if number >= multiple * count else 1
    num_steps = -(-number // step)
    begin, end = (min(number, step * (num_steps * i // count)) for i in (index, index + 1))
    if begin == end:
        raise ConfigError(
            f"shard {index}/{count} is empty: only {number} in all",
            hint=f"--shard I/{number} is the finest division",
        )
    return range(begin, end)


def fingerprint_whole(values: Any) -> str:
    """Return a fingerprint of inputs and settings, 16 digits, for `check_complete`.

    Args:
        values: Settings and inputs of the whole, as JSON can hold them.
    """
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def parse_saved_shard(value: object, name: str) -> Shard | None:
    """Read the shard from a file's metadata; `None` for the whole.

    Raises:
        FileFormatError: It is no part.
    """
    if value is None:
        return None
    if isinstance(value, list) and len(value) == 2 and all(type(x) is int for x in value):
        index, count = value
        if 0 <= index < count <= MAX_SHARDS:
            return index, count
    raise FileFormatError(f"{name}: shard {value!r} in meta, expected [I, N]")


def check_complete(shards: Mapping[str, Shard | None]) -> list[str]:
    """Check that files are all shards of one whole, each once; return their names in order.

    Args:
        shards: Name of each file -> which part it says it is.

    Raises:
        MismatchError: A part is missing, there twice, or of another division; or one says nothing.
    """
    found: dict[int, str] = {}
    counts = {shard[1] for shard in shards.values() if shard is not None}
    for name, shard in shards.items():
        if shard is None:
            raise MismatchError(f"{name}: does not say which part it is", hint=HINT)
        if len(counts) > 1:
            numbers = " and ".join(map(str, sorted(counts)))
            raise MismatchError(f"{name}: part of {shard[1]}, others are of {numbers}", hint=HINT)
        if shard[0] in found:
            raise MismatchError(f"{name}: part {shard[0]}/{shard[1]} again, as {found[shard[0]]}")
        found[shard[0]] = name
    (count,) = counts
    if missing := [f"{index}/{count}" for index in range(count) if index not in found]:
        shown = ", ".join(missing[:MAX_LISTED]) + (" ..." if len(missing) > MAX_LISTED else "")
        raise MismatchError(f"missing parts: {shown}", hint=f"make them with --shard {missing[0]}")
    return [found[index] for index in range(count)]
