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
    """What a comparison of samples depends on, be they single frames or, by their motion, clips."""

    num_frames: Annotated[int, _OfClips("Frames in a clip.", min=1)] = 16
    real_stride: Annotated[int, _OfClips("Take every n-th frame of real videos.", min=1)] = 1
    fake_stride: Annotated[int, _OfClips("The same of generated videos.", min=1)] = 1

    def to_clips(self) -> VideoProtocol:
        """Return the same for clips: one at a random place of each video."""
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
    """What a test whether two sides can be told apart depends on."""

    classifier: Annotated[
        Classifier,
        Option("Who tells them apart: each sample's nearest neighbour, or logistic regression."),
    ] = "nearest"
    num_folds: Annotated[
        int, Option("Parts that logistic regression learns without, and is asked about.", min=2)
    ] = 5


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ManifoldProtocol(FeatureProtocol):
    """What precision and recall depend on besides the videos and the detector."""

    num_neighbours: Annotated[
        int, Option("A sample's ball reaches to its k-th nearest neighbour.", min=1)
    ] = 5
