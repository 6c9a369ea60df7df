"""FID, KID and nearest neighbours: two sides compared by their single frames."""

import dataclasses
from typing import Any

import numpy as np

from mocotool.configs.evaluate import FrameProtocol, SampleProtocol, SideRole
from mocotool.metrics.detectors import Detector
from mocotool.metrics.distances import (
    Measuring,
    describe_detector,
    report_input,
    require_features,
    split_halves,
)
from mocotool.metrics.extraction import extract_statistics
from mocotool.metrics.frechet import frechet_distance
from mocotool.metrics.kernel_distance import kernel_distance
from mocotool.metrics.results import MetricResult
from mocotool.metrics.sampling import plan_frames
from mocotool.metrics.sides import (
    MeasuredSide,
    SavedStatistics,
    Side,
    check_comparable,
    collect_warnings,
    report_saved,
)
from mocotool.metrics.statistics import FeatureStats, Float32
from mocotool.metrics.two_sample import nearest_neighbour_accuracy


def measure_frames(
    side: Side,
    role: SideRole,
    *,
    protocol: SampleProtocol,
    detector: Detector,
    measuring: Measuring | None = None,
) -> MeasuredSide:
    """Compute one side's statistics of single frames; arguments as in `measure_clips`."""
    record = dataclasses.asdict(detector.record)
    if isinstance(side, SavedStatistics):
        check_comparable(side, detector=record, features={"frame_size": protocol.frame_size})
        return MeasuredSide(side.stats, report_saved(side))
    measuring = Measuring() if measuring is None else measuring
    plan = plan_frames(
        side.num_frames,
        one_each=protocol.frames == "one",
        count=protocol.num_real if role == "real" else protocol.num_fake,
        seed=protocol.seed,
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
    return MeasuredSide(stats, report_input(side, plan, stats.num_samples, "frames"))


def compute_fid(
    real: Side,
    fake: Side,
    *,
    protocol: FrameProtocol | None = None,
    detector: Detector,
    measuring: Measuring | None = None,
    ground_truth: bool = False,
) -> MetricResult:
    """Compute the Frechet Inception distance of single frames.

    Args:
        real: Real videos or images, or their statistics; see `open_side`.
        fake: Generated ones.
        protocol: Which frames, and how many; `None` is all.
        detector: What turns frames into features; see `load_frame_detector`.
        measuring: Device, batches, cache and progress.
        ground_truth: Also measure one random half of the real frames against the other.

    Returns:
        The distance, called "FID" only if the detector is the published Inception.

    Raises:
        MismatchError: Saved statistics are of other features, or a side has too few frames.
        FileFormatError: A frame cannot be decoded, or has NaN features.

    Source:
        Paper: Heusel et al., "GANs trained by a two time-scale update rule", 2017.
    """
    protocol = FrameProtocol() if protocol is None else protocol
    sides = _Sides.measure(real, fake, protocol, detector, measuring)
    stats = sides.stats
    details = {}
    if ground_truth:
        halves = split_halves(stats["real"], real.name, seed=protocol.seed)
        details["ground_truth"] = {
            "value": frechet_distance(*halves, ddof=protocol.ddof),
            "num_frames_each": halves[0].num_samples,
        }
    return sides.report(
        metric=detector.record.name_metric("FID", general="frechet distance"),
        value=frechet_distance(stats["real"], stats["fake"], ddof=protocol.ddof),
        details=details,
        warnings=collect_warnings(
            sides.inputs, what="frames", feature_dim=stats["real"].feature_dim
        ),
    )


def compute_kid(
    real: Side,
    fake: Side,
    *,
    protocol: SampleProtocol | None = None,
    detector: Detector,
    measuring: Measuring | None = None,
    ground_truth: bool = False,
) -> MetricResult:
    """Compute the kernel distance of single frames: the unbiased MMD under a cubic kernel.

    Arguments as in `compute_fid`; the protocol takes one frame of each video, unless told
    otherwise, since the estimate is unbiased for independent samples only.

    Returns:
        The squared MMD and its standard error, called "KID" only if the detector is the published
        Inception.

    Raises:
        MismatchError: Saved statistics are of other features, or a side has too few frames.
        FileFormatError: A frame cannot be decoded, has NaN features, or saved statistics came
            without features.

    Source:
        Paper: Binkowski et al., "Demystifying MMD GANs", 2018 (all samples in one estimate, in
            place of the mean over subsets).
    """
    protocol = SampleProtocol() if protocol is None else protocol
    sides = _Sides.measure(real, fake, protocol, detector, measuring)
    estimate = kernel_distance(*sides.features)
    details = {}
    if ground_truth:
        halves = split_halves(sides.stats["real"], real.name, seed=protocol.seed)
        truth = kernel_distance(*(require_features(half, real.name) for half in halves))
        details["ground_truth"] = {
            "value": truth.value,
            "standard_error": truth.standard_error,
            "num_frames_each": halves[0].num_samples,
        }
    return sides.report(
        metric=detector.record.name_metric("KID", general="kernel distance"),
        value=estimate.value,
        standard_error=estimate.standard_error,
        details=details,
        warnings=sides.warn_of_dependence(),
    )


def compute_two_sample(
    real: Side,
    fake: Side,
    *,
    protocol: SampleProtocol | None = None,
    detector: Detector,
    measuring: Measuring | None = None,
    ground_truth: bool = False,
) -> MetricResult:
    """Compute how often a frame's nearest neighbour tells which side it is of.

    Arguments as in `compute_kid`. As many frames of either side are compared: of the larger one a
    random choice.

    Returns:
        The share, 0.5 where the sides are alike and 1 where they are apart, with the shares among
        the real and the generated frames alone.

    Raises:
        MismatchError: Saved statistics are of other features, or a side has too few frames.
        FileFormatError: A frame cannot be decoded, has NaN features, or saved statistics came
            without features.

    Source:
        Paper: Lopez-Paz and Oquab, "Revisiting classifier two-sample tests", 2017.
    """
    protocol = SampleProtocol() if protocol is None else protocol
    sides = _Sides.measure(real, fake, protocol, detector, measuring)
    size = min(len(features) for features in sides.features)
    rng = np.random.default_rng(protocol.seed)
    chosen = [features[rng.permutation(len(features))[:size]] for features in sides.features]
    accuracy = nearest_neighbour_accuracy(*chosen)
    details: dict[str, Any] = {
        "real": accuracy.x,
        "fake": accuracy.y,
        "num_frames_each": size,
    }
    if ground_truth:
        halves = split_halves(sides.stats["real"], real.name, seed=protocol.seed)
        pair = [require_features(half, real.name) for half in halves]
        details["ground_truth"] = {
            "value": nearest_neighbour_accuracy(*pair).value,
            "num_frames_each": len(pair[0]),
        }
    title = detector.record.title or detector.record.name
    return sides.report(
        metric=f"nearest-neighbour accuracy ({title})",
        value=accuracy.value,
        # Of a share, as if neighbourhoods were independent.
        standard_error=float(np.sqrt(accuracy.value * (1.0 - accuracy.value) / (2 * size))),
        details=details,
        warnings=sides.warn_of_dependence(),
    )


@dataclasses.dataclass(frozen=True, slots=True)
class _Sides:
    """Both sides, measured, and how."""

    stats: dict[str, FeatureStats]
    inputs: dict[str, dict[str, Any]]
    protocol: SampleProtocol
    detector: Detector
    measuring: Measuring

    @classmethod
    def measure(
        cls,
        real: Side,
        fake: Side,
        protocol: SampleProtocol,
        detector: Detector,
        measuring: Measuring | None,
    ) -> "_Sides":
        measuring = Measuring() if measuring is None else measuring
        roles: tuple[tuple[SideRole, Side], ...] = (("real", real), ("fake", fake))
        measured: dict[str, MeasuredSide] = {
            role: measure_frames(
                side, role, protocol=protocol, detector=detector, measuring=measuring
            )
            for role, side in roles
        }
        stats = {role: side.stats for role, side in measured.items()}
        inputs = {role: side.report for role, side in measured.items()}
        return cls(stats, inputs, protocol, detector, measuring)

    @property
    def features(self) -> list[Float32]:
        """The features of either side, [n, d]."""
        return [
            require_features(stats, self.inputs[role]["path"]) for role, stats in self.stats.items()
        ]

    def warn_of_dependence(self) -> tuple[str, ...]:
        """Return a warning for each side with more frames than videos."""
        return tuple(
            f"{role}: {report['num_frames']:,} frames of {report['num_videos']:,} videos; frames "
            "of one video are no independent samples (--frames one)"
            for role, report in self.inputs.items()
            if report["num_frames"] > report.get("num_videos", report["num_frames"])
        )

    def report(self, **values: Any) -> MetricResult:
        """Return a result with everything it depends on."""
        return MetricResult(
            protocol=dataclasses.asdict(self.protocol),
            detector=describe_detector(self.detector, self.stats["real"].feature_dim),
            inputs=self.inputs,
            device=str(self.measuring.device),
            statistics=self.stats,
            **values,
        )
