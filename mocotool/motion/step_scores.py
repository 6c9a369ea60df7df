"""How near are drawn steps to real ones? Scores that only the true distribution makes smallest.

A walk is looked at in several ways: its steps, the way it goes, steps summed over a while, energy
over time. In each of them what is drawn shall lie as near to real walks as real walks would, and no
nearer to itself than real walks are to each other; so neither energy nor diversity pays for the
other, and no critic has to be kept in balance.
"""

import math

import torch
from torch import Tensor

WHILE = 5  # steps that are summed
LEAST_ENERGY = 1e-3  # of a step of real clips, under which it stands still
EPSILON = 1e-6  # keeps slopes of distances finite


def view_steps(steps: Tensor) -> list[Tensor]:
    """Look at walks in several ways.

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


def score_pairs(first: Tensor, second: Tensor, real: Tensor) -> Tensor:
    """Score two walks drawn for each first latent against the real one.

    Args:
        first: Steps of one walk of each first latent, [n, t, k].
        second: Steps of another one of the same.
        real: What really followed.

    Returns:
        The sum over all views, and over single numbers, of the energy score
        E|x - y| - E|x - x'| / 2; smaller is better, and in the mean only the true conditional
        distribution makes it smallest.

    Source:
        Follows: Gneiting and Raftery 2007 (energy score), from two draws.
    """
    scores = [
        (_length(a - c).mean() + _length(b - c).mean() - _length(a - b).mean()) / 2
        for a, b, c in zip(*map(view_steps, (first, second, real)), strict=True)
    ]
    single = (first - real).abs() + (second - real).abs() - (first - second).abs()
    return torch.stack([*scores, single.mean() / 2]).sum()


def compare_crowds(drawn: Tensor, real: Tensor) -> Tensor:
    """Compare walks with real ones that do not belong to them.

    Args:
        drawn: Steps [n, t, k], n at least 2.
        real: Steps [m, t, k], m at least 2.

    Returns:
        The sum over all views of the energy distance E|x - y| - E|x - x'| / 2 - E|y - y'| / 2,
        unbiased; zero in the mean for the same distribution, and larger for any other.

    Source:
        Follows: Szekely and Rizzo 2013 (energy distance).
    """
    terms = [
        _distances(a, b).mean() - (_mean_other(a) + _mean_other(b)) / 2
        for a, b in zip(view_steps(drawn), view_steps(real), strict=True)
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
