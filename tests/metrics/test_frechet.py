"""The Frechet distance: against closed forms, against slow implementations, at the edges."""

import numpy as np
import pytest
from reference.frechet import frechet_distance_by_eigenvalues, frechet_distance_by_newton

from mocotool.errors import MismatchError
from mocotool.metrics.frechet import frechet_distance, trace_sqrt_product
from mocotool.metrics.statistics import FeatureStats


def stats_of(mean, covariance, n=1000):
    mean = np.asarray(mean, np.float64)
    return FeatureStats(num_samples=n, mean=mean, scatter=np.asarray(covariance) * n)


def draw(n, d, seed, scale=1.0, shift=0.0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)) @ rng.standard_normal((d, d)) * scale + shift


def test_gaussians_of_equal_covariance_are_as_far_apart_as_their_means():
    covariance = np.cov(draw(50, 4, 0).T)

    distance = frechet_distance(
        stats_of([0, 0, 0, 0], covariance), stats_of([3, 0, 4, 0], covariance), ddof=0
    )

    assert distance == pytest.approx(25.0, rel=1e-12)


def test_diagonal_covariances_have_the_closed_form():
    a, b = np.array([1.0, 4.0, 9.0]), np.array([4.0, 1.0, 0.25])

    distance = frechet_distance(
        stats_of([0, 0, 0], np.diag(a)), stats_of([1, 1, 1], np.diag(b)), ddof=0
    )

    assert distance == pytest.approx(3.0 + ((np.sqrt(a) - np.sqrt(b)) ** 2).sum(), rel=1e-12)


def test_a_scaled_gaussian_has_the_closed_form():
    covariance = np.cov(draw(60, 5, 1).T)
    mean = np.zeros(5)

    distance = frechet_distance(stats_of(mean, covariance), stats_of(mean, 9 * covariance), ddof=0)

    assert distance == pytest.approx(4.0 * np.trace(covariance), rel=1e-12)  # (3 - 1)^2


@pytest.mark.parametrize("reference", [frechet_distance_by_eigenvalues, frechet_distance_by_newton])
@pytest.mark.parametrize("ddof", [0, 1])
def test_it_agrees_with_slow_implementations(reference, ddof):
    x, y = draw(200, 8, 2), draw(150, 8, 3, scale=1.5, shift=0.3)

    distance = frechet_distance(
        FeatureStats.from_features(x), FeatureStats.from_features(y), ddof=ddof
    )

    # features are kept in float64 for the moments, so only the roots differ
    assert distance == pytest.approx(reference(x, y, ddof=ddof), rel=1e-8)


def test_it_agrees_with_scipy_on_full_rank():
    linalg = pytest.importorskip("scipy.linalg")
    x, y = draw(100, 6, 4), draw(100, 6, 5)
    root = linalg.sqrtm(np.cov(x.T) @ np.cov(y.T)).real

    found = trace_sqrt_product(np.cov(x.T), np.cov(y.T))

    assert found == pytest.approx(np.trace(root), rel=1e-9)


def test_equal_statistics_are_at_distance_zero():
    stats = FeatureStats.from_features(draw(300, 20, 6))

    assert frechet_distance(stats, stats) == pytest.approx(0.0, abs=1e-9 * np.trace(stats.scatter))


def test_swapping_the_sides_changes_nothing():
    a, b = (FeatureStats.from_features(draw(100, 10, seed)) for seed in (7, 8))

    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-10)


def test_fewer_samples_than_dimensions_are_no_obstacle():
    x, y = draw(10, 40, 9)[:, :40], draw(12, 40, 10)

    distance = frechet_distance(FeatureStats.from_features(x), FeatureStats.from_features(y))

    assert distance == pytest.approx(frechet_distance_by_eigenvalues(x, y), rel=1e-5)


def test_a_constant_feature_adds_nothing():
    x, y = draw(50, 4, 11), draw(50, 4, 12)
    padded = [np.hstack([features, np.ones((50, 1))]) for features in (x, y)]

    without = frechet_distance(FeatureStats.from_features(x), FeatureStats.from_features(y))
    found = frechet_distance(*map(FeatureStats.from_features, padded))

    assert found == pytest.approx(without, rel=1e-9)


def test_dividing_by_n_and_by_n_minus_one_differ_as_they_should():
    x = draw(20, 3, 13)
    stats = FeatureStats.from_features(x)

    biased, unbiased = (stats.covariance(ddof=ddof) for ddof in (0, 1))

    np.testing.assert_allclose(biased, np.cov(x.T, ddof=0), rtol=1e-12)
    np.testing.assert_allclose(unbiased * 19, biased * 20, rtol=1e-12)


def test_features_of_different_length_are_refused():
    with pytest.raises(MismatchError, match="3 and of 4"):
        frechet_distance(stats_of(np.zeros(3), np.eye(3)), stats_of(np.zeros(4), np.eye(4)))


@pytest.mark.parametrize("ddof", [0, 1])
def test_one_sample_has_no_covariance(ddof):
    one = FeatureStats.from_features(np.ones((1, 3)))

    with pytest.raises(MismatchError, match="needs at least 2 samples, got 1"):
        frechet_distance(one, one, ddof=ddof)
