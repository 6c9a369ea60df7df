"""FID and KID: two sides compared by their single frames."""

from mocotool.configs.evaluate import FrameProtocol, SampleProtocol
from mocotool.metrics.compared_sides import ComparedSides
from mocotool.metrics.detectors import Detector
from mocotool.metrics.distances import Measuring, require_features, split_halves
from mocotool.metrics.frechet import frechet_distance
from mocotool.metrics.kernel_distance import kernel_distance
from mocotool.metrics.repeats import repeat_draws
from mocotool.metrics.results import MetricResult
from mocotool.metrics.sides import Side, collect_warnings


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
    return repeat_draws(
        FrameProtocol() if protocol is None else protocol,
        lambda drawn: _report_fid(
            ComparedSides.measure(real, fake, drawn, detector, measuring),
            ground_truth=ground_truth,
        ),
    )


def _report_fid(sides: ComparedSides, *, ground_truth: bool) -> MetricResult:
    protocol, name = sides.protocol, sides.inputs["real"]["path"]
    assert isinstance(protocol, FrameProtocol)
    stats = sides.stats
    details = {}
    if ground_truth:
        halves = split_halves(stats["real"], name, seed=protocol.seed)
        details["ground_truth"] = {
            "value": frechet_distance(*halves, ddof=protocol.ddof),
            "num_frames_each": halves[0].num_samples,
        }
    return sides.report(
        metric=sides.detector.record.name_metric("FID", general="frechet distance"),
        value=frechet_distance(stats["real"], stats["fake"], ddof=protocol.ddof),
        details=details,
        warnings=collect_warnings(
            sides.inputs,
            what="frames",
            feature_dim=stats["real"].feature_dim,
            is_resized=protocol.frame_size is not None,
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
    return repeat_draws(
        SampleProtocol() if protocol is None else protocol,
        lambda drawn: _report_kid(
            ComparedSides.measure(real, fake, drawn, detector, measuring),
            ground_truth=ground_truth,
        ),
    )


def _report_kid(sides: ComparedSides, *, ground_truth: bool) -> MetricResult:
    protocol, name = sides.protocol, sides.inputs["real"]["path"]
    estimate = kernel_distance(*sides.features)
    details = {}
    if ground_truth:
        halves = split_halves(sides.stats["real"], name, seed=protocol.seed)
        truth = kernel_distance(*(require_features(half, name) for half in halves))
        details["ground_truth"] = {
            "value": truth.value,
            "standard_error": truth.standard_error,
            "num_frames_each": halves[0].num_samples,
        }
    return sides.report(
        metric=sides.detector.record.name_metric("KID", general="kernel distance"),
        value=estimate.value,
        standard_error=estimate.standard_error,
        details=details,
        warnings=sides.find_warnings(),
    )
