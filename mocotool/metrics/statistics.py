"""Statistics of features: number, mean and scatter in float64, accumulated batch by batch."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from mocotool.errors import FileFormatError, MismatchError
from mocotool.files import atomic_path
from mocotool.npz import Array, from_json_array, read_npz, to_json_array, write_npz

Float64 = npt.NDArray[np.float64]
Float32 = npt.NDArray[np.float32]

SCHEMA = "moco.statistics/1"

MAX_KEPT_VALUES = 1 << 26
"""Features are kept up to this many values, 256 MB: 160,000 clips of I3D."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class FeatureStats:
    """Number, mean and scatter of features, and the features themselves if they are few."""

    num_samples: int
    """Number of features, n."""
    mean: Float64
    """Their mean, [d]."""
    scatter: Float64
    """Sum of outer products of deviations from the mean, [d, d]."""
    features: Float32 | None = None
    """The features [n, d] in order; `None` if there were too many."""
    known_covariance: Float64 | None = None
    """The covariance [d, d] if a file holds nothing else, neither n nor the divisor."""

    @property
    def feature_dim(self) -> int:
        """Dimension of the features, d."""
        return len(self.mean)

    @classmethod
    def empty(cls, feature_dim: int) -> Self:
        """Return the statistics of zero features."""
        return cls(
            num_samples=0,
            mean=np.zeros(feature_dim),
            scatter=np.zeros((feature_dim, feature_dim)),
            features=np.zeros((0, feature_dim), np.float32),
        )

    @classmethod
    def from_features(cls, features: npt.NDArray[Any]) -> Self:
        """Return the statistics of features [n, d].

        Raises:
            MismatchError: They have another shape.
        """
        if features.ndim != 2 or not features.shape[1]:
            raise MismatchError(f"features have shape {list(features.shape)}, expected [n, d]")
        values = features.astype(np.float64)
        mean = values.mean(axis=0) if len(values) else np.zeros(values.shape[1])
        deviations = values - mean
        return cls(
            num_samples=len(values),
            mean=mean,
            scatter=deviations.T @ deviations,
            features=features.astype(np.float32) if features.size <= MAX_KEPT_VALUES else None,
        )

    @classmethod
    def merge(cls, parts: Iterable[Self]) -> Self:
        """Return the statistics of several sets of features together.

        Raises:
            MismatchError: The parts have different numbers of dimensions, or there are none.

        Source:
            Paper: Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for
            computing sample variances", 1979.
        """
        parts = list(parts)
        if any(part.known_covariance is not None for part in parts):
            raise MismatchError("statistics without a number of samples cannot be merged")
        dims = sorted({part.feature_dim for part in parts})
        if len(dims) != 1:
            raise MismatchError(f"statistics of features with {dims} dimensions cannot be merged")
        total = sum(part.num_samples for part in parts)
        mean = np.zeros(dims[0])
        for part in parts:
            mean += part.mean * (part.num_samples / max(1, total))
        scatter = np.zeros((dims[0], dims[0]))
        for part in parts:
            shift = part.mean - mean
            scatter += part.scatter + part.num_samples * np.outer(shift, shift)
        return cls(
            num_samples=total,
            mean=mean,
            scatter=scatter,
            features=_join([part.features for part in parts], total * dims[0]),
        )

    def covariance(self, *, ddof: int) -> Float64:
        """Return the covariance [d, d]; `ddof` is 1 for the unbiased one (n - 1), else 0.

        Raises:
            MismatchError: There are too few samples.
        """
        if self.known_covariance is not None:
            return self.known_covariance
        if self.num_samples < 2:
            raise MismatchError(
                f"a covariance needs at least 2 samples, got {self.num_samples}",
                hint="--real-clips all and --fake-clips all take every clip of a long video",
            )
        return self.scatter / (self.num_samples - ddof)


