"""The distance between motion in training and held-out clips: a small `moco eval motion`."""

import torch

from mocotool.configs.sample import SampleConfig
from mocotool.errors import MismatchError
from mocotool.generators.base import Generator
from mocotool.metrics.frechet import frechet_distance
from mocotool.metrics.motion_figures import NO_CHANGE, compare_places, measure_identity
from mocotool.metrics.motion_sample import MotionSample, sample_motion
from mocotool.metrics.sources import RenderedLatents, VideoSource
from mocotool.metrics.statistics import FeatureStats
from mocotool.motion.generator import MotionGenerator
from mocotool.trajectory import sample_trajectory

NUM_WALKS = 32
NUM_REAL = 64  # clips at most, from several places of few videos
LONG_WALK = 4  # in clip lengths; identity must be kept this long
FIRST_SEED = 900_000  # offset of content and motion seeds, away from those that users choose


class HeldOutMotion:
    """The metrics of a few sampled walks against real clips, in seconds at every save.

    Args:
        real: The real videos.
        generator: Renders the walks.
        num_frames: Frames per clip, at least 5.
        stride: Take every n-th frame of the real videos.
        seed: Seed of the positions in them, which are the same at every call.

    Raises:
        FileFormatError: All videos are too short, or one cannot be decoded.
        MismatchError: There are fewer than two videos.
    """

    def __init__(
        self,
        real: VideoSource,
        generator: Generator,
        *,
        num_frames: int,
        stride: int = 1,
        seed: int = 0,
    ) -> None:
        self._generator, self._num_frames = generator, num_frames
        span = (num_frames - 1) * stride + 1
        num_long_enough = int((real.num_frames >= span).sum())
        if num_long_enough < 2:
            raise MismatchError(
                f"{real.name}: {num_long_enough} clip of {span} frames, expected at least 2"
            )
        rounds = max(1, NUM_REAL // num_long_enough)
        self._real = [
            sample_motion(
                real,
                num_frames=num_frames,
                stride=stride,
                count=NUM_REAL,
                seed=seed + place,
                anywhere=True,
                movement=False,
            )
            for place in range(rounds)
        ]
        features = torch.cat([sample.features for sample in self._real])
        self._statistics = FeatureStats.from_features(features.numpy())
        self._step = float(torch.cat([sample.steps for sample in self._real]).mean())

    @torch.inference_mode()
    def __call__(self, motion: MotionGenerator) -> dict[str, float]:
        """Measure a motion model on sampled contents.

        Returns:
            "distance", "liveliness", "where_gain", "identity", "own" and the same after four times
            the clip length, as in `moco eval motion`; and "held_out", the distance divided by
            "own", which penalises loss of identity.
        """
        sample = self._walk(motion)
        distance = frechet_distance(
            self._statistics, FeatureStats.from_features(sample.features.numpy())
        )
        figures = {
            "distance": distance,
            "liveliness": float(sample.steps.mean()) / max(self._step, NO_CHANGE),
            "where_gain": compare_places(self._real[0], sample),
            **measure_identity(sample),
        }
        return {"held_out": distance / max(figures["own"], 1 / NUM_WALKS)} | figures

    def _walk(self, motion: MotionGenerator) -> MotionSample:
        seeds = tuple(range(FIRST_SEED, FIRST_SEED + NUM_WALKS))
        num_classes = self._generator.c_dim
        labels = tuple(i % num_classes for i in range(NUM_WALKS)) if num_classes else None
        longest = LONG_WALK * self._num_frames
        config = SampleConfig(seeds=seeds, motion_seeds=seeds, num_frames=longest, labels=labels)
        walks = sample_trajectory(motion, self._generator, config=config)
        return sample_motion(
            RenderedLatents(walks, self._generator, name="walks"),
            num_frames=self._num_frames,
            lengths=(self._num_frames, longest),
            movement=False,
        )
