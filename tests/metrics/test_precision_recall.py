"""Precision, recall, density and coverage are what their papers say, and tell what is wrong."""

import dataclasses

import numpy as np
import pytest
from clip_array import ClipArray
from sklearn.neighbors import NearestNeighbors
from toy_videos import draw_videos

from mocotool.configs.eval_features import ManifoldProtocol, TwoSampleProtocol
from mocotool.configs.evaluate import ExtractionConfig
from mocotool.errors import MismatchError
from mocotool.metrics import precision_recall
from mocotool.metrics.detectors import MotionDetector
from mocotool.metrics.extraction import FeatureExtractor
from mocotool.metrics.frame_detectors import PixelDetector
from mocotool.metrics.precision_recall import compute_precision_recall, manifold_scores
from mocotool.metrics.two_sample import compute_two_sample

EXTRACTOR = FeatureExtractor(config=ExtractionConfig(use_cache=False))


def draw(n, *, shift=0.0, seed=0, spread=1.0):
    return np.random.default_rng(seed).normal(shift, spread, (n, 4)).astype(np.float32)


def scores_by_loops(real, fake, k):
    """The definitions, one sample at a time."""

    def distance(a, b):
        return np.sqrt(((a.astype(float) - b.astype(float)) ** 2).sum())

    def radius(side, i):
        return sorted(distance(side[i], side[j]) for j in range(len(side)) if j != i)[k - 1]

    real_radii = [radius(real, i) for i in range(len(real))]
    fake_radii = [radius(fake, j) for j in range(len(fake))]
    inside = np.array(
        [[distance(x, y) <= r for x, r in zip(real, real_radii, strict=True)] for y in fake]
    )
    held = [any(distance(x, y) <= r for y, r in zip(fake, fake_radii, strict=True)) for x in real]
    return {
        "precision": inside.any(axis=1).mean(),
        "recall": np.mean(held),
        "density": inside.sum() / (k * len(fake)),
        "coverage": inside.any(axis=0).mean(),
    }


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("shift", [0.0, 1.0, 3.0])
def test_scores_are_those_of_plain_loops_in_blocks_of_any_size(k, shift, monkeypatch):
    monkeypatch.setattr(precision_recall, "MEMORY_MB", 0.01)
    real, fake = draw(40), draw(30, shift=shift, seed=1)

    found = manifold_scores(real, fake, num_neighbours=k)

    assert dataclasses.asdict(found) == pytest.approx(scores_by_loops(real, fake, k))


def test_scores_are_those_of_scikit_learns_brute_force():
    real, fake = draw(300), draw(200, shift=0.5, seed=1)
    brute = NearestNeighbors(algorithm="brute").fit(real)
    radii = brute.kneighbors(n_neighbors=5)[0][:, -1]
    reached = brute.radius_neighbors(fake, radius=radii.max())
    inside = [(d <= radii[i]).sum() for d, i in zip(*reached, strict=True)]

    found = manifold_scores(real, fake)

    assert found.precision == pytest.approx(np.mean(np.array(inside) > 0))
    assert found.density == pytest.approx(np.mean(inside) / 5)


def test_few_kinds_cost_recall_and_strange_samples_precision():
    real = np.concatenate([draw(150), draw(150, shift=20.0, seed=1)])
    one_kind = manifold_scores(real, draw(300, seed=2))
    strange = manifold_scores(real, np.concatenate([real[::2] + 1e-3, draw(150, shift=90, seed=3)]))

    assert one_kind.precision > 0.9
    assert one_kind.recall < 0.6
    assert one_kind.coverage < 0.6
    assert strange.precision == pytest.approx(0.5)
    assert strange.coverage > 0.9


def test_equal_distributions_have_a_density_of_one():
    found = manifold_scores(draw(1000), draw(1000, seed=1))

    assert found.density == pytest.approx(1.0, abs=0.1)
    assert found.coverage > 0.9


def test_what_cannot_be_compared_is_a_sentence():
    with pytest.raises(MismatchError, match="5 neighbours need at least 6 of each"):
        manifold_scores(draw(5), draw(9))
    with pytest.raises(MismatchError, match="cannot be compared"):
        manifold_scores(draw(9), draw(9)[:, :2])


@pytest.fixture(scope="module")
def real():
    return ClipArray(draw_videos(40, seed=0, num_frames=8), name="real")


def compare(compute, real, fake, detector, **protocol):
    kind = ManifoldProtocol if compute is compute_precision_recall else TwoSampleProtocol
    return compute(real, fake, protocol=kind(**protocol), detector=detector, extractor=EXTRACTOR)


def test_a_result_says_what_was_compared(real):
    fake = ClipArray(draw_videos(30, seed=1, num_frames=8), name="fake")

    result = compare(compute_precision_recall, real, fake, PixelDetector(), num_neighbours=3)

    features = [result.statistics[role].features for role in ("real", "fake")]
    expected = manifold_scores(*features, num_neighbours=3)
    assert result.metric == "precision (pixel features)"
    assert result.value == expected.precision
    for name in ("recall", "density", "coverage"):
        assert result.details[name]["value"] == getattr(expected, name)
    assert result.inputs["real"]["num_frames"] == 40
    assert result.protocol["num_neighbours"] == 3


@pytest.mark.parametrize("classifier", ["nearest", "logistic"])
def test_clips_that_stand_still_are_told_apart_by_a_video_detector(real, classifier):
    same = ClipArray(draw_videos(40, seed=1, num_frames=8), name="same")
    still = draw_videos(40, seed=2, num_frames=8)[:, :1].repeat(8, axis=1)
    settings = {"classifier": classifier, "num_frames": 8}

    alike, apart = (
        compare(compute_two_sample, real, side, MotionDetector(), **settings)
        for side in (same, ClipArray(still, name="still"))
    )

    assert apart.inputs["fake"]["num_clips"] == 40
    assert apart.value > 0.9
    assert alike.value < 0.7
    low, high = alike.details["interval"]
    assert low < 0.5 < high


def test_strides_of_clips_are_taken_and_warned_of(real):
    fake = ClipArray(draw_videos(20, seed=1, num_frames=15), name="fake")
    settings = {"num_frames": 8, "fake_stride": 2}

    result = compare(compute_precision_recall, real, fake, MotionDetector(), **settings)

    assert result.inputs["fake"]["num_clips"] == 20