class StatsAccumulator:
    """Accumulates features batch by batch, in memory that does not grow with their number.

    Args:
        feature_dim: Dimension of the features.
        keep_features: Whether to keep the features as well, if they are few.
    """

    def __init__(self, feature_dim: int, *, keep_features: bool = True) -> None:
        self._stats = dataclasses.replace(FeatureStats.empty(feature_dim), features=None)
        self._kept: list[Float32] | None = [] if keep_features else None
        self._num_kept = 0

    def add(self, features: npt.NDArray[Any]) -> None:
        """Add features [n, d]."""
        part = FeatureStats.from_features(features)
        self._stats = FeatureStats.merge([self._stats, dataclasses.replace(part, features=None)])
        if self._kept is not None:
            self._num_kept += features.size
            self._kept.append(features.astype(np.float32))
            if self._num_kept > MAX_KEPT_VALUES:
                self._kept = None

    def finish(self) -> FeatureStats:
        """Return the statistics of all features added."""
        if self._kept is None:
            return self._stats
        features = np.concatenate([np.zeros((0, self._stats.feature_dim), np.float32), *self._kept])
        return dataclasses.replace(self._stats, features=features)


def write_statistics(stats: FeatureStats, path: Path, *, meta: dict[str, Any]) -> None:
    """Write statistics as `.npz`, atomically.

    Args:
        stats: The statistics.
        path: Output; an existing file is replaced.
        meta: Their record: detector, protocol, source.
    """
    arrays: dict[str, Array] = {
        "num_samples": np.array(stats.num_samples, np.int64),
        "mean": stats.mean,
        "scatter": stats.scatter,
    }
    if stats.features is not None:
        arrays["features"] = stats.features
    with atomic_path(path) as part, part.open("wb") as file:
        write_npz({**arrays, "meta": to_json_array({"schema": SCHEMA} | meta)}, file)


def is_statistics(fields: Iterable[str]) -> bool:
    """Return whether an `.npz` with these keys holds statistics."""
    return {"num_samples", "mean", "scatter"} <= set(fields)


def read_statistics(path: Path) -> tuple[FeatureStats, dict[str, Any]]:
    """Read a file of `write_statistics`.

    Returns:
        The statistics, and their record.

    Raises:
        FileFormatError: The file is something else, or inconsistent.
    """
    fields = read_npz(path, str(path))
    if not is_statistics(fields) or "meta" not in fields:
        raise FileFormatError(
            f"{path}: no statistics (found: {', '.join(sorted(fields)) or 'nothing'})",
            hint="make them with `moco eval fvd --save-stats` or `moco eval stats`",
        )

    meta = from_json_array(fields["meta"], str(path))
    if meta.get("schema") != SCHEMA:
        raise FileFormatError(f"{path}: schema {meta.get('schema')!r}, expected {SCHEMA!r}")

    # shapes and values must be consistent
    count, mean, scatter = fields["num_samples"], fields["mean"], fields["scatter"]
    features = fields.get("features")
    is_whole = (
        count.shape == ()
        and count.dtype.kind in "iu"
        and mean.ndim == 1
        and scatter.shape == mean.shape * 2
        and mean.dtype == scatter.dtype == np.float64
        and bool(np.isfinite(mean).all() and np.isfinite(scatter).all())
        and (features is None or features.shape == (int(count), len(mean)))
    )
    if not is_whole:
        raise FileFormatError(
            f"{path}: the statistics are inconsistent: mean {list(mean.shape)}, "
            f"scatter {list(scatter.shape)}, or numbers that are not finite"
        )

    stats = FeatureStats(
        num_samples=int(count),
        mean=mean,
        scatter=scatter,
        features=None if features is None else features.astype(np.float32),
    )
    return stats, meta


def _join(parts: list[Float32 | None], num_values: int) -> Float32 | None:
    kept = [part for part in parts if part is not None]
    if len(kept) < len(parts) or num_values > MAX_KEPT_VALUES:
        return None
    return np.concatenate(kept)
