"""The Inception score of videos, by the class probabilities of C3D."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from mocotool.configs.evaluate import FEW_SAMPLES, ScoreProtocol
from mocotool.downloads import find_weights
from mocotool.errors import ConfigError
from mocotool.layouts import to_channels_first, to_unit_range
from mocotool.metrics.detectors import Detector, DetectorRecord, ModuleDetector, record_weights
from mocotool.metrics.extraction import FeatureExtractor
from mocotool.metrics.measuring import (
    describe_detector,
    measure_side,
    require_features,
)
from mocotool.metrics.repeats import repeat_draws
from mocotool.metrics.results import MetricResult
from mocotool.metrics.sampled_videos import SampledMotion
from mocotool.metrics.sources import VideoSource
from mocotool.networks.c3d import INPUT_SIZE, NUM_FRAMES, load_c3d


class C3DDetector(ModuleDetector):
    """C3D's class probabilities of clips of 16 frames.

    Args:
        module: The network, from [n, 3, 16, 112, 112] to [n, 101].
        record: Name and origin.
    """

    min_frames = NUM_FRAMES
    batch_size = 4

    def __init__(self, module: torch.nn.Module, *, record: DetectorRecord) -> None:
        super().__init__(module)
        self.record = record

    def prepare(self, frames_u8: Tensor) -> Tensor:
        """Turn a clip, uint8 [16, h, w, 3], into float32 [1, 3, 16, 112, 112] in [-1, 1]."""
        frames = to_unit_range(to_channels_first(frames_u8))  # [t, 3, h, w]
        # Chainer's resize puts the corners on the corners.
        size = (INPUT_SIZE, INPUT_SIZE)
        resized = F.interpolate(frames, size, mode="bilinear", align_corners=True)
        return resized.transpose(0, 1)[None]

    def extract(self, batch: Tensor) -> Tensor:
        """Return class probabilities, [n, 101]."""
        probabilities: Tensor = self.module(batch)
        return probabilities

    def settings(self) -> dict[str, Any]:
        """Return nothing: preprocessing is fixed by the network."""
        return {}


def load_score_detector(
    weights: Path | str | None = None,
    *,
    mean: Path | str | None = None,
    warn: Callable[[str], None] | None = None,
) -> Detector:
    """Load C3D from the two files of TGANv2.

    Args:
        weights: `conv3d_deepnetA_ucf.npz`; `None` for the one in the cache.
        mean: `mean2.npz`; `None` for the one in the cache.
        warn: Called if a file is not the trusted one.

    Raises:
        FileFormatError: A file holds something else.
        UnavailableError: The weights are not in the cache.
    """
    path = find_weights("c3d", file=weights)
    network = load_c3d(path, find_weights("c3d-mean", file=mean))
    return C3DDetector(network, record=record_weights("c3d", path, warn=warn))


def inception_score(
    probabilities: npt.NDArray[Any], *, num_splits: int = 1, seed: int = 42
) -> tuple[float, float]:
    """Compute exp of the mean KL divergence between conditional and marginal class distributions.

    Args:
        probabilities: Class probabilities [n, k]; rows sum to 1.
        num_splits: Number of random parts that are scored separately; more parts lower the score.
        seed: Seed of the shuffle.

    Returns:
        Mean and standard deviation over the parts, between 1 and k.

    Raises:
        ConfigError: There are fewer samples than parts.

    Source:
        Paper: Salimans et al., "Improved techniques for training GANs", 2016; Saito et al., 2017,
        for videos.
    """
    n = len(probabilities)
    if n < num_splits:
        raise ConfigError(f"{n} clips cannot be scored in {num_splits} parts")
    order = np.random.RandomState(seed).permutation(n)
    scores = []
    for part in np.array_split(probabilities.astype(np.float64)[order], num_splits):
        marginal = part.mean(axis=0, keepdims=True)
        # p log p is 0 for p = 0: the tiny number only avoids log(0)
        tiny = np.finfo(np.float64).tiny
        divergence = part * (np.log(part + tiny) - np.log(marginal + tiny))
        scores.append(float(np.exp(divergence.sum(axis=1).mean())))
    return float(np.mean(scores)), float(np.std(scores))


def compute_is(
    videos: VideoSource | SampledMotion,
    *,
    protocol: ScoreProtocol | None = None,
    detector: Detector,
    extractor: FeatureExtractor | None = None,
) -> MetricResult:
    """Compute the Inception score of videos under C3D.

    Args:
        videos: Videos to score; from a motion model the protocol's number of clips is sampled,
            with new seeds for each repeat.
        protocol: Clips and parts; `None` for 10,000 clips in one part.
        detector: See `load_score_detector`.
        extractor: Device, batches, cache and progress.

    Returns:
        The score, called "IS" if the detector is the trusted one.

    Raises:
        FileFormatError: No video has 16 frames, or one cannot be measured.
    """
    return repeat_draws(
        ScoreProtocol() if protocol is None else protocol,
        lambda drawn: _measure_is(videos, drawn, detector, extractor or FeatureExtractor()),
    )


def _measure_is(
    videos: VideoSource | SampledMotion,
    protocol: ScoreProtocol,
    detector: Detector,
    extractor: FeatureExtractor,
) -> MetricResult:
    measured = measure_side(
        videos, "fake", protocol=protocol, detector=detector, extractor=extractor
    )
    stats = measured.stats

    mean, std = inception_score(
        require_features(stats, videos.name), num_splits=protocol.num_splits, seed=protocol.seed
    )

    few = stats.num_samples < FEW_SAMPLES
    return MetricResult(
        metric=detector.record.name_metric("IS", general="inception score"),
        value=mean,
        std=std if protocol.num_splits > 1 else None,
        protocol={"num_frames": NUM_FRAMES} | dataclasses.asdict(protocol),
        detector=describe_detector(detector, stats.feature_dim),
        inputs={"videos": measured.report},
        device=str(extractor.device),
        warnings=(
            f"{stats.num_samples:,} clips: the score grows with their number, "
            "compare at equal counts only",
        )
        if few
        else (),
    )
