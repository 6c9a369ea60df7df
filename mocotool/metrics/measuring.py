"""Measurement of one side under a protocol: planning, extraction and report, for all metrics."""

import dataclasses
from collections.abc import Callable
from typing import Any

from mocotool.configs.eval_features import FeatureProtocol
from mocotool.configs.evaluate import (
    SampleProtocol,
    ScoreProtocol,
    SideRole,
    VideoProtocol,
)
from mocotool.configs.sample import MAX_VIDEOS
from mocotool.errors import ConfigError, FileFormatError
from mocotool.metrics.detectors import VIDEO_DETECTORS, Detector, load_video_detector
from mocotool.metrics.extraction import (
    FeatureExtractor,
    FeatureRequest,
)
from mocotool.metrics.frame_detectors import load_frame_detector
from mocotool.metrics.sampled_videos import SampledMotion, SampledVideos
from mocotool.metrics.sampling import ClipPlan, FramePlan, plan_clips, plan_frames
from mocotool.metrics.saved_statistics import (
    MeasuredSide,
    SavedStatistics,
    check_comparable,
    report_saved,
)
from mocotool.metrics.sides import Side, name_source
from mocotool.metrics.sources import VideoSource
from mocotool.metrics.statistics import FeatureStats, Float32

Plan = ClipPlan | FramePlan
Protocol = VideoProtocol | SampleProtocol | ScoreProtocol


def load_detector(
    name: str, *, protocol: Protocol, warn: Callable[[str], None] | None = None
) -> Detector:
    """Load the detector for a protocol: one of clips or of frames.

    Raises:
        ConfigError: There is no detector of that name, or clips are too short for it.
        UnavailableError: Its weights are not in the cache.
    """
    clips = protocol if isinstance(protocol, VideoProtocol) else None
    if isinstance(protocol, FeatureProtocol) and name in VIDEO_DETECTORS:
        clips = protocol.to_clips()
    if clips is None:
        return load_frame_detector(name, warn=warn)
    detector = load_video_detector(name, protocol=clips, warn=warn)
    check_clip_length(clips, detector)
    return detector


def check_clip_length(protocol: VideoProtocol, detector: Detector) -> None:
    """Check that clips are long enough for a detector.

    Raises:
        ConfigError: They are too short.
    """
    if protocol.num_frames < detector.min_frames:
        raise ConfigError(
            f"clips of {protocol.num_frames} frames, the detector {detector.record.name} needs "
            f"at least {detector.min_frames}",
            hint=f"--num-frames {detector.min_frames}",
        )


def choose_samples(protocol: Protocol, detector: Detector) -> VideoProtocol | SampleProtocol:
    """Return the part of a protocol for clips or frames, depending on the detector.

    Raises:
        ConfigError: Clips are too short for the detector.
    """
    if isinstance(protocol, ScoreProtocol):
        protocol = protocol.to_clips(num_frames=detector.min_frames)
    elif isinstance(protocol, FeatureProtocol) and detector.min_frames > 1:
        protocol = protocol.to_clips()
    if isinstance(protocol, VideoProtocol):
        check_clip_length(protocol, detector)
    return protocol


def feature_settings(protocol: Protocol, detector: Detector, role: SideRole) -> dict[str, Any]:
    """Return the settings that the features of a side depend on."""
    samples = choose_samples(protocol, detector)
    if not isinstance(samples, VideoProtocol):
        return {"frame_size": samples.frame_size}
    names = ("num_frames", "frame_size", "resize", "interpolation", "pixels")
    return {name: getattr(samples, name) for name in names} | {
        "frame_stride": samples.stride_of(role)
    }


def plan_side(
    side: VideoSource, role: SideRole, *, protocol: Protocol, detector: Detector
) -> FeatureRequest:
    """Plan the samples of a side.

    Args:
        side: Videos or latents.
        role: Real or generated, which selects settings of the protocol.
        protocol: Which samples.
        detector: Computes the features.

    Raises:
        FileFormatError: No clip is long enough.
        ConfigError: Clips are too short for the detector.
    """
    samples = choose_samples(protocol, detector)
    count = samples.num_real if role == "real" else samples.num_fake
    plan: Plan
    if isinstance(samples, VideoProtocol):
        plan = plan_clips(
            side.num_frames,
            name=side.name,
            choice=samples.real_clips if role == "real" else samples.fake_clips,
            num_frames=samples.num_frames,
            frame_stride=samples.stride_of(role),
            count=count,
            seed=samples.seed,
        )
    else:
        plan = plan_frames(
            side.num_frames,
            one_each=samples.frames == "one",
            count=count,
            seed=samples.seed,
        )
    return FeatureRequest(plan, detector, samples.frame_size)


