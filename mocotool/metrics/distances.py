"""FVD and KVD: two sides, one detector, one distance, and the protocol beside it."""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch

from mocotool.configs.evaluate import ExtractionConfig, SideRole, VideoProtocol
from mocotool.errors import ConfigError, FileFormatError, MismatchError
from mocotool.metrics.detectors import Detector, load_video_detector
from mocotool.metrics.extraction import extract_statistics
from mocotool.metrics.frechet import frechet_distance
from mocotool.metrics.kernel_distance import kernel_distance
from mocotool.metrics.results import MetricResult
from mocotool.metrics.sampling import ClipPlan, FramePlan, plan_clips
from mocotool.metrics.sides import (
    MeasuredSide,
    SavedStatistics,
    Side,
    check_comparable,
    collect_warnings,
    find_stride_warnings,
    name_source,
    report_saved,
)
from mocotool.metrics.sources import VideoSource
from mocotool.metrics.statistics import FeatureStats, Float32
from mocotool.training.distributed import Processes

Plan = ClipPlan | FramePlan
Progress = Callable[[int], None]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Measuring:
    """How a side is measured, whatever is measured."""

    config: ExtractionConfig = dataclasses.field(default_factory=ExtractionConfig)
    """Batches, threads, cache and shard."""
    device: torch.device = dataclasses.field(default_factory=lambda: torch.device("cpu"))
    """Where the detector runs."""
    processes: Processes = dataclasses.field(default_factory=Processes)
    """Those that share the work."""
    progress: Progress | None = None
    """Called with the number of features done since the last call."""


def compute_fvd(
    real: Side,
    fake: Side,
    *,
    protocol: VideoProtocol | None = None,
    detector: Detector | None = None,
    measuring: Measuring | None = None,
    ground_truth: bool = False,
) -> MetricResult:
    """Compute the Frechet video distance, with everything it depends on.

    Args:
        real: Real videos, or their statistics; see `open_side`.
        fake: Generated ones.
        protocol: Clips, resizing and covariance; `None` is that of StyleGAN-V.
        detector: What turns clips into features; `None` is the published I3D from the cache.
        measuring: Device, batches, cache and progress.
        ground_truth: Also measure one random half of the real clips against the other.

    Returns:
        The distance, called "FVD" only if the detector is the published one. With several repeats
        it is their mean.

    Raises:
        MismatchError: Saved statistics are of other features, or a side has too few clips.
        FileFormatError: A clip cannot be decoded, or has NaN features.
        UnavailableError: The detector's weights are not here.

    Source:
        Paper: Unterthiner et al., "FVD: A new metric for video generation", 2019.
        Official code: the four protocols in docs/precision.md.
    """
    return _compare(
        real, fake, protocol, detector, measuring, metric="FVD", ground_truth=ground_truth
    )


def compute_kvd(
    real: Side,
    fake: Side,
    *,
    protocol: VideoProtocol | None = None,
    detector: Detector | None = None,
    measuring: Measuring | None = None,
    ground_truth: bool = False,
) -> MetricResult:
    """Compute the kernel video distance: the unbiased polynomial MMD of I3D logits.

    Arguments as in `compute_fvd`; the protocol's covariance plays no part.

    Returns:
        The squared MMD and its standard error.

    Raises:
        MismatchError: Saved statistics are of other features, or a side has too few clips.
        FileFormatError: A clip cannot be decoded, has NaN features, or saved statistics came
            without features.
        UnavailableError: The detector's weights are not here.

    Source:
        Paper: Unterthiner et al., 2019; Binkowski et al., 2018.
    """
    return _compare(
        real, fake, protocol, detector, measuring, metric="KVD", ground_truth=ground_truth
    )


def feature_settings(protocol: VideoProtocol, role: SideRole) -> dict[str, Any]:
    """Return the settings that the features of a side's clips depend on."""
    names = ("num_frames", "frame_size", "resize", "interpolation")
    return {name: getattr(protocol, name) for name in names} | {
        "frame_stride": protocol.stride_of(role)
    }


def measure_clips(
    side: Side,
    role: SideRole,
    *,
    protocol: VideoProtocol,
    detector: Detector,
    measuring: Measuring | None = None,
    repeat: int = 0,
) -> MeasuredSide:
    """Compute one side's statistics under a protocol.

    Args:
        side: Videos, latents, or statistics, which are taken as they are.
        role: Which of the protocol's clip choices and counts holds.
        protocol: Clips and resizing.
        detector: What turns clips into features.
        measuring: Device, batches, cache and progress.
        repeat: Which of the repeats, for the random choices.

    Raises:
        MismatchError: The statistics are of other features.
        FileFormatError: No clip is long enough, or one cannot be measured.
    """
    record = dataclasses.asdict(detector.record)
    if isinstance(side, SavedStatistics):
        check_comparable(side, detector=record, features=feature_settings(protocol, role))
        return MeasuredSide(side.stats, report_saved(side))
    measuring = Measuring() if measuring is None else measuring

    plan = plan_clips(
        side.num_frames,
        name=side.name,
        choice=protocol.real_clips if role == "real" else protocol.fake_clips,
        num_frames=protocol.num_frames,
        frame_stride=protocol.stride_of(role),
        count=protocol.num_real if role == "real" else protocol.num_fake,
        seed=protocol.seed + repeat,
    )

    stats = extract_statistics(
        side,
        plan,
        detector=detector,
        frame_size=protocol.frame_size,
        config=measuring.config,
        device=measuring.device,
        processes=measuring.processes,
        progress=measuring.progress,
    )
    return MeasuredSide(stats, report_input(side, plan, stats.num_samples, "clips"))


