"""Metrics that compare the motion of two sets of clips, one for each kind of failure."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from mocotool.metrics.frechet import frechet_distance
from mocotool.metrics.identity import find_own
from mocotool.metrics.motion_sample import MotionSample
from mocotool.metrics.movement import compare_maps
from mocotool.metrics.statistics import FeatureStats

NUM_FOLDS = 5
CONFIDENCE = 0.95
NO_CHANGE = 1e-12

FIGURES: Mapping[str, str] = {
    "distance": "Frechet distance of motion features to the real clips",
    "accuracy": "how often a linear classifier tells a clip from a real one; .5 is guessing",
    "liveliness": "mean change from frame to frame, of that of the real clips",
    "step": "mean absolute difference of neighbouring frames in [-1, 1]",
    "drift": "the same of first and last frame",
    "identity": "Hellinger distance of colour histograms of first and last frame",
    "own": "share of last frames that are nearest to their own first frame",
    "where_gain": "how well it moves where the real clip does that looks most alike; 0 is chance",
    "movement": "share of frame change that moving blocks explain",
    "colour": "share of frame change that blocks of another colour explain",
    "content": "share of displacement in latents that the content decides",
    "common": "share of it that is the same for everybody",
    "motion_seed": "share of it that the motion seed decides, alone or with the content",
    "energy_same": "correlation of energy over time between contents that share a motion seed",
    "energy_other": "the same between two motion seeds",
}
"""Meaning of each figure. `own` is repeated for longer clips, as `own_32`."""


@dataclasses.dataclass(frozen=True, slots=True)
class Interval:
    """Mean and confidence interval of a figure over seeds."""

    mean: float
    half_width: float | None
    """Half width of the 95 % confidence interval (Student's t); `None` for one seed."""
    values: tuple[float, ...]
    """One value per seed."""

    @classmethod
    def of(cls, values: Sequence[float]) -> "Interval":
        """Return the interval from one value per seed."""
        n, mean = len(values), float(np.mean(values))
        half = None
        if n > 1:
            quantile = float(stats.t.ppf(0.5 + CONFIDENCE / 2, n - 1))
            half = quantile * float(np.std(values, ddof=1)) / math.sqrt(n)
        return cls(mean, half, tuple(values))

    def __str__(self) -> str:
        """Format as 4.61 +-.12."""
        if self.half_width is None:
            return f"{self.mean:.3g}"
        decimals = max(0, 2 - math.floor(math.log10(max(abs(self.mean), 1e-3))))
        decimals = min(decimals, 3)
        return f"{self.mean:.{decimals}f} ±{self.half_width:.{decimals}f}"


def compare_motion(
    real: MotionSample, other: MotionSample, *, exclude_self: bool = False, seed: int = 0
) -> dict[str, float]:
    """Compare clips with real ones.

    Args:
        real: The real clips.
        other: Clips of any kind.
        exclude_self: Whether both are from the same videos; see `compare_places`.
        seed: Seed of the folds of the classifier.

    Returns:
        The figures that need only clips, by their names in `FIGURES`.
    """
    energy, moved, coloured = other.changes.sum(dim=0).tolist()
    values = {
        "distance": frechet_distance(_statistics(real), _statistics(other)),
        "accuracy": measure_accuracy(real.features, other.features, seed=seed),
        "liveliness": float(other.steps.mean() / real.steps.mean().clamp(min=NO_CHANGE)),
        "step": float(other.steps.mean()),
        "drift": float(other.drifts.mean()),
        "where_gain": compare_places(real, other, exclude_self=exclude_self),
        "movement": moved / max(energy, NO_CHANGE),
        "colour": coloured / max(energy, NO_CHANGE),
    }
    return values | measure_identity(other)


def measure_identity(sample: MotionSample) -> dict[str, float]:
    """Return the colour drift of clips, and the share that keeps its identity, by length.

    The share for the shortest length is "own", that for 32 frames "own_32".
    """
    values: dict[str, float] = {}
    for place, (num_frames, later) in enumerate(sorted(sample.later.items())):
        own = float(find_own(later, sample.first).float().mean())
        if place == 0:
            values["identity"] = float((later - sample.first).norm(dim=1).mean()) / 2**0.5
        values["own" if place == 0 else f"own_{num_frames}"] = own
    return values


def compare_places(real: MotionSample, other: MotionSample, *, exclude_self: bool = False) -> float:
    """Measure whether clips move in the same places as a real clip with the same appearance.

    Each clip's change map is compared with that of the real clip with the nearest first frame, and
    with those of all real clips; a clip that starts from a real frame is thus compared with its
    real continuation.

    Args:
        real: The real clips.
        other: The clips in question.
        exclude_self: Exclude clips of the same video from the match, for real against real.

    Returns:
        1 for equal maps, 0 if they are no more alike than to those of all clips.
    """
    distances = torch.cdist(other.looks, real.looks)  # [n, m]
    alike = compare_maps(other.maps, real.maps)
    counted = torch.ones_like(alike)
    if exclude_self:
        is_self = torch.tensor(other.video_idxs)[:, None] == torch.tensor(real.video_idxs)
        distances, counted = distances + torch.where(is_self, torch.inf, 0.0), (~is_self).float()
    nearest = distances.argmin(dim=1, keepdim=True)
    matched = float(alike.gather(1, nearest).mean())
    chance = float((alike * counted).sum() / counted.sum())
    return (matched - chance) / max(1.0 - chance, NO_CHANGE)


def measure_accuracy(real: Tensor, other: Tensor, *, seed: int = 0) -> float:
    """Return the cross-validated accuracy of logistic regression on features [n, d] and [m, d].

    The larger set is reduced to the size of the smaller.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    n = min(len(real), len(other))
    parts = [x[torch.linspace(0, len(x) - 1, n).round().long()] for x in (real, other)]
    features = torch.cat(parts).double().numpy()
    labels = np.repeat([0, 1], n)
    num_folds = min(NUM_FOLDS, n)
    folds = StratifiedKFold(num_folds, shuffle=True, random_state=seed)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))
    return float(cross_val_score(model, features, labels, cv=folds).mean())


def correlate_energy(curves: Tensor) -> dict[str, float]:
    """Measure whether the energy of motion over time is determined by the motion seed.

    Args:
        curves: Energy of each step, for every content with every motion seed, [a, b, t-1].

    Returns:
        Mean correlation of log energy between two contents: "energy_same" for the same motion seed,
        "energy_other" for different ones.
    """
    values = (curves + NO_CHANGE).log()
    values = values - values.mean(dim=2, keepdim=True)
    values = values / values.norm(dim=2, keepdim=True).clamp(min=NO_CHANGE)
    a, b, _ = values.shape
    products = torch.einsum("amt,cnt->acmn", values, values)
    other_content = ~torch.eye(a, dtype=torch.bool)
    between = products[other_content]  # [a*(a-1), b, b]
    same_seed = torch.eye(b, dtype=torch.bool)
    return {
        "energy_same": float(between[:, same_seed].mean()),
        "energy_other": float(between[:, ~same_seed].mean()),
    }


def _statistics(sample: MotionSample) -> FeatureStats:
    return FeatureStats.from_features(sample.features.numpy())