def draw_side(
    side: SampledMotion,
    role: SideRole,
    *,
    protocol: Protocol,
    detector: Detector,
    num_samples: int | None = None,
) -> SampledVideos:
    """Sample the videos of a motion model with the seed of a protocol.

    Args:
        side: The model.
        role: Real or generated, which selects settings of the protocol.
        protocol: Which samples.
        detector: Computes the features.
        num_samples: Number of samples; the protocol's number is used if it is smaller.

    Raises:
        ConfigError: No number is given; or clips are too short for the detector.
    """
    samples = choose_samples(protocol, detector)
    counts = (num_samples, samples.num_real if role == "real" else samples.num_fake)
    if side.num_videos is None and counts == (None, None):
        raise ConfigError(f"{side.name}: a motion model, but no number of videos is given")

    # frames needed per video, and samples per video
    if isinstance(samples, VideoProtocol):
        pace = samples.num_frames * samples.stride_of(role)
        span = pace - samples.stride_of(role) + 1
        choice = samples.real_clips if role == "real" else samples.fake_clips
        each = (side.count_frames(span) - span) // pace + 1 if choice == "all" else 1
    else:
        span = 1
        each = side.count_frames(span) if samples.frames == "all" else 1
    wanted = min(count for count in (*counts, MAX_VIDEOS) if count is not None)
    return side.draw(samples.seed, num_videos=-(-wanted // each), num_frames=span)


def measure_side(
    side: Side,
    role: SideRole,
    *,
    protocol: Protocol,
    detector: Detector,
    extractor: FeatureExtractor | None = None,
    num_samples: int | None = None,
) -> MeasuredSide:
    """Compute one side's statistics under a protocol; arguments as in `plan_side`.

    Args:
        side: Videos, latents, a motion model, which is sampled with the protocol's seed, or
            statistics, which are returned unchanged.
        role: Real or generated, which selects settings of the protocol.
        protocol: Which samples.
        detector: Computes the features.
        extractor: Device, batches, cache and progress.
        num_samples: Number of samples from a motion model; see `draw_side`.

    Raises:
        MismatchError: The statistics have other features.
        FileFormatError: No clip is long enough, or one cannot be measured.
    """
    if isinstance(side, SavedStatistics):
        record = dataclasses.asdict(detector.record)
        settings = feature_settings(protocol, detector, role)
        check_comparable(side, detector=record, features=settings)
        return MeasuredSide(side.stats, report_saved(side))
    extractor = FeatureExtractor() if extractor is None else extractor
    if isinstance(side, SampledMotion):
        side = draw_side(side, role, protocol=protocol, detector=detector, num_samples=num_samples)
    request = plan_side(side, role, protocol=protocol, detector=detector)
    (stats,) = extractor.extract(side, [request]).values()
    return MeasuredSide(stats, report_input(side, request.plan, stats.num_samples))


def describe_detector(detector: Detector, feature_dim: int) -> dict[str, Any]:
    """Return the record of a detector for a result."""
    return dataclasses.asdict(detector.record) | {"feature_dim": feature_dim} | detector.settings()


def report_input(side: VideoSource, plan: Any, num_samples: int) -> dict[str, Any]:
    """Return the record of measured videos for a result.

    Args:
        side: The videos.
        plan: The measured parts.
        num_samples: Number of features.
    """
    described = side.describe()
    return {
        "path": name_source(side.name),
        **described,
        "num_short": described.get("num_short", 0) + plan.num_short,
        f"num_{plan.what}": num_samples,
        "fingerprint": side.fingerprint(plan.video_idxs),
    }


def require_features(stats: FeatureStats, name: str) -> Float32:
    """Return the features themselves, [n, d].

    Raises:
        FileFormatError: There were too many to be kept.
    """
    if stats.features is None:
        raise FileFormatError(
            f"{name}: only statistics are kept of its {stats.num_samples:,} samples, "
            "but their features are needed here",
            hint="measure fewer clips: features are kept up to 256 MB",
        )
    return stats.features
