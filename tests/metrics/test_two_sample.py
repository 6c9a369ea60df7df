"""Samples of one kind cannot be told apart by their neighbours, samples of two can."""

import numpy as np
import pytest
from sklearn.model_selection import StratifiedKFold

from mocotool.errors import MismatchError
from mocotool.metrics.two_sample import logistic_accuracy, nearest_neighbour_accuracy


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
def test_it_agrees_with_loops(shift):
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


def logistic_by_hand(x, y, folds, steps=4000, rate=0.5):
    """Cross-validated logistic regression by plain gradient descent, on the folds given."""
    both = np.concatenate([x, y]).astype(float)
    side = np.r_[np.ones(len(x)), np.zeros(len(y))]
    right = np.zeros(len(both), bool)
    for learnt, asked in folds:
        mean, std = both[learnt].mean(axis=0), both[learnt].std(axis=0)
        known, new = (both[learnt] - mean) / std, (both[asked] - mean) / std
        weights, bias = np.zeros(both.shape[1]), 0.0
        for _ in range(steps):
            error = 1 / (1 + np.exp(-(known @ weights + bias))) - side[learnt]
            weights -= rate * (known.T @ error + weights / 0.1) / len(learnt)
            bias -= rate * error.mean()
        right[asked] = ((new @ weights + bias) > 0) == side[asked]
    return right.mean()


def test_logistic_regression_agrees_with_gradient_descent():
    x, y = draw(40), draw(40, shift=0.5, seed=1)
    labels = np.arange(80) < 40
    folds = list(StratifiedKFold(4, shuffle=True, random_state=3).split(np.zeros(80), labels))

    found = logistic_accuracy(x, y, num_folds=4, seed=3)

    assert found.value == pytest.approx(logistic_by_hand(x, y, folds))
    assert found.value == (found.x + found.y) / 2


def test_logistic_regression_finds_a_small_shift_that_neighbours_miss():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 400, 50))
    y += 0.2  # a little in every direction

    linear, nearest = logistic_accuracy(x, y).value, nearest_neighbour_accuracy(x, y).value

    assert linear > 0.65  # the best there is, by the shift's length of 1.41, is 0.76
    assert nearest < linear - 0.08


def test_logistic_regression_cannot_tell_what_is_alike():
    assert abs(logistic_accuracy(draw(500), draw(500, seed=1)).value - 0.5) < 4 * 0.5 / np.sqrt(
        1000
    )


def test_fewer_samples_than_folds_are_refused():
    with pytest.raises(MismatchError, match="5 folds need at least as many"):
        logistic_accuracy(draw(4), draw(4))
