"""Proper scoring rules of drawn walks: only the true distribution minimises them.

A walk is looked at in several ways: its steps, the way it goes, steps summed over a while, energy
over time; where it is known what it looks like, also the rhythm of that energy, where in the
picture it moves and how colours drift. In each of them what is drawn shall lie as near to real
walks as real walks would, and no nearer to itself than real walks are to each other; so neither
energy nor diversity pays for the other, and no critic has to be kept in balance.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

WHILE = 5  # steps that are summed
LEAST_ENERGY = 1e-3  # of a step of real clips, under which it stands still
LEAST_POWER = 1e-2  # of the rhythm of energy
NUM_CELLS = 4  # along each side of a picture
NUM_BINS = 6  # of each channel's histogram
EPSILON = 1e-6  # keeps slopes of distances finite

Views = Sequence[Tensor]


def view_steps(steps: Tensor) -> list[Tensor]:
    """Compute several views of walks.

    Args:
        steps: [n, t, k], of mean square about one.

    Returns:
        Tensors [n, d], each of about unit length: the steps; the path; the last place; steps summed
        over a while, if there are as many; log energy over time; and mean and spread of that.
    """
    _, t, k = steps.shape
    path = steps.cumsum(dim=1)
    views = [
        steps.flatten(1) / math.sqrt(t * k),
        path.flatten(1) / (t * math.sqrt(k)),
        path[:, -1] / math.sqrt(t * k),
    ]
    if t >= 2 * WHILE:
        sums = steps[:, : t // WHILE * WHILE].unflatten(1, (-1, WHILE)).sum(dim=2)
        views.append(sums.flatten(1) / math.sqrt(2 * WHILE * sums.shape[1] * k))
    energy = (steps.square().mean(dim=2) + LEAST_ENERGY).log()  # [n, t]
    summary = torch.stack([energy.mean(dim=1), energy.std(dim=1)], dim=1)
    return [*views, energy / (2 * math.sqrt(t)), summary / 2]


def view_pictures(pictures: Tensor, *, scale: float) -> list[Tensor]:
    """Compute three further views of walks, of their pictures.

    Args:
        pictures: Reduced pictures in [-1, 1], [n, t, c, s, s].
        scale: Root mean square of real pictures' change from frame to frame.

    Returns:
        Tensors [n, d]: log power of the rhythm of energy, by frequency; how much each cell of a
        4 x 4 grid changes, of the mean cell; and how far the histograms of colours have come from
        those of the first frame, by frame.
    """
    n, t = pictures.shape[:2]
    changes = pictures.diff(dim=1) / scale  # [n, t-1, c, s, s]

    root = (changes.square().mean(dim=(2, 3, 4)) + LEAST_ENERGY).sqrt()  # [n, t-1]
    spectrum = torch.fft.rfft(root - root.mean(dim=1, keepdim=True), dim=1)[:, 1:]
    rhythm = (spectrum.abs().square() / t + LEAST_POWER).log()

    energy = changes.square().mean(dim=(1, 2))  # [n, s, s]
    cells = F.adaptive_avg_pool2d(energy, NUM_CELLS).flatten(1)
    cells = (cells + LEAST_ENERGY).sqrt()
    place = cells / cells.mean(dim=1, keepdim=True)

    roots = _root_histograms(pictures)  # [n, t, c * bins]
    drift = (roots[:, 1:] - roots[:, :1]).square().sum(dim=2).add(EPSILON).sqrt()
    return [rhythm, place, drift]


def _root_histograms(pictures: Tensor) -> Tensor:
    """Return roots of each channel's histogram, [n, t, c * NUM_BINS]; pixels go to two bins."""
    centres = torch.linspace(-1, 1, NUM_BINS, device=pictures.device)
    width = 2 / (NUM_BINS - 1)
    flat = pictures.clamp(-1, 1).flatten(3)[..., None]  # [n, t, c, s*s, 1]
    shares = (1 - (flat - centres).abs() / width).clamp(min=0).mean(dim=3)  # [n, t, c, bins]
    return (shares + EPSILON).sqrt().flatten(2)


def score_pairs(
    first: Sequence[Tensor], second: Sequence[Tensor], real: Sequence[Tensor]
) -> Tensor:
    """Score two walks drawn for each first latent against the real one.

    Args:
        first: Views [n, d] of one walk of each first latent.
        second: The same views of another one of the same.
        real: The same of what really followed.

    Returns:
        The sum over all views of the energy score E|x - y| - E|x - x'| / 2; smaller is better, and
        in the mean only the true conditional distribution makes it smallest.

    Source:
        Follows: Gneiting and Raftery 2007 (energy score), from two draws.
    """
    scores = [
        (_length(a - c).mean() + _length(b - c).mean() - _length(a - b).mean()) / 2
        for a, b, c in zip(first, second, real, strict=True)
    ]
    return torch.stack(scores).sum()


def score_numbers(first: Tensor, second: Tensor, real: Tensor) -> Tensor:
    """Return the mean energy score of single numbers; see `score_pairs`. All three [n, ...]."""
    single = (first - real).abs() + (second - real).abs() - (first - second).abs()
    return single.mean() / 2


def compare_crowds(drawn: Views, real: Views) -> Tensor:
    """Compare walks with real ones that do not belong to them.

    Args:
        drawn: Views [n, d], n at least 2.
        real: The same views [m, d], m at least 2.

    Returns:
        The sum over all views of the energy distance E|x - y| - E|x - x'| / 2 - E|y - y'| / 2,
        unbiased; zero in the mean for the same distribution, and larger for any other.

    Source:
        Follows: Szekely and Rizzo 2013 (energy distance).
    """
    terms = [
        _distances(a, b).mean() - (_mean_other(a) + _mean_other(b)) / 2
        for a, b in zip(drawn, real, strict=True)
    ]
    return torch.stack(terms).sum()


def _length(x: Tensor) -> Tensor:
    return (x.square().sum(dim=1) + EPSILON).sqrt()


def _distances(a: Tensor, b: Tensor) -> Tensor:
    """Return distances [n, m] of rows."""
    squares = a.square().sum(dim=1)[:, None] + b.square().sum(dim=1) - 2 * a @ b.T
    return (squares.clamp(min=0) + EPSILON).sqrt()


def _mean_other(x: Tensor) -> Tensor:
    """Return the mean distance of rows [n, d] to the other rows."""
    n = len(x)
    return (_distances(x, x).sum() - n * math.sqrt(EPSILON)) / (n * (n - 1))
