"""Precision and recall, density and coverage of generated samples."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from mocotool.configs.eval_features import ManifoldProtocol
from mocotool.errors import MismatchError
from mocotool.metrics.compared_sides import ComparedSides
from mocotool.metrics.detectors import Detector
from mocotool.metrics.extraction import FeatureExtractor
from mocotool.metrics.repeats import repeat_draws
from mocotool.metrics.results import MetricResult
from mocotool.metrics.sides import Side
from mocotool.metrics.statistics import Float64

MEMORY_MB = 256  # of the distances held at once


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ManifoldScores:
    """Overlap of two sets of samples, estimated by balls that reach to the k-th neighbour."""

    precision: float
    """Share of generated samples inside the ball of a real one, in [0, 1]."""
    recall: float
    """Share of real samples inside the ball of a generated one, in [0, 1]."""
    density: float
    """Mean number of real balls around a generated sample, over k: 1 if the sides are alike."""
    coverage: float
    """Share of real samples whose ball contains a generated one, in [0, 1]."""


def manifold_scores(
    real: npt.NDArray[Any], fake: npt.NDArray[Any], *, num_neighbours: int = 5
) -> ManifoldScores:
    """Compute precision, recall, density and coverage by nearest neighbours.

    Args:
        real: Features of real samples, [n, d].
        fake: Features of generated samples, [m, d].
        num_neighbours: k; a sample's ball reaches to its k-th nearest neighbour of its own side.

    Raises:
        MismatchError: The features differ in dimension, or a side has at most k samples.

    Source:
        Paper: Kynkaanniemi et al., arXiv:1904.06991 (precision, recall, with k = 3); Naeem et al.,
            arXiv:2002.09797 (density, coverage, with k = 5).
    """
    if real.ndim != 2 or fake.ndim != 2 or real.shape[1] != fake.shape[1]:
        raise MismatchError(
            f"features of shapes {list(real.shape)} and {list(fake.shape)} cannot be compared"
        )
    if min(len(real), len(fake)) <= num_neighbours:
        raise MismatchError(
            f"{len(real)} and {len(fake)} samples, {num_neighbours} neighbours need "
            f"at least {num_neighbours + 1} of each",
            hint="lower --num-neighbours, or measure more videos",
        )
    centre = real.mean(axis=0, dtype=np.float64)  # centred values lose less to rounding
    x, y = real - centre, fake - centre

    from sklearn.metrics import pairwise_distances_chunked

    real_radii, fake_radii = (_ball_radii(side, num_neighbours) for side in (x, y))
    in_balls = np.zeros(len(y), np.int64)  # of how many real samples
    in_ball = np.zeros(len(x), bool)  # of some generated sample
    nearest = np.full(len(x), np.inf)
    start = 0
    for distances in pairwise_distances_chunked(y, x, working_memory=MEMORY_MB):
        rows = slice(start, start + len(distances))
        in_balls[rows] = (distances <= real_radii).sum(axis=1)
        in_ball |= (distances <= fake_radii[rows, None]).any(axis=0)
        nearest = np.minimum(nearest, distances.min(axis=0))
        start += len(distances)

    return ManifoldScores(
        precision=float((in_balls > 0).mean()),
        recall=float(in_ball.mean()),
        density=float(in_balls.mean() / num_neighbours),
        coverage=float((nearest <= real_radii).mean()),
    )


def _ball_radii(features: npt.NDArray[Any], num_neighbours: int) -> Float64:
    """Return each sample's distance to its k-th nearest neighbour among the others, [n]."""
    from sklearn.neighbors import NearestNeighbors

    found = NearestNeighbors(n_neighbors=num_neighbours).fit(features).kneighbors()
    radii: Float64 = found[0][:, -1]
    return radii


def compute_precision_recall(
    real: Side,
    fake: Side,
    *,
    protocol: ManifoldProtocol | None = None,
    detector: Detector,
    extractor: FeatureExtractor | None = None,
    ground_truth: bool = False,
) -> MetricResult:
    """Compute precision and recall of single frames, or of clips by a video detector.

    Args:
        real: Real videos or images, or their statistics; see `open_side`.
        fake: Generated ones.
        protocol: Which samples, how many, and k; `None` for one frame per video.
        detector: Computes features of frames or clips.
        extractor: Device, batches, cache and progress.
        ground_truth: Also measure one random half of the real samples against the other.

    Returns:
        The precision, with its standard error; recall, density and coverage in the details.

    Raises:
        MismatchError: Saved statistics have other features, or a side has too few samples.
        FileFormatError: A frame cannot be decoded, has NaN features, or saved statistics came
            without features.

    Source:
        Paper: Kynkaanniemi et al., arXiv:1904.06991; Naeem et al., arXiv:2002.09797.
    """
    return repeat_draws(
        ManifoldProtocol() if protocol is None else protocol,
        lambda drawn: _report_precision_recall(
            ComparedSides.measure(real, fake, drawn, detector, extractor),
            ground_truth=ground_truth,
        ),
    )


def _report_precision_recall(sides: ComparedSides, *, ground_truth: bool) -> MetricResult:
    protocol = sides.protocol
    assert isinstance(protocol, ManifoldProtocol)
    scores = manifold_scores(*sides.features, num_neighbours=protocol.num_neighbours)
    counts = [len(features) for features in sides.features]

    # density can exceed 1: it is not a share, and has no binomial standard error
    details: dict[str, Any] = {
        "recall": {
            "value": scores.recall,
            "standard_error": _share_error(scores.recall, counts[0]),
        },
        "density": {"value": scores.density},
        "coverage": {
            "value": scores.coverage,
            "standard_error": _share_error(scores.coverage, counts[0]),
        },
    }
    if ground_truth:
        pair = sides.real_halves
        truth = manifold_scores(*pair, num_neighbours=protocol.num_neighbours)
        details["ground_truth"] = {
            "value": truth.precision,
            "recall": truth.recall,
            "density": truth.density,
            "coverage": truth.coverage,
            f"num_{sides.what}_each": len(pair[0]),
        }

    return sides.report(
        metric=f"precision ({sides.detector.record.label})",
        value=scores.precision,
        standard_error=_share_error(scores.precision, counts[1]),
        details=details,
        warnings=sides.find_warnings(),
    )


def _share_error(share: float, count: int) -> float:
    """Return the binomial standard error of a share."""
    return float(np.sqrt(share * (1.0 - share) / count))
