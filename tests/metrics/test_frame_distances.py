"""Frames are compared one a video, by estimates that are what they say."""

import numpy as np
import pytest
from clip_array import ClipArray
from reference.frechet import kernel_distance_by_loops
from toy_videos import draw_videos

from mocotool.configs.evaluate import ExtractionConfig, SampleProtocol
from mocotool.errors import MismatchError
from mocotool.metrics.extraction import FeatureExtractor
from mocotool.metrics.frame_detectors import PixelDetector
from mocotool.metrics.frame_distances import compute_kid
from mocotool.metrics.two_sample import compute_two_sample

EXTRACTOR = FeatureExtractor(config=ExtractionConfig(use_cache=False))


@pytest.fixture(scope="module")
def real():
    return ClipArray(draw_videos(40, seed=0, num_frames=6), name="real")


@pytest.fixture(scope="module")
def other():
    return ClipArray(draw_videos(30, seed=1, num_frames=6), name="other")


@pytest.fixture(scope="module")
def dark():
    return ClipArray(draw_videos(40, seed=2, num_frames=6) // 2, name="dark")


def compare(compute, real, fake, *, ground_truth=False, **protocol):
    return compute(
        real,
        fake,
        protocol=SampleProtocol(**protocol),
        detector=PixelDetector(),
        extractor=EXTRACTOR,
        ground_truth=ground_truth,
    )


def test_the_kernel_distance_is_that_of_one_frame_a_video(real, other):
    result = compare(compute_kid, real, other)

    features = [result.statistics[role].features.astype(float) for role in ("real", "fake")]
    assert [len(part) for part in features] == [40, 30]
    assert result.value == pytest.approx(kernel_distance_by_loops(*features), rel=1e-6)
    assert result.metric == "kernel distance (pixel features)"
    assert result.warnings == ()


def test_equal_distributions_are_within_their_error_and_others_are_not(real, other, dark):
    same, different = (compare(compute_kid, real, side) for side in (other, dark))

    assert abs(same.value) < 3 * same.standard_error
    assert different.value > 10 * different.standard_error


def test_neighbours_tell_dark_frames_and_not_equal_ones(real, other, dark):
    same, different = (compare(compute_two_sample, real, side) for side in (other, dark))

    assert same.details["num_frames_each"] == 30
    assert abs(same.value - 0.5) < 3 * same.standard_error
    assert different.value > 0.95
    assert different.value == (different.details["real"] + different.details["fake"]) / 2


@pytest.mark.parametrize("compute", [compute_kid, compute_two_sample])
def test_half_of_the_real_frames_is_compared_with_the_other(compute, real, dark):
    result = compare(compute, real, dark, ground_truth=True)

    assert result.details["ground_truth"]["num_frames_each"] == 20
    assert result.details["ground_truth"]["value"] < result.value


@pytest.mark.parametrize("compute", [compute_kid, compute_two_sample])
def test_frames_of_one_video_are_warned_of(compute, real, other):
    result = compare(compute, real, other, frames="all")

    assert "240 frames of 40 videos" in result.warnings[0]
    assert result.inputs["real"]["num_frames"] == 240


def test_too_few_frames_are_refused(real):
    pair = ClipArray(draw_videos(2, seed=3, num_frames=6), name="pair")

    with pytest.raises(MismatchError, match="needs at least 3 of each"):
        compare(compute_kid, real, pair)


def test_the_seed_chooses_the_frames(real, other):
    values = [compare(compute_kid, real, other, seed=seed).value for seed in (0, 0, 1)]

    assert values[0] == values[1] != values[2]
    assert np.isfinite(values).all()


@pytest.mark.parametrize("compute", [compute_kid, compute_two_sample])
def test_repeats_draw_anew_and_their_mean_counts(compute, real, other):
    alone = [compare(compute, real, other, seed=seed) for seed in (4, 5, 6)]

    result = compare(compute, real, other, seed=4, num_repeats=3)

    values = [one.value for one in alone]
    assert result.details["values"] == values
    assert result.value == pytest.approx(np.mean(values))
    assert result.std == pytest.approx(np.std(values, ddof=1))
    assert result.protocol["num_repeats"] == 3


def test_repeats_average_what_stands_beside_the_value(real, other):
    alone = [compare(compute_kid, real, other, seed=seed, ground_truth=True) for seed in (0, 1)]

    result = compare(compute_kid, real, other, num_repeats=2, ground_truth=True)

    truths = [one.details["ground_truth"]["value"] for one in alone]
    assert result.details["ground_truth"]["value"] == pytest.approx(np.mean(truths))
    assert result.details["ground_truth"]["std"] == pytest.approx(np.std(truths, ddof=1))
    assert result.details["ground_truth"]["num_frames_each"] == 20
