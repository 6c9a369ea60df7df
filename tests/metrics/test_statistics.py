"""Statistics of features: added up, merged, saved and read again."""

import numpy as np
import pytest

from mocotool.errors import FileFormatError, MismatchError
from mocotool.metrics import statistics
from mocotool.metrics.statistics import (
    FeatureStats,
    StatsAccumulator,
    read_statistics,
    write_statistics,
)

FEATURES = (np.random.default_rng(0).standard_normal((103, 7)) + 100.0).astype(np.float32)


def accumulate(sizes):
    accumulator = StatsAccumulator(7)
    start = 0
    for size in sizes:
        accumulator.add(FEATURES[start : start + size])
        start += size
    return accumulator.finish()


@pytest.mark.parametrize("sizes", [[103], [1] * 103, [50, 53], [7, 90, 6]])
def test_any_batching_gives_the_same_moments(sizes):
    stats = accumulate(sizes)

    values = FEATURES.astype(np.float64)
    np.testing.assert_allclose(stats.mean, values.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(stats.covariance(ddof=1), np.cov(values.T), rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(stats.features, FEATURES)


@pytest.mark.parametrize("cuts", [[40], [10, 11, 80], [1, 102]])
def test_merged_shards_equal_the_whole(cuts):
    shards = [FeatureStats.from_features(part) for part in np.split(FEATURES, cuts)]

    merged = FeatureStats.merge(shards)

    whole = FeatureStats.from_features(FEATURES)
    assert merged.num_samples == whole.num_samples
    np.testing.assert_allclose(merged.mean, whole.mean, rtol=1e-13)
    np.testing.assert_allclose(merged.scatter, whole.scatter, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(merged.features, FEATURES)


def test_an_empty_shard_changes_nothing():
    whole = FeatureStats.from_features(FEATURES)

    merged = FeatureStats.merge([FeatureStats.empty(7), whole])

    np.testing.assert_array_equal(merged.mean, whole.mean)
    np.testing.assert_array_equal(merged.scatter, whole.scatter)


def test_too_many_features_are_dropped_and_the_moments_stay(monkeypatch):
    monkeypatch.setattr(statistics, "MAX_KEPT_VALUES", 300)

    stats = accumulate([50, 53])

    assert stats.features is None
    np.testing.assert_allclose(stats.mean, FEATURES.astype(np.float64).mean(axis=0), rtol=1e-12)


def test_statistics_survive_a_file(tmp_path):
    stats = FeatureStats.from_features(FEATURES)

    write_statistics(stats, tmp_path / "stats.npz", meta={"detector": {"name": "toy"}})
    found, meta = read_statistics(tmp_path / "stats.npz")

    assert meta["detector"] == {"name": "toy"}
    assert found.num_samples == 103
    np.testing.assert_array_equal(found.scatter, stats.scatter)
    np.testing.assert_array_equal(found.features, FEATURES)


def test_the_same_statistics_give_the_same_bytes(tmp_path):
    for name in ("a.npz", "b.npz"):
        write_statistics(FeatureStats.from_features(FEATURES), tmp_path / name, meta={})

    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_a_file_of_something_else_is_named(tmp_path):
    np.savez(tmp_path / "other.npz", latents=np.zeros(3))

    with pytest.raises(FileFormatError, match="no statistics \\(found: latents\\)"):
        read_statistics(tmp_path / "other.npz")


def test_statistics_that_contradict_themselves_are_refused(tmp_path):
    stats = FeatureStats.from_features(FEATURES)
    broken = FeatureStats(num_samples=3, mean=stats.mean, scatter=stats.scatter[:5])
    write_statistics(broken, tmp_path / "broken.npz", meta={})

    with pytest.raises(FileFormatError, match="are inconsistent"):
        read_statistics(tmp_path / "broken.npz")


def test_statistics_of_different_features_do_not_merge():
    with pytest.raises(MismatchError, match="cannot be merged"):
        FeatureStats.merge([FeatureStats.empty(3), FeatureStats.empty(4)])
