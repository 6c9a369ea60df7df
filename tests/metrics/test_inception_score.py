"""The Inception score of distributions one can score by hand."""

from typing import ClassVar

import numpy as np
import pytest
import torch
from clip_array import ClipArray
from toy_videos import ToyDetector, draw_videos

from mocotool.configs.evaluate import ExtractionConfig, ScoreProtocol
from mocotool.errors import ConfigError
from mocotool.metrics.extraction import FeatureExtractor
from mocotool.metrics.inception_score import compute_is, inception_score


def test_sure_and_even_classes_score_their_number():
    mean, std = inception_score(np.eye(5).repeat(20, axis=0))

    assert mean == pytest.approx(5.0, rel=1e-12)
    assert std == 0.0


def test_one_class_for_all_scores_one():
    probabilities = np.zeros((50, 4))
    probabilities[:, 2] = 1.0

    assert inception_score(probabilities)[0] == pytest.approx(1.0)


def test_unsure_about_all_scores_one():
    assert inception_score(np.full((50, 4), 0.25))[0] == pytest.approx(1.0)


def test_more_parts_make_it_smaller():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.full(20, 0.1), 200)

    scores = [inception_score(probabilities, num_splits=k)[0] for k in (1, 10, 40)]

    assert scores == sorted(scores, reverse=True)


def test_it_agrees_with_the_definition():
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.ones(6), 30)
    divergences = [(row * np.log(row / p.mean(axis=0))).sum() for row in p]

    assert inception_score(p)[0] == pytest.approx(np.exp(np.mean(divergences)), rel=1e-12)


def test_fewer_samples_than_parts_are_an_error():
    with pytest.raises(ConfigError, match="3 clips cannot be scored in 10 parts"):
        inception_score(np.eye(3), num_splits=10)


class BrightnessClassifier(ToyDetector):
    """Gives each of two classes the probability that the clip's mean brightness says."""

    sizes: ClassVar[set] = set()

    def prepare(self, frames_u8):
        self.sizes.add(tuple(frames_u8.shape[1:3]))
        bright = frames_u8.float().mean() / 255
        return torch.stack([bright, 1 - bright])[None]


def test_frames_are_made_one_size_first():
    videos = ClipArray(draw_videos(6, seed=0, num_frames=16), name="v")
    detector = BrightnessClassifier()
    protocol = ScoreProtocol(frame_size=16)

    result = compute_is(
        videos, protocol=protocol, detector=detector,
        extractor=FeatureExtractor(config=ExtractionConfig(use_cache=False)),
    )  # fmt: skip

    assert detector.sizes == {(16, 16)}
    assert 1.0 <= result.value <= 2.0
    assert result.protocol["frame_size"] == 16
