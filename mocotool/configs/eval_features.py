"""Settings of `moco eval precision-recall` and `two-sample`: frames or clips, and how many."""

import dataclasses
import functools
from typing import Annotated, Literal

from mocotool.configs.evaluate import SampleProtocol, VideoProtocol
from mocotool.configs.option import Option

Classifier = Literal["nearest", "logistic"]

_OfClips = functools.partial(Option, panel="Clips, for video detectors")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class FeatureProtocol(SampleProtocol):
    """Protocol of a comparison of samples: single frames, or clips by their motion."""

    num_frames: Annotated[int, _OfClips("Frames in a clip.", min=1)] = 16
    real_stride: Annotated[int, _OfClips("Take every n-th frame of real videos.", min=1)] = 1
    fake_stride: Annotated[int, _OfClips("The same of generated videos.", min=1)] = 1

    def to_clips(self) -> VideoProtocol:
        """Return the protocol for clips: one at a random position of each video."""
        return VideoProtocol(
            num_frames=self.num_frames,
            real_stride=self.real_stride,
            fake_stride=self.fake_stride,
            real_clips="random",
            fake_clips="random",
            num_real=self.num_real,
            num_fake=self.num_fake,
            frame_size=self.frame_size,
            seed=self.seed,
        )


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TwoSampleProtocol(FeatureProtocol):
    """Protocol of a classifier two-sample test."""

    classifier: Annotated[
        Classifier,
        Option("Classifier: nearest neighbour or logistic regression."),
    ] = "nearest"
    num_folds: Annotated[int, Option("Cross-validation folds of logistic regression.", min=2)] = 5


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ManifoldProtocol(FeatureProtocol):
    """Protocol of precision and recall."""

    num_neighbours: Annotated[
        int, Option("k: a sample's ball reaches to its k-th nearest neighbour.", min=1)
    ] = 5
