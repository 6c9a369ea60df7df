"""The kernel distance: scikit-learn's kernel, unbiased, with an honest standard error."""

import numpy as np
import pytest
from reference.frechet import kernel_distance_by_loops
from sklearn.metrics.pairwise import polynomial_kernel

from mocotool.errors import MismatchError
from mocotool.metrics import kernel_distance as module
from mocotool.metrics.kernel_distance import jedi_distance, kernel_distance


def draw(n, seed, shift=0.0, d=6):
    return np.random.default_rng(seed).standard_normal((n, d)) + shift


def test_it_agrees_with_loops():
    x, y = draw(12, 0), draw(9, 1, shift=0.5)

    assert kernel_distance(x, y).value == pytest.approx(kernel_distance_by_loops(x, y), rel=1e-10)


def test_it_agrees_with_scikit_learns_kernel():
    x, y = draw(40, 2), draw(30, 3)
    xx, yy, xy = polynomial_kernel(x), polynomial_kernel(y), polynomial_kernel(x, y)
    expected = (
        (xx.sum() - np.trace(xx)) / (40 * 39)
        + (yy.sum() - np.trace(yy)) / (30 * 29)
        - 2 * xy.mean()
    )

    assert kernel_distance(x, y).value == pytest.approx(expected, rel=1e-9)


def test_blocks_change_nothing(monkeypatch):
    x, y = draw(50, 4), draw(37, 5)
    whole = kernel_distance(x, y)
    monkeypatch.setattr(module, "BLOCK_ROWS", 7)
    monkeypatch.setattr(module, "BLOCK_COLUMNS", 11)

    parts = kernel_distance(x, y)

    assert parts.value == pytest.approx(whole.value, rel=1e-9)
    assert parts.standard_error == pytest.approx(whole.standard_error, rel=1e-9)


def repeat(shift):
    estimates = [kernel_distance(draw(40, 2 * i), draw(40, 2 * i + 1, shift)) for i in range(200)]
    stated = np.mean([estimate.standard_error for estimate in estimates])
    return np.array([estimate.value for estimate in estimates]), stated


def test_it_is_unbiased_where_there_is_nothing_to_see():
    values, stated = repeat(shift=0.0)

    assert abs(values.mean()) < 3 * values.std(ddof=1) / np.sqrt(len(values))
    # For equal distributions the jackknife is known to overstate, by a factor of about 1.4.
    assert 1.0 < stated / values.std(ddof=1) < 2.0


def test_the_standard_error_is_what_repeats_show():
    values, stated = repeat(shift=0.5)

    assert stated == pytest.approx(values.std(ddof=1), rel=0.2)
    assert values.mean() > 2 * stated


def test_swapping_the_sides_changes_nothing():
    x, y = draw(20, 10), draw(25, 11)

    assert kernel_distance(x, y).value == pytest.approx(kernel_distance(y, x).value, rel=1e-10)


def test_two_samples_are_too_few():
    with pytest.raises(MismatchError, match="3 of each"):
        kernel_distance(draw(2, 12), draw(5, 13))


def test_jedis_distance_is_scikit_learns_kernel_over_all_pairs():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(30, 8)), rng.normal(0.3, 1.0, size=(20, 8))

    means = [polynomial_kernel(a, b, 2, None, 0).mean() for a, b in ((x, x), (y, y), (x, y))]

    assert jedi_distance(x, y) == pytest.approx(100 * (means[0] + means[1] - 2 * means[2]))
    assert jedi_distance(x, x) == pytest.approx(0.0, abs=1e-9)


def test_jedis_distance_is_what_its_authors_example_says():
    a = np.arange(1, 10).reshape(3, 3)
    b = np.array([[7, 6, 5], [4, 3, 2], [1, 1, 8], [0, 2, 5]])

    # mmd_polynomial.py names 270.7, before the factor of 100 that JEDi.py adds
    assert jedi_distance(a, b) / 100 == pytest.approx(270.7, abs=0.05)
