"""Classifier two-sample tests: nearest neighbours, or logistic regression."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from mocotool.configs.eval_features import TwoSampleProtocol
from mocotool.configs.evaluate import SampleProtocol
from mocotool.errors import MismatchError
from mocotool.metrics.compared_sides import ComparedSides
from mocotool.metrics.detectors import Detector
from mocotool.metrics.extraction import FeatureExtractor
from mocotool.metrics.intervals import exact_interval
from mocotool.metrics.repeats import repeat_draws
from mocotool.metrics.results import MetricResult
from mocotool.metrics.sides import Side

INVERSE_PENALTY = 0.1  # scikit-learn's C: features are many, samples few
MAX_ITERATIONS = 1000


@dataclasses.dataclass(frozen=True, slots=True)
class Accuracy:
    """Accuracy of a classifier between two sides."""

    value: float
    """Accuracy over all samples, in [0, 1]: 0.5 if the sides are indistinguishable, 1 if they are
    separable; below 0.5 if samples of one side copy samples of the other."""
    x: float
    """Accuracy on the first side; low if the second side surrounds it."""
    y: float
    """Accuracy on the second side; near 1 if the first side does not reach it."""


def nearest_neighbour_accuracy(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> Accuracy:
    """Compute the leave-one-out accuracy of the nearest neighbour by Euclidean distance.

    Samples must be independent: two frames of one video would be each other's neighbours.

    Args:
        x: Features of one side, [n, d], n at least 2.
        y: Features of the other side, as many of them.

    Returns:
        Accuracies of all samples and of each side.

    Raises:
        MismatchError: The sides differ in number or dimension, or have fewer than two samples.

    Source:
        Paper: Lopez-Paz and Oquab, "Revisiting classifier two-sample tests", 2017; Xu et al.,
            arXiv:1806.07755.
    """
    _check_balanced(x, y)
    both = np.concatenate([x, y]).astype(np.float64)
    both -= both.mean(axis=0)  # centred values lose less to rounding

    from sklearn.neighbors import NearestNeighbors

    search = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(both)
    nearest = search.kneighbors(return_distance=False)[:, 0]  # indices among the others

    is_x = np.arange(len(both)) < len(x)
    return _score(is_x == is_x[nearest], is_x)


def logistic_accuracy(
    x: npt.NDArray[Any], y: npt.NDArray[Any], *, num_folds: int = 5, seed: int = 0
) -> Accuracy:
    """Compute the cross-validated accuracy of logistic regression.

    It finds differences of the means along some direction of the features; nearest neighbours find
    local differences.

    Args:
        x: Features of one side, [n, d], n at least `num_folds`.
        y: Features of the other side, as many of them.
        num_folds: Number of cross-validation folds.
        seed: Seed of the folds.

    Returns:
        Accuracies of all samples and of each side.

    Raises:
        MismatchError: The sides differ in number or dimension, or have fewer samples than folds.

    Source:
        Paper: Lopez-Paz and Oquab, "Revisiting classifier two-sample tests", 2017.
    """
    _check_balanced(x, y)
    if len(x) < num_folds:
        raise MismatchError(
            f"{len(x)} samples per side, {num_folds} folds need at least as many",
            hint="lower --num-folds, or measure more videos",
        )
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    is_x = np.arange(2 * len(x)) < len(x)
    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=INVERSE_PENALTY, max_iter=MAX_ITERATIONS)
    )
    folds = StratifiedKFold(num_folds, shuffle=True, random_state=seed)
    both = np.concatenate([x, y]).astype(np.float64)
    return _score(cross_val_predict(model, both, is_x, cv=folds) == is_x, is_x)


def _check_balanced(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> None:
    if x.ndim != 2 or x.shape != y.shape or len(x) < 2:
        raise MismatchError(
            f"features of shapes {list(x.shape)} and {list(y.shape)}, expected equally many per "
            "side, at least 2"
        )


def _score(is_right: npt.NDArray[np.bool_], is_x: npt.NDArray[np.bool_]) -> Accuracy:
    shares = (is_right, is_right[is_x], is_right[~is_x])
    return Accuracy(*(float(share.mean()) for share in shares))


def compute_two_sample(
    real: Side,
    fake: Side,
    *,
    protocol: SampleProtocol | None = None,
    detector: Detector,
    extractor: FeatureExtractor | None = None,
    ground_truth: bool = False,
) -> MetricResult:
    """Run a classifier two-sample test on single frames, or on clips by a video detector.

    Both sides have the same number of samples: the larger one is subsampled at random.

    Args:
        real: Real videos or images, or their statistics; see `open_side`.
        fake: Generated ones.
        protocol: Which samples, how many, and the classifier; `None` for one frame per video and
            nearest neighbours.
        detector: Computes features of frames or clips.
        extractor: Device, batches, cache and progress.
        ground_truth: Also measure one random half of the real samples against the other.

    Returns:
        The accuracy, 0.5 for indistinguishable sides and 1 for separable ones, with those on the
        real and on the generated samples, and the 95 % interval of Clopper and Pearson, which
        assumes independent samples.

    Raises:
        MismatchError: Saved statistics have other features, or a side has too few samples.
        FileFormatError: A frame cannot be decoded, has NaN features, or saved statistics came
            without features.

    Source:
        Paper: Lopez-Paz and Oquab, "Revisiting classifier two-sample tests", 2017.
    """
    return repeat_draws(
        TwoSampleProtocol() if protocol is None else protocol,
        lambda drawn: _report_two_sample(
            ComparedSides.measure(real, fake, drawn, detector, extractor),
            ground_truth=ground_truth,
        ),
    )


def _report_two_sample(sides: ComparedSides, *, ground_truth: bool) -> MetricResult:
    protocol = sides.protocol
    assert isinstance(protocol, SampleProtocol)
    size = min(len(features) for features in sides.features)
    rng = np.random.default_rng(protocol.seed)
    chosen = [features[rng.permutation(len(features))[:size]] for features in sides.features]
    accuracy = _tell_apart(*chosen, protocol=protocol)
    details: dict[str, Any] = {
        "real": accuracy.x,
        "fake": accuracy.y,
        f"num_{sides.what}_each": size,
        "interval": list(exact_interval(round(2 * size * accuracy.value), 2 * size)),
    }
    if ground_truth:
        pair = sides.real_halves
        details["ground_truth"] = {
            "value": _tell_apart(*pair, protocol=protocol).value,
            f"num_{sides.what}_each": len(pair[0]),
        }
    return sides.report(
        metric=f"{_name_classifier(protocol)} accuracy ({sides.detector.record.label})",
        value=accuracy.value,
        # binomial, which assumes independent samples
        standard_error=float(np.sqrt(accuracy.value * (1.0 - accuracy.value) / (2 * size))),
        details=details,
        warnings=sides.find_warnings(),
    )


def _tell_apart(x: npt.NDArray[Any], y: npt.NDArray[Any], *, protocol: SampleProtocol) -> Accuracy:
    if isinstance(protocol, TwoSampleProtocol) and protocol.classifier == "logistic":
        return logistic_accuracy(x, y, num_folds=protocol.num_folds, seed=protocol.seed)
    return nearest_neighbour_accuracy(x, y)


def _name_classifier(protocol: SampleProtocol) -> str:
    is_logistic = isinstance(protocol, TwoSampleProtocol) and protocol.classifier == "logistic"
    return "logistic-regression" if is_logistic else "nearest-neighbour"
