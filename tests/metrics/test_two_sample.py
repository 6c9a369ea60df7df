"""Samples of one kind cannot be told apart by their neighbours, samples of two can."""

import numpy as np
import pytest

from mocotool.errors import MismatchError
from mocotool.metrics import two_sample
from mocotool.metrics.two_sample import nearest_neighbour_accuracy


def draw(n, *, shift=0.0, seed=0):
    return np.random.default_rng(seed).normal(shift, 1.0, (n, 3)).astype(np.float32)


def accuracy_by_loops(x, y):
    both = [*((row, 0) for row in x), *((row, 1) for row in y)]
    right = [[], []]
    for i, (row, side) in enumerate(both):
        distances = [
            np.inf if i == j else ((row - other) ** 2).sum() for j, (other, _) in enumerate(both)
        ]
        right[side].append(both[int(np.argmin(distances))][1] == side)
    return np.mean(right[0] + right[1]), np.mean(right[0]), np.mean(right[1])


@pytest.mark.parametrize("shift", [0.0, 0.7, 2.0])
def test_it_agrees_with_loops_in_blocks_of_any_size(shift, monkeypatch):
    monkeypatch.setattr(two_sample, "BLOCK_ROWS", 7)
    x, y = draw(20), draw(20, shift=shift, seed=1)

    found = nearest_neighbour_accuracy(x, y)

    assert (found.value, found.x, found.y) == pytest.approx(accuracy_by_loops(x, y))


def test_equal_distributions_give_a_half_and_distant_ones_give_one():
    n = 500

    equal = nearest_neighbour_accuracy(draw(n), draw(n, seed=1)).value
    apart = nearest_neighbour_accuracy(draw(n), draw(n, shift=20.0, seed=1)).value

    assert abs(equal - 0.5) < 4 * 0.5 / np.sqrt(2 * n)  # four standard errors
    assert apart == 1.0


def test_copies_give_zero():
    x = draw(50)

    assert nearest_neighbour_accuracy(x, x + 1e-3).value == 0.0


def test_a_side_that_reaches_only_a_part_of_the_other_is_told():
    x = np.concatenate([draw(100), draw(100, shift=30.0, seed=1)])

    found = nearest_neighbour_accuracy(x, draw(200, seed=2))

    assert found.x > 0.6  # half of x is alone
    assert found.y > 0.5


@pytest.mark.parametrize("shapes", [((5, 3), (6, 3)), ((5, 3), (5, 4)), ((1, 3), (1, 3))])
def test_what_cannot_be_compared_is_refused(shapes):
    x, y = (np.zeros(shape) for shape in shapes)

    with pytest.raises(MismatchError, match="at least 2"):
        nearest_neighbour_accuracy(x, y)
