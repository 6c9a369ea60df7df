import itertools

import pytest
import torch
from torch.testing import assert_close

from mocotool.motion.step_scores import (
    EPSILON,
    compare_crowds,
    score_numbers,
    score_pairs,
    view_pictures,
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


def _pairs(first, second, real):
    views = score_pairs(*map(view_steps, (first, second, real)))
    return views + score_numbers(first, second, real)


def _crowds(drawn, real):
    return compare_crowds(view_steps(drawn), view_steps(real))


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
    right = _pairs(_walks(20, ways=ways), _walks(30, ways=ways), real)

    score = _pairs(_walks(20, ways=ways, **wrong), _walks(30, ways=ways, **wrong), real)

    assert score > 1.01 * right


def test_walks_of_somebody_else_score_worse(ways):
    real, others = _walks(10, ways=ways), ways.roll(1)

    right = _pairs(_walks(20, ways=ways), _walks(30, ways=ways), real)
    blind = _pairs(_walks(20, ways=others), _walks(30, ways=others), real)

    assert blind > 1.02 * right


def test_the_score_of_pairs_is_the_energy_score():
    first, second, real = torch.randn(3, 2, 10, 3, generator=_rng(0)).unbind()

    found = _pairs(first, second, real)

    expected = 0.0
    for a, b, c in zip(view_steps(first), view_steps(second), view_steps(real), strict=True):
        for x, y, z in zip(a, b, c, strict=True):
            expected += float((x - z).norm() / 2 + (y - z).norm() / 2 - (x - y).norm() / 2) / 2
    single = (first - real).abs() / 2 + (second - real).abs() / 2 - (first - second).abs() / 2
    assert float(found) == pytest.approx(expected + float(single.mean()), rel=1e-3)


def test_crowds_compare_by_the_energy_distance():
    drawn, real = torch.randn(3, 10, 3, generator=_rng(0)), torch.randn(4, 10, 3, generator=_rng(1))

    found = _crowds(drawn, real)

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
        [_crowds(*torch.randn(2, 6, 10, 3, generator=_rng(seed)).unbind()) for seed in range(400)]
    )

    assert abs(float(values.mean())) < 3 * float(values.std()) / 20


@pytest.mark.parametrize("wrong", [{"energy": 1.3}, {"spread": 0.5}, {"offset": 0.5}], ids=str)
def test_crowds_of_two_kinds_differ(ways, wrong):
    few, offset = slice(0, 200), wrong.get("offset", 0.0)
    kind = {name: value for name, value in wrong.items() if name != "offset"}
    real = _walks(10, ways=ways)[few]

    same = _crowds(_walks(20, ways=ways)[few], real)
    other = _crowds(_walks(20, ways=ways, **kind)[few] + offset, real)

    assert other > same + 0.02


def test_a_walk_that_stands_still_has_finite_slopes():
    still = torch.zeros(3, 10, 4, requires_grad=True)

    (_pairs(still, still, torch.zeros(3, 10, 4)) + _crowds(still, still)).backward()

    assert still.grad.isfinite().all()


def test_views_of_steps_of_unit_energy_are_about_one_long():
    lengths = [view.square().sum(dim=1).mean() for view in view_steps(torch.randn(500, 20, 8))[:4]]

    assert_close(torch.stack(lengths), torch.tensor([1.0, 0.5, 1.0, 0.5]), rtol=0.1, atol=0.1)


def _film(seed, n=40, t=12):
    """Return pictures [n, t, 3, 16, 16] of a bright square that wanders over grey."""
    rng = _rng(seed)
    places = torch.randint(0, 12, (n, 2), generator=rng)
    film = torch.zeros(n, t, 3, 16, 16)
    for i, (y, x) in enumerate(places.tolist()):
        for frame in range(t):
            left = min(12, max(0, x + frame % 3))
            film[i, frame, :, y : y + 4, left : left + 4] = 0.8
    return film


def test_pictures_say_where_they_move():
    film = _film(0)
    corner = torch.zeros(1, 12, 3, 16, 16)
    corner[:, ::2, :, :4, :4] = 0.8

    _, place, _ = view_pictures(torch.cat([corner, film]), scale=0.1)

    assert place[0].argmax() == 0
    assert place[0, 0] > 3 * place[0, 1:].max()
    assert_close(place.mean(dim=1), torch.ones(41))


def test_pictures_say_how_their_colours_drift():
    steady = _film(1, n=1).expand(2, -1, -1, -1, -1).clone()
    steady[1, :, 0] -= torch.linspace(0, 0.5, 12)[:, None, None]  # the second one loses its red

    _, _, drift = view_pictures(steady, scale=0.1)

    assert drift[0].max() < 0.2 * drift[1].max()
    assert (drift[1].diff() > -0.05).all()


def test_pictures_say_how_fast_their_energy_changes():
    t = torch.arange(16)
    slow, fast = (1 + (2 * torch.pi * t * turns / 16).cos() for turns in (1, 6))
    walks = torch.stack([slow, fast]).cumsum(dim=1)[:, :, None, None, None]
    film = (0.02 * walks).expand(-1, -1, 3, 16, 16)

    rhythm, _, _ = view_pictures(film, scale=0.02)

    assert rhythm[0].argmax() == 0
    assert rhythm[1].argmax() >= 4


def test_a_film_that_stands_still_has_finite_slopes():
    still = torch.zeros(2, 6, 3, 16, 16, requires_grad=True)

    sum(view.sum() for view in view_pictures(still, scale=0.1)).backward()

    assert still.grad.isfinite().all()
