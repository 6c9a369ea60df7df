"""Shards of a PCA computed on several machines: sums of latents, and their files.

All latents of a PCA are in pieces, up to 64, whatever the number of shards; the whole adds up the
same pieces in the same order. So shards that are merged give the basis that one machine gives, to
the last bit.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from mocotool.basis import BasisMeta
from mocotool.configs.pca import PCAConfig
from mocotool.configs.shard import Shard
from mocotool.errors import FileFormatError, MismatchError
from mocotool.files import open_target
from mocotool.latents import parse_record
from mocotool.npz import from_json_array, read_npz, to_json_array, write_npz
from mocotool.provenance import current_command

Float64 = npt.NDArray[np.float64]
SCHEMA = "moco.pca-part/1"
MAX_PIECES = 64
ARRAYS = ("pieces", "counts", "means", "scatters")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Moments:
    """Number, mean and scatter of some latents."""

    count: int
    """How many, n."""
    mean: Float64
    """[latent_dim]."""
    scatter: Float64
    """Sum of outer products of deviations from the mean, [latent_dim, latent_dim]."""

    def covariance(self) -> Float64:
        """Return the unbiased covariance, [latent_dim, latent_dim]."""
        return self.scatter / (self.count - 1)

    def joined(self, other: "Moments") -> "Moments":
        """Return the moments of both sets of latents together.

        Source:
            Paper: Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for
            computing sample variances", 1979.
        """
        total = self.count + other.count
        shift = other.mean - self.mean
        return Moments(
            count=total,
            mean=self.mean + shift * (other.count / total),
            scatter=self.scatter
            + other.scatter
            + np.outer(shift, shift) * (self.count * other.count / total),
        )


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PCAPart:
    """What one shard of a PCA has summed up."""

    config: PCAConfig
    """Settings of the whole."""
    shard: Shard
    """Which part of it this is."""
    pieces: dict[int, Moments]
    """Number of each of its pieces -> what is in it."""
    meta: BasisMeta
    """Whose latents they are."""


def count_pieces(num_blocks: int) -> int:
    """Return how many pieces the blocks of latents are put into."""
    return min(MAX_PIECES, num_blocks)


def join_parts(parts: Sequence[PCAPart], *, num_pieces: int) -> Moments:
    """Return the moments of all latents, added up piece by piece in their order.

    Raises:
        MismatchError: The parts are of different PCAs, or one is missing or duplicate.
    """
    first = parts[0]
    found: dict[int, Moments] = {}
    for part in parts:
        if part.config != first.config or part.meta.generator != first.meta.generator:
            raise MismatchError(
                f"shards {_name(first)} and {_name(part)} "
                "were made with different generators or settings",
                hint="make all of them with the same command, each with its own --shard",
            )
        if found.keys() & part.pieces.keys():
            raise MismatchError(f"shard {_name(part)} overlaps with another: give each part once")
        found |= part.pieces
    if len(found) < num_pieces:
        given = ", ".join(map(_name, parts))
        raise MismatchError(
            f"{num_pieces - len(found)} of {num_pieces} pieces are missing, given were shards "
            f"{given}",
            hint="make the missing ones with `moco pca --shard I/N -o FILE.npz`",
        )
    joined = found[0]
    for piece in range(1, num_pieces):
        joined = joined.joined(found[piece])
    return joined


def _name(part: PCAPart) -> str:
    return "{}/{}".format(*part.shard)


def write_pca_part(part: PCAPart, file: Path | str | BinaryIO) -> None:
    """Write a part as `.npz`; the same part gives the same bytes."""
    numbers = sorted(part.pieces)
    pieces = [part.pieces[number] for number in numbers]
    meta = dataclasses.replace(part.meta, history=(*part.meta.history, current_command()))
    values = meta.as_json() | {
        "schema": SCHEMA,
        "shard": list(part.shard),
        "config": dataclasses.asdict(part.config),
    }
    with open_target(file) as stream:
        write_npz(
            {
                "pieces": np.array(numbers, np.int64),
                "counts": np.array([piece.count for piece in pieces], np.int64),
                "means": np.stack([piece.mean for piece in pieces]),
                "scatters": np.stack([piece.scatter for piece in pieces]),
                "meta": to_json_array(values),
            },
            stream,
        )


def read_pca_part(path: Path) -> PCAPart:
    """Read what `write_pca_part` wrote.

    Raises:
        FileFormatError: The file is something else, or inconsistent.
    """
    name = str(path)
    fields = read_npz(path, name)
    values = from_json_array(fields["meta"], name) if "meta" in fields else {}
    if values.get("schema") != SCHEMA or not {*ARRAYS} <= fields.keys():
        raise FileFormatError(
            f"{name}: not a part of a PCA, expected one of `moco pca --shard I/N`"
        )

    # Arrays that fit each other, and settings that were settings once
    pieces, counts, means, scatters = (fields[key] for key in ARRAYS)
    is_whole = (
        pieces.ndim == 1
        and len(pieces) > 0
        and pieces.dtype.kind == counts.dtype.kind == "i"
        and counts.shape == pieces.shape
        and means.ndim == 2
        and means.dtype == scatters.dtype == np.float64
        and len(means) == len(pieces)
        and scatters.shape == (*means.shape, means.shape[1])
        and bool(counts.min() > 0)
    )
    try:
        config = PCAConfig(**values["config"])
        index, count = map(int, values["shard"])
    except (KeyError, TypeError, ValueError):
        is_whole = False
    if not is_whole:
        raise FileFormatError(f"{name}: its arrays and settings are inconsistent")

    space: Any = values.get("space")
    return PCAPart(
        config=config,
        shard=(index, count),
        pieces={
            int(number): Moments(count=int(n), mean=mean, scatter=scatter)
            for number, n, mean, scatter in zip(pieces, counts, means, scatters, strict=True)
        },
        meta=BasisMeta(
            space=space,
            seed=config.seed,
            generator=parse_record(values.get("generator"), name),
            history=tuple(map(str, values.get("history") or ())),
        ),
    )
