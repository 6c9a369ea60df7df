import itertools

import pytest
import torch
from torch.testing import assert_close

from mocotool.motion.step_scores import (
    EPSILON,
    compare_crowds,
    score_pairs,
    view_steps,
)

N, T, K = 3000, 12, 4


def _rng(seed):
    return torch.Generator().manual_seed(seed)


def _walks(seed, *, ways, energy=1.0, spread=1.0):
    """Return steps [N, T, K] whose mean, along the first direction, `ways` [N] gives."""
    steps = spread * torch.randn(N, 1, K, generator=_rng(seed))
    steps = steps + 0.5 * torch.randn(N, T, K, generator=_rng(seed + 1))
    steps[:, :, 0] += ways[:, None]
    return energy * steps


@pytest.fixture(scope="module")
def ways():
    return torch.randn(N, generator=_rng(0))


@pytest.mark.parametrize(
    "wrong",
    [{"energy": 0.7}, {"energy": 1.4}, {"spread": 0.3}, {"spread": 2.0}, {"spread": 0.0}],
    ids=str,
)
def test_too_much_and_too_little_score_worse_than_the_truth(ways, wrong):
    real = _walks(10, ways=ways)
    right = score_pairs(_walks(20, ways=ways), _walks(30, ways=ways), real)

    score = score_pairs(_walks(20, ways=ways, **wrong), _walks(30, ways=ways, **wrong), real)

    assert score > 1.01 * right


def test_walks_of_somebody_else_score_worse(ways):
    real, others = _walks(10, ways=ways), ways.roll(1)

    right = score_pairs(_walks(20, ways=ways), _walks(30, ways=ways), real)
    blind = score_pairs(_walks(20, ways=others), _walks(30, ways=others), real)

    assert blind > 1.02 * right


def test_the_score_of_pairs_is_the_energy_score():
    first, second, real = torch.randn(3, 2, 10, 3, generator=_rng(0)).unbind()

    found = score_pairs(first, second, real)

    expected = 0.0
    for a, b, c in zip(view_steps(first), view_steps(second), view_steps(real), strict=True):
        for x, y, z in zip(a, b, c, strict=True):
            expected += float((x - z).norm() / 2 + (y - z).norm() / 2 - (x - y).norm() / 2) / 2
    single = (first - real).abs() / 2 + (second - real).abs() / 2 - (first - second).abs() / 2
    assert float(found) == pytest.approx(expected + float(single.mean()), rel=1e-3)


def test_crowds_compare_by_the_energy_distance():
    drawn, real = torch.randn(3, 10, 3, generator=_rng(0)), torch.randn(4, 10, 3, generator=_rng(1))

    found = compare_crowds(drawn, real)

    def distance(pairs):
        return sum(float((x - y).norm()) for x, y in pairs) / len(pairs)

    expected = 0.0
    for a, b in zip(view_steps(drawn), view_steps(real), strict=True):
        expected += distance(list(itertools.product(a, b)))
        expected -= distance(list(itertools.combinations(a, 2))) / 2
        expected -= distance(list(itertools.combinations(b, 2))) / 2
    assert float(found) == pytest.approx(expected, rel=2e-3, abs=10 * EPSILON**0.5)


def test_crowds_of_one_kind_differ_by_nothing_in_the_mean():
    values = torch.stack(
        [
            compare_crowds(*torch.randn(2, 6, 10, 3, generator=_rng(seed)).unbind())
            for seed in range(400)
        ]
    )

    assert abs(float(values.mean())) < 3 * float(values.std()) / 20


@pytest.mark.parametrize("wrong", [{"energy": 1.3}, {"spread": 0.5}, {"offset": 0.5}], ids=str)
def test_crowds_of_two_kinds_differ(ways, wrong):
    few, offset = slice(0, 200), wrong.get("offset", 0.0)
    kind = {name: value for name, value in wrong.items() if name != "offset"}
    real = _walks(10, ways=ways)[few]

    same = compare_crowds(_walks(20, ways=ways)[few], real)
    other = compare_crowds(_walks(20, ways=ways, **kind)[few] + offset, real)

    assert other > same + 0.02


def test_a_walk_that_stands_still_has_finite_slopes():
    still = torch.zeros(3, 10, 4, requires_grad=True)

    (score_pairs(still, still, torch.zeros(3, 10, 4)) + compare_crowds(still, still)).backward()

    assert still.grad.isfinite().all()


def test_views_of_steps_of_unit_energy_are_about_one_long():
    lengths = [view.square().sum(dim=1).mean() for view in view_steps(torch.randn(500, 20, 8))[:4]]

    assert_close(torch.stack(lengths), torch.tensor([1.0, 0.5, 1.0, 0.5]), rtol=0.1, atol=0.1)
