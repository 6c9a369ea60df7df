"""Statistics of a side in a file: writing, merging, and checks before a comparison."""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mocotool.configs.shard import WHOLE, Shard, check_complete, parse_saved_shard
from mocotool.errors import ConfigError, MismatchError
from mocotool.files import make_folder
from mocotool.metrics.results import MetricResult
from mocotool.metrics.statistics import FeatureStats, read_statistics, write_statistics
from mocotool.provenance import current_command, tool_version

SETTINGS_BEFORE = {"pixels": "signed"}  # the setting of files from before it was recorded


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class SavedStatistics:
    """Statistics from a file, and their record."""

    stats: FeatureStats
    meta: Mapping[str, Any]
    name: str


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class MeasuredSide:
    """A side's statistics, and its record for a result."""

    stats: FeatureStats
    report: dict[str, Any]


def check_comparable(
    saved: SavedStatistics, *, detector: Mapping[str, Any], features: Mapping[str, Any]
) -> None:
    """Check that saved statistics have the features in use.

    Args:
        saved: The saved statistics.
        detector: The record of the detector in use.
        features: The settings that features depend on.

    Raises:
        MismatchError: Detector or settings differ; the message names the first that does.
    """
    if "foreign" in saved.meta:
        return  # nothing to check; a warning says so
    recorded = saved.meta.get("detector") or {}
    for key in ("name", "sha256"):
        if recorded.get(key) != detector[key]:
            raise MismatchError(
                f"{saved.name}: features of detector {key} {recorded.get(key)}, "
                f"this comparison has {detector[key]}",
                hint="choose the same --detector, or measure the videos again",
            )
    settings = saved.meta.get("features") or {}
    for key, value in features.items():
        if settings.get(key, SETTINGS_BEFORE.get(key)) != value:
            raise MismatchError(
                f"{saved.name}: measured with {key.replace('_', ' ')} {settings.get(key)}, "
                f"this comparison has {value}",
                hint=f"--{key.replace('_', '-')} {settings.get(key)}, or measure it again",
            )


def save_statistics(
    result: MetricResult, targets: Mapping[str, Path], *, features: Mapping[str, Mapping[str, Any]]
) -> None:
    """Write the statistics of both sides of a result, for later comparisons.

    Args:
        result: A distance.
        targets: Output of each side; an existing file is replaced.
        features: Settings that each side's features depend on, checked in later comparisons.
    """
    for role, path in targets.items():
        make_folder(path.parent)
        side = MeasuredSide(result.statistics[role], result.inputs[role])
        write_side(side, path, detector=result.detector or {}, features=features[role])


def write_side(
    side: MeasuredSide,
    path: Path,
    *,
    detector: Mapping[str, Any],
    features: Mapping[str, Any],
    shard: Shard = WHOLE,
) -> None:
    """Write one side's statistics.

    Args:
        side: The measured side.
        path: Output; an existing file is replaced.
        detector: Record of the detector.
        features: Settings that the features depend on.
        shard: Which part of the side was measured.
    """
    meta = {
        **({} if shard == WHOLE else {"shard": list(shard)}),
        "detector": dict(detector),
        "features": dict(features),
        "source": side.report,
        "history": [current_command()],
        "version": tool_version(),
    }
    write_statistics(side.stats, path, meta=meta)


def merge_statistics(paths: Iterable[Path]) -> tuple[FeatureStats, dict[str, Any]]:
    """Merge saved statistics of the parts of one dataset.

    Returns:
        The statistics of all parts together, and their record.

    Raises:
        ConfigError: Fewer than two parts were given.
        MismatchError: The parts have different features, or a shard is duplicate or missing.
        FileFormatError: One of the files is something else.
    """
    files = list(paths)
    if len(files) < 2:
        raise ConfigError("nothing to merge: expected at least 2 files of statistics")

    parts = [SavedStatistics(*read_statistics(path), str(path)) for path in files]
    first = parts[0]

    # same features, and no part twice
    seen: dict[str, str] = {}
    for part in parts:
        detector = first.meta.get("detector") or {}
        check_comparable(
            part,
            detector={key: detector.get(key) for key in ("name", "sha256")},
            features=first.meta.get("features") or {},
        )
        identity = f"{part.stats.num_samples} {part.stats.mean.tobytes().hex()}"
        if identity in seen:
            raise MismatchError(f"{part.name}: the same statistics as {seen[identity]}")
        seen[identity] = part.name

    # all shards, in order; parts without a record are merged in the given order
    shards = {part.name: parse_saved_shard(part.meta.get("shard"), part.name) for part in parts}
    if any(shard is not None for shard in shards.values()):
        named = {part.name: part for part in parts}
        parts = [named[name] for name in check_complete(shards)]

    stats = FeatureStats.merge([part.stats for part in parts])
    source = {
        "kind": "merged",
        "path": " + ".join(part.name for part in parts),
        "num_clips": stats.num_samples,
        "parts": [part.meta.get("source") for part in parts],
    }
    return stats, {
        **{key: value for key, value in first.meta.items() if key not in ("schema", "shard")},
        "source": source,
        "history": [current_command()],
        "version": tool_version(),
    }


def report_saved(saved: SavedStatistics) -> dict[str, Any]:
    """Return the record of saved statistics for a result."""
    source = dict(saved.meta.get("source") or {})
    return {
        **source,
        "kind": "statistics",
        "path": saved.name,
        "source": source,
        "foreign": saved.meta.get("foreign"),
    }
