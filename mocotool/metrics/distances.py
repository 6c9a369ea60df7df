"""FVD and KVD of clips, and the two distances shared with FID and KID of frames."""

from mocotool.configs.evaluate import KernelChoice, VideoProtocol
from mocotool.errors import ConfigError
from mocotool.metrics.compared_sides import ComparedSides
from mocotool.metrics.detectors import Detector
from mocotool.metrics.extraction import FeatureExtractor
from mocotool.metrics.frechet import frechet_distance
from mocotool.metrics.kernel_distance import jedi_distance, kernel_distance
from mocotool.metrics.measuring import load_detector
from mocotool.metrics.repeats import repeat_draws
from mocotool.metrics.results import MetricResult
from mocotool.metrics.sides import Side


def compute_fvd(
    real: Side,
    fake: Side,
    *,
    protocol: VideoProtocol | None = None,
    detector: Detector | None = None,
    extractor: FeatureExtractor | None = None,
    ground_truth: bool = False,
) -> MetricResult:
    """Compute the Frechet video distance, with everything it depends on.

    Args:
        real: Real videos, or their statistics; see `open_side`.
        fake: Generated ones.
        protocol: Clips, resizing and covariance; `None` for that of StyleGAN-V.
        detector: Computes features of clips; `None` for the published I3D from the cache.
        extractor: Device, batches, cache and progress.
        ground_truth: Also measure one random half of the real clips against the other.

    Returns:
        The distance, called "FVD" only if the detector is the published one; the mean over repeats.

    Raises:
        ConfigError: The protocol is one for kernel distances.
        MismatchError: Saved statistics have other features, or a side has too few clips.
        FileFormatError: A clip cannot be decoded, or has NaN features.
        UnavailableError: The detector's weights are not in the cache.

    Source:
        Paper: Unterthiner et al., "FVD: A new metric for video generation", 2019.
        Official code: the four protocols in docs/precision.md.
    """
    protocol = VideoProtocol() if protocol is None else protocol
    if protocol.kernel != "cubic":
        raise ConfigError(
            f"protocol {protocol.preset}, kernel {protocol.kernel}: "
            "a Frechet distance has no kernel",
            hint="moco eval kvd",
        )
    loaded = detector or load_detector("i3d", protocol=protocol)
    return repeat_draws(
        protocol,
        lambda drawn: report_frechet(
            ComparedSides.measure(real, fake, drawn, loaded, extractor),
            published="FVD",
            ddof=drawn.ddof,
            ground_truth=ground_truth,
        ),
    )


def compute_kvd(
    real: Side,
    fake: Side,
    *,
    protocol: VideoProtocol | None = None,
    detector: Detector | None = None,
    extractor: FeatureExtractor | None = None,
    ground_truth: bool = False,
) -> MetricResult:
    """Compute the kernel video distance: the unbiased polynomial MMD of I3D logits.

    Arguments as in `compute_fvd`; the protocol's covariance is not used.

    Returns:
        The squared MMD and its standard error; with the kernel "jedi" that of JEDi, without error.

    Raises:
        MismatchError: Saved statistics have other features, or a side has too few clips.
        FileFormatError: A clip cannot be decoded, has NaN features, or saved statistics came
            without features.
        UnavailableError: The detector's weights are not in the cache.

    Source:
        Paper: Unterthiner et al., 2019; Binkowski et al., 2018.
    """
    protocol = VideoProtocol() if protocol is None else protocol
    loaded = detector or load_detector("i3d", protocol=protocol)
    return repeat_draws(
        protocol,
        lambda drawn: report_kernel(
            ComparedSides.measure(real, fake, drawn, loaded, extractor),
            published="KVD",
            kernel=drawn.kernel,
            ground_truth=ground_truth,
        ),
    )


def report_frechet(
    sides: ComparedSides, *, published: str, ddof: int, ground_truth: bool
) -> MetricResult:
    """Return the Frechet distance of two sides.

    Args:
        sides: Both sides.
        published: Name of the metric with the published detector.
        ddof: 1 divides covariances by n - 1, 0 by n.
        ground_truth: Also measure one random half of the real samples against the other.
    """
    details = {}
    if ground_truth:
        halves = sides.halve_real()
        details["ground_truth"] = {
            "value": frechet_distance(*halves, ddof=ddof),
            f"num_{sides.what}_each": halves[0].num_samples,
        }
    return sides.report(
        metric=sides.detector.record.name_metric(published, general="frechet distance"),
        value=frechet_distance(sides.stats["real"], sides.stats["fake"], ddof=ddof),
        details=details,
        warnings=sides.find_distance_warnings(),
    )


def report_kernel(
    sides: ComparedSides, *, published: str, kernel: KernelChoice = "cubic", ground_truth: bool
) -> MetricResult:
    """Return the kernel distance of two sides; arguments as in `report_frechet`.

    Args:
        sides: Both sides.
        published: Name of the metric with the published detector.
        kernel: Cubic and unbiased, or JEDi's.
        ground_truth: Also measure one random half of the real samples against the other.
    """
    if kernel == "jedi":
        return _report_jedi(sides, ground_truth=ground_truth)
    estimate = kernel_distance(*sides.features)
    details = {}
    if ground_truth:
        halves = sides.real_halves
        truth = kernel_distance(*halves)
        details["ground_truth"] = {
            "value": truth.value,
            "standard_error": truth.standard_error,
            f"num_{sides.what}_each": len(halves[0]),
        }
    return sides.report(
        metric=sides.detector.record.name_metric(published, general="kernel distance"),
        value=estimate.value,
        standard_error=estimate.standard_error,
        details=details,
        warnings=sides.find_distance_warnings(is_biased=False)
        if sides.what == "clips"
        else sides.find_warnings(),
    )


def _report_jedi(sides: ComparedSides, *, ground_truth: bool) -> MetricResult:
    details = {}
    if ground_truth:
        halves = sides.real_halves
        details["ground_truth"] = {
            "value": jedi_distance(*halves),
            f"num_{sides.what}_each": len(halves[0]),
        }
    return sides.report(
        metric=f"JEDi's kernel distance ({sides.detector.record.label})",
        value=jedi_distance(*sides.features),
        details=details,
        warnings=sides.find_distance_warnings(),
    )