def _compare(
    real: Side,
    fake: Side,
    protocol: VideoProtocol | None,
    detector: Detector | None,
    measuring: Measuring | None,
    *,
    metric: Literal["FVD", "KVD"],
    ground_truth: bool,
) -> MetricResult:
    protocol = VideoProtocol() if protocol is None else protocol
    measuring = Measuring() if measuring is None else measuring
    if detector is None:
        detector = load_video_detector(protocol=protocol)
    check_clip_length(protocol, detector)

    # other clips at each repeat; what is reported of the sides is the first's
    estimates: list[_Estimate] = []
    first: dict[str, MeasuredSide] = {}
    for repeat in range(protocol.num_repeats):
        measured: dict[str, MeasuredSide] = {
            role: measure_clips(
                side,
                role,
                protocol=protocol,
                detector=detector,
                measuring=measuring,
                repeat=repeat,
            )
            for role, side in _roles(real, fake)
        }
        first = first or measured
        stats = {role: side.stats for role, side in measured.items()}
        estimates.append(
            _estimate(metric, stats["real"], stats["fake"], protocol, (real.name, fake.name))
        )

    values = [estimate.value for estimate in estimates]
    errors = [e.standard_error for e in estimates if e.standard_error is not None]
    details: dict[str, Any] = {"values": values} if len(values) > 1 else {}

    if ground_truth:
        halves = split_halves(first["real"].stats, real.name, seed=protocol.seed)
        estimate = _estimate(metric, *halves, protocol, (real.name, real.name))
        details["ground_truth"] = {
            "value": estimate.value,
            "num_clips_each": halves[0].num_samples,
        }

    reports = {role: side.report for role, side in first.items()}
    feature_dim = first["real"].stats.feature_dim
    general = "frechet distance" if metric == "FVD" else "kernel distance"
    return MetricResult(
        metric=detector.record.name_metric(metric, general=general),
        value=float(np.mean(values)),
        std=float(np.std(values, ddof=1)) if len(values) > 1 else None,
        standard_error=float(np.mean(errors)) if errors else None,
        protocol=dataclasses.asdict(protocol),
        detector=describe_detector(detector, feature_dim),
        inputs=reports,
        details=details,
        device=str(measuring.device),
        warnings=(
            *collect_warnings(
                reports,
                what="clips",
                feature_dim=feature_dim,
                is_resized=protocol.frame_size is not None,
            ),
            *find_stride_warnings(reports, protocol=protocol),
        ),
        statistics={role: side.stats for role, side in first.items()},
    )


def check_clip_length(protocol: VideoProtocol, detector: Detector) -> None:
    """Check that clips are long enough for a detector.

    Raises:
        ConfigError: They are not.
    """
    if protocol.num_frames < detector.min_frames:
        raise ConfigError(
            f"clips of {protocol.num_frames} frames, the detector {detector.record.name} needs "
            f"at least {detector.min_frames}",
            hint=f"--num-frames {detector.min_frames}",
        )


def describe_detector(detector: Detector, feature_dim: int) -> dict[str, Any]:
    """Return what a result says of its detector."""
    return dataclasses.asdict(detector.record) | {"feature_dim": feature_dim} | detector.settings()


def _roles(real: Side, fake: Side) -> tuple[tuple[SideRole, Side], ...]:
    return (("real", real), ("fake", fake))


@dataclasses.dataclass(frozen=True, slots=True)
class _Estimate:
    value: float
    standard_error: float | None = None


def _estimate(
    metric: Literal["FVD", "KVD"],
    real: FeatureStats,
    fake: FeatureStats,
    protocol: VideoProtocol,
    names: tuple[str, str],
) -> _Estimate:
    if metric == "FVD":
        return _Estimate(frechet_distance(real, fake, ddof=protocol.ddof))
    estimate = kernel_distance(require_features(real, names[0]), require_features(fake, names[1]))
    return _Estimate(estimate.value, estimate.standard_error)


def require_features(stats: FeatureStats, name: str) -> Float32:
    """Return the features themselves.

    Raises:
        FileFormatError: They were too many to be kept.
    """
    if stats.features is None:
        raise FileFormatError(
            f"{name}: only statistics are left of its {stats.num_samples:,} features, "
            "which is not enough here",
            hint="measure fewer clips: features are kept up to 256 MB",
        )
    return stats.features


def split_halves(stats: FeatureStats, name: str, *, seed: int) -> tuple[FeatureStats, FeatureStats]:
    """Return the statistics of two random halves of a side.

    Raises:
        FileFormatError: Its features were too many to be kept.
        MismatchError: They are too few.
    """
    features = require_features(stats, name)
    if len(features) < 4:
        raise MismatchError(
            f"{name}: {len(features)} samples cannot be halved, a ground truth needs at least 4",
            hint="leave --ground-truth out, or add --real-clips all",
        )
    order = np.random.default_rng(seed).permutation(len(features))
    half = len(features) // 2
    return (
        FeatureStats.from_features(features[order[:half]]),
        FeatureStats.from_features(features[order[half : 2 * half]]),
    )


def report_input(side: VideoSource, plan: Plan, num_samples: int, what: str) -> dict[str, Any]:
    """Return what a result says of videos that were measured.

    Args:
        side: The videos.
        plan: Which parts of them.
        num_samples: How many features came of it.
        what: What those are of: "clips" or "frames".
    """
    described = side.describe()
    return {
        "path": name_source(side.name),
        **described,
        "num_short": described.get("num_short", 0) + plan.num_short,
        f"num_{what}": num_samples,
        "fingerprint": side.fingerprint(plan.video_idxs),
    }
