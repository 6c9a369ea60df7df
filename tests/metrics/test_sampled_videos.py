"""A motion model as the generated side: sampled as `moco sample` does, anew for each repeat."""

import dataclasses

import numpy as np
import pytest
from clip_array import ClipArray
from toy_videos import ToyDetector, draw_videos

from mocotool.configs.evaluate import (
    ExtractionConfig,
    FaceProtocol,
    FrameProtocol,
    SampleProtocol,
    VideoProtocol,
)
from mocotool.configs.render import RenderConfig
from mocotool.configs.sample import MAX_SEED, SampleConfig
from mocotool.errors import ConfigError
from mocotool.metrics import sampled_videos
from mocotool.metrics.compared_sides import ComparedSides
from mocotool.metrics.detectors import DetectorRecord, MotionDetector
from mocotool.metrics.distances import compute_fvd
from mocotool.metrics.extraction import FeatureExtractor
from mocotool.metrics.face_distance import compute_acd
from mocotool.metrics.faces import FaceVectors
from mocotool.metrics.measuring import draw_side
from mocotool.metrics.sampled_videos import SampledMotion, SampledVideos
from mocotool.metrics.sides import open_side, require_videos
from mocotool.metrics.sources import RenderedLatents
from mocotool.trajectory import sample_trajectory

EXTRACTOR = FeatureExtractor(config=ExtractionConfig(use_cache=False))
CLIPS = VideoProtocol(num_frames=5, real_clips="first")


@pytest.fixture
def side(toy_motion, toy_generator):
    return SampledMotion(motion=toy_motion, generator=toy_generator, name="toy")


def sample(side, *, seed, num_videos, num_frames=8):
    config = SampleConfig(seed=seed, num_videos=num_videos, num_frames=num_frames)
    trajectory = sample_trajectory(side.motion, side.generator, config=config)
    return RenderedLatents(trajectory, side.generator)


def test_videos_are_those_that_sampling_draws_whatever_the_blocks(side, monkeypatch):
    monkeypatch.setattr(sampled_videos, "BLOCK_SIZE", 2)
    videos = side.draw(3, num_videos=5, num_frames=8)

    expected = sample(side, seed=15, num_videos=5)

    for video_idx in (4, 0, 3):
        np.testing.assert_array_equal(
            videos.read_clip(video_idx, [0, 2, 7]), expected.read_clip(video_idx, [0, 2, 7])
        )


def test_each_repeat_samples_from_seeds_of_its_own(side):
    real = ClipArray(draw_videos(6, seed=0, num_frames=8))
    arguments = {"detector": MotionDetector(), "extractor": EXTRACTOR}

    result = compute_fvd(
        real, side, protocol=dataclasses.replace(CLIPS, num_repeats=2), **arguments
    )

    alone = [
        compute_fvd(real, sample(side, seed=seed, num_videos=6), protocol=CLIPS, **arguments).value
        for seed in (0, 6)
    ]
    assert result.details["values"] == pytest.approx(alone, rel=1e-9)
    assert alone[0] != alone[1]
    assert result.std == pytest.approx(np.std(alone, ddof=1))
    assert result.inputs["fake"]["sampling"]["seeds"] == [0, 5]
    assert result.inputs["fake"]["num_videos"] == 6


@pytest.mark.parametrize(
    ("protocol", "detector", "num_real", "num_videos", "num_frames"),
    [
        (VideoProtocol(num_frames=20), MotionDetector(), 9, 9, 20),
        (VideoProtocol(num_frames=5, fake_stride=3), MotionDetector(), 9, 9, 13),
        (VideoProtocol(num_frames=5, num_fake=4), MotionDetector(), 9, 4, 8),
        (VideoProtocol(num_frames=5, fake_clips="all"), MotionDetector(), None, 2048, 8),
        (VideoProtocol(num_frames=2, fake_clips="all"), ToyDetector(), 9, 3, 8),
        (FrameProtocol(), ToyDetector(), 17, 3, 8),
        (SampleProtocol(num_fake=5), ToyDetector(), 17, 5, 8),
    ],
)
def test_as_many_videos_are_sampled_as_are_compared(
    protocol, detector, num_real, num_videos, num_frames, side, monkeypatch
):
    if isinstance(protocol, SampleProtocol):
        detector.min_frames = 1  # of frames
    monkeypatch.setattr(side.motion, "num_frames", 8)

    videos = draw_side(side, "fake", protocol=protocol, detector=detector, num_samples=num_real)

    assert videos.num_frames.tolist() == [num_frames] * num_videos


def test_the_number_that_is_said_wins(side):
    many = dataclasses.replace(side, num_videos=7)

    videos = draw_side(many, "fake", protocol=CLIPS, detector=MotionDetector(), num_samples=3)

    assert videos.seeds == range(7)


def test_pixel_noise_is_that_of_the_seed(side):
    noisy = RenderConfig(noise="random")
    pair = [
        SampledVideos(
            side.motion,
            side.generator,
            first_seed=first,
            num_videos=5,
            num_frames=3,
            config=noisy,
        )
        for first in (0, 2)
    ]

    one, same = pair[0].read_clip(4, [1]), pair[1].read_clip(2, [1])

    np.testing.assert_array_equal(one, same)


def test_the_fingerprint_is_of_the_seeds_and_the_model(side):
    marks = [
        side.draw(0, num_videos=4).fingerprint([0, 1]),
        side.draw(0, num_videos=9).fingerprint([0, 1]),
        side.draw(1, num_videos=1).fingerprint([0]),
        side.draw(0, num_videos=2).fingerprint([1]),
    ]
    assert marks[0] == marks[1]
    assert marks[2] == marks[3]
    assert marks[0] != marks[2]


def test_content_distance_samples_as_many_videos_as_the_protocol_says(side):
    class FirstPixel:
        record = DetectorRecord(name="toy")
        crop = "whole"

        def embed(self, frames_u8):
            vectors = frames_u8[:, 0, 0].astype(np.float32)
            return FaceVectors(vectors, np.ones(len(vectors), bool))

    protocol = FaceProtocol(num_videos=3, num_frames=4, num_repeats=2)

    result = compute_acd(side, protocol=protocol, embedder=FirstPixel(), extractor=EXTRACTOR)

    alone = [
        compute_acd(
            sample(side, seed=seed, num_videos=3),
            protocol=FaceProtocol(num_videos=3, num_frames=4),
            embedder=FirstPixel(),
            extractor=EXTRACTOR,
        ).value
        for seed in (0, 3)
    ]
    assert result.details["values"] == pytest.approx(alone)


def test_the_real_side_is_no_motion_model(side):
    with pytest.raises(ConfigError, match="toy: a motion model, expected real videos"):
        ComparedSides.measure(side, side, CLIPS, MotionDetector(), EXTRACTOR)


def test_what_cannot_be_drawn_is_refused(side, monkeypatch):
    with pytest.raises(ConfigError, match="expected numbers up to"):
        side.draw(MAX_SEED, num_videos=2)
    monkeypatch.setattr(side.generator, "c_dim", 3)
    with pytest.raises(ConfigError, match="has classes"):
        side.draw(0, num_videos=2)


def test_where_videos_are_needed_a_motion_model_says_how_to_have_them(
    toy_motion_path, toy_generator_path
):
    opened = open_side(toy_motion_path, generator=toy_generator_path, num_videos=4)

    assert opened.num_videos == 4
    with pytest.raises(Exception, match="a motion model, expected videos") as caught:
        require_videos(opened)
    assert "moco sample" in caught.value.hint
