import numpy as np
import pytest
import torch

from mocotool.metrics.motion_figures import (
    Interval,
    compare_places,
    correlate_energy,
    measure_accuracy,
)
from mocotool.metrics.motion_sample import MotionSample
from mocotool.motion.displacement import split_displacement


def _design(*, common=0.0, content=0.0, seed=0.0, both=0.0, a=200, b=200, d=3):
    """Return displacements whose parts have the given variances."""
    rng = np.random.default_rng(0)
    draw = rng.standard_normal
    return (
        np.sqrt(common / d) * np.ones((1, 1, d))
        + np.sqrt(content / d) * draw((a, 1, d))
        + np.sqrt(seed / d) * draw((1, b, d))
        + np.sqrt(both / d) * draw((a, b, d))
    )


def test_shares_of_displacement_are_those_it_was_made_of():
    shares = split_displacement(_design(common=1, content=2, seed=3, both=4))

    assert shares["common"] == pytest.approx(0.1, abs=0.03)
    assert shares["content"] == pytest.approx(0.2, abs=0.03)
    assert shares["motion_seed"] == pytest.approx(0.7, abs=0.04)
    assert sum(shares.values()) == pytest.approx(1.0)


def test_few_contents_and_seeds_give_no_share_that_is_not_there():
    parts = [split_displacement(x) for x in np.split(_design(both=1, a=400, b=4), 100)]

    assert np.mean([part["content"] for part in parts]) == pytest.approx(0, abs=0.02)
    assert np.mean([part["common"] for part in parts]) == pytest.approx(0, abs=0.02)


def test_one_offset_for_all_is_common():
    assert split_displacement(_design(common=1))["common"] == pytest.approx(1.0)


def test_no_motion_has_no_shares():
    assert set(split_displacement(np.zeros((2, 2, 3))).values()) == {0.0}


def test_energy_goes_with_the_seed_where_it_does():
    rng = torch.Generator().manual_seed(0)
    curves = torch.rand(1, 6, 15, generator=rng).expand(5, -1, -1) + 0.1

    found = correlate_energy(curves * torch.linspace(1, 2, 5)[:, None, None])

    assert found["energy_same"] == pytest.approx(1.0, abs=1e-4)
    assert abs(found["energy_other"]) < 0.3


def test_a_classifier_tells_shifted_features_and_not_equal_ones():
    rng = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 200, 5, generator=rng)

    assert measure_accuracy(a, b + 3) > 0.95
    assert 0.4 < measure_accuracy(a, b) < 0.6


def _moving(looks, cells, video_idxs=None):
    """Return a sample of clips that look like `looks` and move in one cell each."""
    n = len(looks)
    empty = torch.zeros(n, 1)
    return MotionSample(
        video_idxs=list(range(n)) if video_idxs is None else video_idxs,
        features=empty,
        looks=torch.tensor(looks)[:, None],
        maps=torch.eye(4)[cells],
        curves=empty,
        changes=torch.zeros(n, 3),
        steps=empty[:, 0],
        drifts=empty[:, 0],
        first=empty,
        later={},
    )


def test_moving_where_the_look_alike_moves_gains_one_and_elsewhere_less_than_chance():
    real = _moving([0.0, 10, 20, 30], [0, 1, 2, 3])

    assert compare_places(real, _moving([1.0, 11, 21, 31], [0, 1, 2, 3])) == pytest.approx(1.0)
    assert compare_places(real, _moving([1.0, 11, 21, 31], [1, 2, 3, 0])) < 0


def test_moving_in_one_place_whoever_it_is_gains_nothing():
    real = _moving([0.0, 10, 20, 30], [0, 1, 2, 3])

    assert compare_places(real, _moving([1.0, 11, 21, 31], [0, 0, 0, 0])) == pytest.approx(0.0)


def test_real_clips_are_no_look_alikes_of_themselves():
    real = _moving([0.0, 1, 30, 31], [0, 0, 1, 2])

    assert compare_places(real, real) == pytest.approx(1.0)
    assert compare_places(real, real, exclude_self=True) == pytest.approx((0.5 - 1 / 6) / (5 / 6))


def test_an_interval_holds_the_mean_in_nineteen_of_twenty_cases():
    rng = np.random.default_rng(0)
    found = [Interval.of(list(rng.normal(3.0, 2.0, 5))) for _ in range(2000)]

    hits = [abs(x.mean - 3.0) < x.half_width for x in found]

    assert np.mean(hits) == pytest.approx(0.95, abs=0.015)


def test_one_seed_has_no_interval():
    assert Interval.of([0.5]).half_width is None
    assert str(Interval.of([0.5])) == "0.5"
    assert str(Interval.of([4.0, 5.0])) == "4.50 ±6.35"
