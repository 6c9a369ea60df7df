"""Diversity is the deviation over motions of each content, pixel by pixel."""

import numpy as np
import pytest
from clip_array import ClipArray
from toy_videos import draw_videos

from mocotool.configs.evaluate import DiversityProtocol
from mocotool.errors import MismatchError
from mocotool.metrics.diversity import (
    compute_diversity,
    compute_sampled_diversity,
    measure_spread,
    sample_contents,
    write_pictures,
)
from mocotool.video.pictures import read_image


def test_the_spread_is_numpys():
    videos = draw_videos(7, seed=0, num_frames=3, size=16)

    spread = measure_spread(iter(videos))

    np.testing.assert_allclose(spread.mean, videos.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(spread.std, videos.std(axis=0) / 127.5, rtol=1e-9, atol=1e-12)
    assert spread.last_frame == pytest.approx(videos[:, -1].std(axis=0).mean() / 127.5)


def test_equal_videos_have_none():
    videos = draw_videos(1, seed=1, num_frames=3, size=16).repeat(4, axis=0)

    result, _ = compute_diversity(ClipArray(videos))

    assert result.value == 0.0
    assert result.protocol["num_motions"] == 4


def test_one_video_is_not_enough():
    with pytest.raises(MismatchError, match="no content has two motions"):
        compute_diversity(ClipArray(draw_videos(1, seed=2)))


def test_pictures_are_the_mean_and_the_deviation(tmp_path):
    videos = draw_videos(5, seed=3, num_frames=3, size=16)
    _, spread = compute_diversity(ClipArray(videos))

    write_pictures(spread, tmp_path / "pictures")

    mean = videos[:, -1].mean(axis=0).round().astype(np.uint8)
    np.testing.assert_array_equal(read_image(tmp_path / "pictures" / "mean.png"), mean)
    assert read_image(tmp_path / "pictures" / "std.png").max() == 255
    assert (tmp_path / "pictures" / "mean.mp4").stat().st_size > 0


def test_repeats_sample_from_seeds_that_no_other_repeat_uses(toy_motion, toy_generator):
    protocol = DiversityProtocol(num_contents=2, num_motions=3, num_frames=3, num_repeats=3)

    result, _ = compute_sampled_diversity(toy_motion, toy_generator, protocol=protocol)

    alone = [
        compute_diversity(
            sample_contents(
                toy_motion,
                toy_generator,
                protocol=DiversityProtocol(num_contents=2, num_motions=3, num_frames=3, seed=seed),
            )
        )[0]
        for seed in (0, 3, 6)
    ]
    values = [one.value for one in alone]
    assert result.details["values"] == values
    assert result.value == pytest.approx(np.mean(values))
    assert result.std == pytest.approx(np.std(values, ddof=1))
    assert result.details["contents"] == sum((one.details["contents"] for one in alone), [])
