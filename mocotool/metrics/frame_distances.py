"""FID and KID: distances between two sides by single frames."""

from mocotool.configs.evaluate import FrameProtocol, SampleProtocol
from mocotool.metrics.compared_sides import ComparedSides
from mocotool.metrics.detectors import Detector
from mocotool.metrics.distances import report_frechet, report_kernel
from mocotool.metrics.extraction import FeatureExtractor
from mocotool.metrics.repeats import repeat_draws
from mocotool.metrics.results import MetricResult
from mocotool.metrics.sides import Side


def compute_fid(
    real: Side,
    fake: Side,
    *,
    protocol: FrameProtocol | None = None,
    detector: Detector,
    extractor: FeatureExtractor | None = None,
    ground_truth: bool = False,
) -> MetricResult:
    """Compute the Frechet Inception distance of single frames.

    Args:
        real: Real videos or images, or their statistics; see `open_side`.
        fake: Generated ones.
        protocol: Which frames, and how many; `None` for all.
        detector: Computes features of frames; see `load_frame_detector`.
        extractor: Device, batches, cache and progress.
        ground_truth: Also measure one random half of the real frames against the other.

    Returns:
        The distance, called "FID" only if the detector is the published Inception.

    Raises:
        MismatchError: Saved statistics have other features, or a side has too few frames.
        FileFormatError: A frame cannot be decoded, or has NaN features.

    Source:
        Paper: Heusel et al., "GANs trained by a two time-scale update rule", 2017.
    """
    return repeat_draws(
        FrameProtocol() if protocol is None else protocol,
        lambda drawn: report_frechet(
            ComparedSides.measure(real, fake, drawn, detector, extractor),
            published="FID",
            ddof=drawn.ddof,
            ground_truth=ground_truth,
        ),
    )


def compute_kid(
    real: Side,
    fake: Side,
    *,
    protocol: SampleProtocol | None = None,
    detector: Detector,
    extractor: FeatureExtractor | None = None,
    ground_truth: bool = False,
) -> MetricResult:
    """Compute the kernel distance of single frames: the unbiased MMD under a cubic kernel.

    Arguments as in `compute_fid`; by default the protocol takes one frame per video, since the
    estimate is unbiased only for independent samples.

    Returns:
        The squared MMD and its standard error, called "KID" only if the detector is the published
        Inception.

    Raises:
        MismatchError: Saved statistics have other features, or a side has too few frames.
        FileFormatError: A frame cannot be decoded, has NaN features, or saved statistics came
            without features.

    Source:
        Paper: Binkowski et al., "Demystifying MMD GANs", 2018 (all samples in one estimate, in
            place of the mean over subsets).
    """
    return repeat_draws(
        SampleProtocol() if protocol is None else protocol,
        lambda drawn: report_kernel(
            ComparedSides.measure(real, fake, drawn, detector, extractor),
            published="KID",
            ground_truth=ground_truth,
        ),
    )
