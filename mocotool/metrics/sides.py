"""One side of a comparison: videos to measure now, or statistics measured before."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import torch

from mocotool.boundary import foreign_data
from mocotool.configs.evaluate import FEW_SAMPLES, VideoProtocol
from mocotool.configs.render import RenderConfig
from mocotool.configs.sample import BUNDLED_MOTION
from mocotool.configs.shard import WHOLE, Shard, check_complete, parse_saved_shard
from mocotool.errors import ConfigError, FileFormatError, MismatchError
from mocotool.fetched import locate
from mocotool.files import make_folder
from mocotool.generators.loading import load_generator
from mocotool.generators.recorded import load_recorded_generator
from mocotool.latents import check_latents_fit, read_latents
from mocotool.metrics import foreign_statistics
from mocotool.metrics.results import MetricResult
from mocotool.metrics.sampled_videos import SampledMotion
from mocotool.metrics.sources import RenderedLatents, VideoSource, open_videos
from mocotool.metrics.statistics import (
    FeatureStats,
    is_statistics,
    read_statistics,
    write_statistics,
)
from mocotool.npz import read_npz
from mocotool.provenance import current_command, portable_path, tool_version
from mocotool.trajectory import load_motion_and_generator


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class SavedStatistics:
    """Statistics out of a file, and what they are of."""

    stats: FeatureStats
    meta: Mapping[str, Any]
    name: str


Side: TypeAlias = VideoSource | SavedStatistics | SampledMotion

SETTINGS_BEFORE = {"pixels": "signed"}  # what files written before there was a choice are of


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class MeasuredSide:
    """A side's statistics, and what a result says of it."""

    stats: FeatureStats
    report: dict[str, Any]


def open_side(
    path: Path | str,
    *,
    generator: Path | str | None = None,
    render: RenderConfig | None = None,
    pca: Path | str | None = None,
    num_videos: int | None = None,
    device: torch.device | str = "cpu",
    precision: torch.dtype = torch.float32,
    warn: Callable[[str], None] | None = None,
) -> Side:
    """Open what a user named: a folder, a video, latents, a motion model, or saved statistics.

    Args:
        path: The folder or file, or "bundled:motion.safetensors"; statistics may be those of other
            programs, see `read_foreign_statistics`.
        generator: What renders latents; `None` is the one they were made for.
        render: How they are rendered.
        pca: The basis of an authors' motion model (.pth), which is read as one only with it.
        num_videos: Videos to sample from a motion model; `None` is as many as are compared.
        device: Where.
        precision: What the generator's convolutions compute in.
        warn: Told of videos that cannot be read.

    Raises:
        FileFormatError: The file is missing or none of these.
        MismatchError: The latents do not fit the generator.
    """
    if is_motion_model(path, pca=pca):
        motion, network = load_motion_and_generator(
            path,
            None if generator is None else Path(generator),
            pca=pca,
            device=torch.device(device),
            precision=precision,
            warn=warn or (lambda _: None),
        )
        return SampledMotion(
            motion=motion,
            generator=network,
            config=render or RenderConfig(),
            num_videos=num_videos,
            name=str(path),
        )
    path = locate(path)
    if path.is_file() and path.suffix.lower() in foreign_statistics.ENDINGS:
        return SavedStatistics(*foreign_statistics.read_foreign_statistics(path), str(path))
    if path.is_dir() or path.suffix.lower() not in (".npz", ".npy"):
        return open_videos(path, warn=warn)

    # arrays: statistics, ours or those of other programs, tell themselves by their names
    is_bare = path.suffix.lower() == ".npy"
    fields = {} if is_bare else read_npz(path, str(path))
    if is_statistics(fields):
        return SavedStatistics(*read_statistics(path), str(path))
    if foreign_statistics.is_mean_and_covariance(fields):
        with foreign_data(path, what="statistics", hint=foreign_statistics.HINT):
            found = foreign_statistics.from_mean_and_covariance(fields, program="mu and sigma")
        return SavedStatistics(*found, str(path))

    # latents, with the generator that was asked for before the one that they record
    named = None
    if is_bare or generator is not None:
        named = load_generator(generator, device=device, precision=precision)
    trajectory = read_latents(path, generator=named)
    record = trajectory.meta.generator
    if named is not None or record is None:
        renderer = named or load_generator(device=device, precision=precision)
    else:
        renderer = load_recorded_generator(
            record, name=str(path), beside=(path.parent,), device=device, precision=precision
        )
    warning = check_latents_fit(trajectory, renderer)
    if warning is not None and warn is not None:
        warn(warning)
    return RenderedLatents(trajectory, renderer, config=render, name=str(path))


def is_motion_model(path: Path | str, *, pca: Path | str | None = None) -> bool:
    """Tell whether what a user named is a motion model: ours, or with a basis the authors'."""
    ending = Path(path).suffix.lower()
    return (
        str(path) == BUNDLED_MOTION or ending == ".safetensors" or (ending == ".pth" and bool(pca))
    )


def check_comparable(
    saved: SavedStatistics, *, detector: Mapping[str, Any], features: Mapping[str, Any]
) -> None:
    """Check that saved statistics are of the features that are asked for now.

    Args:
        saved: What was saved.
        detector: The record of the detector in use.
        features: The settings that features depend on.

    Raises:
        MismatchError: Detector or settings differ; the message names the first that does.
    """
    if "foreign" in saved.meta:
        return  # it says nothing to check; a warning does
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
    """Write the statistics of a result's sides, so that they need not be measured again.

    Args:
        result: A distance.
        targets: Where each side's go; an existing file is replaced.
        features: The settings that each side's features depend on, checked before they are
            compared.
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
        side: What was measured.
        path: Where to; an existing file is replaced.
        detector: What the result says of its detector.
        features: The settings that features depend on.
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
    """Merge saved statistics of parts of one set.

    Returns:
        The statistics of all parts together, and what they are of.

    Raises:
        ConfigError: Fewer than two parts were given.
        MismatchError: The parts are of different features, one is there twice, or one of several
            shards is missing.
        FileFormatError: One of the files is something else.
    """
    files = list(paths)
    if len(files) < 2:
        raise ConfigError("nothing to merge: expected at least 2 files of statistics")

    parts = [SavedStatistics(*read_statistics(path), str(path)) for path in files]
    first = parts[0]

    # features alike, and no part twice
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

    # shards in their order, and all of them; sets that say nothing are put together as they come
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
    """Return what a result says of a side that was measured before."""
    source = dict(saved.meta.get("source") or {})
    return {
        **source,
        "kind": "statistics",
        "path": saved.name,
        "source": source,
        "foreign": saved.meta.get("foreign"),
    }


def collect_warnings(
    reports: Mapping[str, Mapping[str, Any]],
    *,
    what: str,
    feature_dim: int,
    is_biased: bool = True,
    is_resized: bool = False,
) -> tuple[str, ...]:
    """Return why a distance between these sides may not be what it seems.

    Args:
        reports: What is known of each side.
        what: What is counted: "clips" or "frames".
        feature_dim: Numbers in a feature.
        is_biased: Whether the distance is large for few samples, as a Frechet distance is.
        is_resized: Whether all frames are made one size first, whatever they are.
    """
    warnings = []
    for role, report in reports.items():
        if report.get("foreign"):
            warnings.append(
                f"{role}: {report['foreign']} does not say by which detector and protocol it was "
                "made; the distance means something only if by these"
            )
        count = report.get(f"num_{what}", report.get("num_clips"))
        if count is None:
            continue
        if is_biased and count < FEW_SAMPLES:
            singular = ", and their covariance is singular" if count <= feature_dim else ""
            warnings.append(
                f"{role}: {count:,} {what}; below {FEW_SAMPLES:,} the distance is large for want "
                f"of samples alone{singular}"
            )
        if report.get("is_lossy"):
            warnings.append(
                f"{role}: compressed with loss, which moves the distance; measure latents (.npz) "
                "or .png frames where you can"
            )
        if len(report.get("sizes") or {}) > 1 and not is_resized:
            warnings.append(f"{role}: frames of several sizes ({', '.join(report['sizes'])})")

    # what the sides have in common, or do not
    sizes = {tuple(sorted(report.get("sizes") or {})) for report in reports.values()} - {()}
    if len(sizes) > 1 and all(len(size) == 1 for size in sizes) and not is_resized:
        shown = " and ".join(f"{role} {next(iter(r['sizes']))}" for role, r in reports.items())
        warnings.append(f"the sides differ in size ({shown}), which the distance sees")

    marks = [report.get("fingerprint") for report in reports.values()]
    if len(marks) == 2 and marks[0] is not None and marks[0] == marks[1]:
        warnings.append("both sides are the same videos, so the distance says nothing")
    return tuple(warnings)


def find_stride_warnings(
    reports: Mapping[str, Mapping[str, Any]], *, protocol: VideoProtocol
) -> tuple[str, ...]:
    """Return a warning if generated clips move faster or slower than real ones by their making.

    A clip of a model that learnt from every second frame is every second frame already.

    Args:
        reports: What is known of each side; `recorded_stride` of latents says what they stand for.
        protocol: Says to take every n-th frame of each side.
    """
    recorded = reports["fake"].get("recorded_stride")
    if recorded is None:
        return ()
    real = protocol.stride_of("real") * (reports["real"].get("recorded_stride") or 1)
    fake = protocol.stride_of("fake") * recorded
    if real == fake:
        return ()
    return (
        f"a frame of the generated clips stands for {fake} of the videos their motion was learnt "
        f"from, one of the real clips for {real}: add --real-stride {fake} to compare alike",
    )


def name_source(path: str) -> str:
    """Return the path of a side as results state it."""
    return portable_path(Path(path)) if Path(path).exists() else path


def require_videos(side: Side) -> VideoSource:
    """Return a side that has frames.

    Raises:
        FileFormatError: It is statistics only, or a motion model.
    """
    if isinstance(side, SavedStatistics):
        raise FileFormatError(f"{side.name}: statistics hold no frames, expected videos or latents")
    if isinstance(side, SampledMotion):
        raise FileFormatError(
            f"{side.name}: a motion model, expected videos or latents",
            hint=f"moco sample {side.name} -o walk.npz",
        )
    return side


def require_frames(side: Side) -> VideoSource | SampledMotion:
    """Return a side that has frames, or a motion model that makes them.

    Raises:
        FileFormatError: It is statistics only.
    """
    return side if isinstance(side, SampledMotion) else require_videos(side)
