"""Settings of `moco eval`: the protocols that published numbers depend on, field by field."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal, get_args

from mocotool.errors import ConfigError

ClipChoice = Literal["first", "random", "centre", "all"]
ResizeChoice = Literal["squash", "crop"]
InterpolationChoice = Literal["bilinear", "bilinear-tf1", "bilinear-antialias"]
CovarianceChoice = Literal["biased", "unbiased"]
ProtocolName = Literal["stylegan-v", "unterthiner", "videogpt", "paper"]
FrameChoice = Literal["all", "one"]
SideRole = Literal["real", "fake"]
CropChoice = Literal["detect", "whole"]

FEW_SAMPLES = 2048
"""Below this many samples Frechet distances are large for want of samples alone."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class VideoProtocol:
    """What an FVD or KVD depends on besides the videos and the detector."""

    preset: str = "stylegan-v"
    """The preset it began as."""
    num_frames: int = 16
    """Frames in a clip."""
    frame_stride: int = 1
    """Every which frame is taken."""
    real_clips: ClipChoice = "random"
    """Which clips of a real video: at its first frame, at a random one, at the middle, or all that
    do not overlap."""
    fake_clips: ClipChoice = "first"
    """Which clips of a generated video."""
    num_real: int | None = 2048
    """Real clips at most, drawn at random if there are more; `None` is all."""
    num_fake: int | None = 2048
    """Generated clips at most; `None` is all."""
    frame_size: int | None = None
    """Frames are made squares of this size first, antialiased, and rounded to bytes; `None` leaves
    them as they are."""
    resize: ResizeChoice = "squash"
    """How frames become the detector's square: squashed whole, or the shorter side fitted and the
    centre cut out."""
    interpolation: InterpolationChoice = "bilinear"
    """How: bilinear with half-pixel centres, TensorFlow 1's without them, or antialiased."""
    covariance: CovarianceChoice = "biased"
    """Whether covariances are divided by n (biased) or n - 1."""
    num_repeats: int = 1
    """How often everything is drawn anew; the value is the mean."""
    seed: int = 0
    """Of the random choices; repeat r draws with seed + r."""

    def __post_init__(self) -> None:
        for name in ("num_frames", "frame_stride", "num_repeats"):
            check_positive(name, getattr(self, name))
        for name in ("num_real", "num_fake", "frame_size"):
            if getattr(self, name) is not None:
                check_positive(name, getattr(self, name))
        for name, choices in (
            ("real_clips", ClipChoice),
            ("fake_clips", ClipChoice),
            ("resize", ResizeChoice),
            ("interpolation", InterpolationChoice),
            ("covariance", CovarianceChoice),
        ):
            check_choice(name, getattr(self, name), get_args(choices))
        if self.seed < 0:
            raise ConfigError(f"seed {self.seed}, expected 0 or more")

    @classmethod
    def from_preset(cls, preset: str, **overrides: Any) -> "VideoProtocol":
        """Return a preset with some fields changed; those given as `None` are left as they are.

        Raises:
            ConfigError: There is no such preset, or a value is out of range.
        """
        check_choice("protocol", preset, tuple(PRESETS))
        given = {name: value for name, value in overrides.items() if value is not None}
        return cls(**({"preset": preset} | dict(PRESETS[preset]) | given))

    @property
    def ddof(self) -> int:
        """What is taken from n before dividing a covariance."""
        return 1 if self.covariance == "unbiased" else 0

    @property
    def span(self) -> int:
        """Consecutive frames that a clip is taken from."""
        return (self.num_frames - 1) * self.frame_stride + 1


PRESETS: Mapping[str, Mapping[str, Any]] = {
    # One clip at a random place of each real video, generated ones from their first frame.
    "stylegan-v": {},
    # The authors of FVD: TensorFlow's resize, TF-GAN's distance.
    "unterthiner": {
        "real_clips": "first",
        "interpolation": "bilinear-tf1",
        "covariance": "unbiased",
    },
    "videogpt": {"real_clips": "random", "resize": "crop", "covariance": "unbiased"},
    # MoCoGAN-HD: the original TensorFlow code on frames of 128 px, ten times.
    "paper": {
        "fake_clips": "random",
        "frame_size": 128,
        "interpolation": "bilinear-tf1",
        "covariance": "unbiased",
        "num_repeats": 10,
    },
}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SampleProtocol:
    """What a comparison of single frames depends on besides the frames and the detector.

    One frame a video as a rule: KID and nearest neighbours take samples to be independent, which
    the frames of one video are not.
    """

    frames: FrameChoice = "one"
    """Which frames of a video: all, or one at random."""
    num_real: int | None = None
    """Real frames at most, drawn at random if there are more; `None` is all."""
    num_fake: int | None = 50_000
    """Generated frames at most; `None` is all."""
    frame_size: int | None = None
    """Frames are made squares of this size first, antialiased, and rounded to bytes; `None` leaves
    them as they are."""
    seed: int = 0
    """Of the random choices."""

    def __post_init__(self) -> None:
        for name in ("num_real", "num_fake", "frame_size"):
            if getattr(self, name) is not None:
                check_positive(name, getattr(self, name))
        check_choice("frames", self.frames, get_args(FrameChoice))


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class FrameProtocol(SampleProtocol):
    """What an FID depends on besides the frames and the detector."""

    frames: FrameChoice = "all"
    """Which frames of a video: all, or one at random."""
    covariance: CovarianceChoice = "unbiased"
    """Whether covariances are divided by n (biased) or n - 1."""

    def __post_init__(self) -> None:
        SampleProtocol.__post_init__(self)
        check_choice("covariance", self.covariance, get_args(CovarianceChoice))

    @property
    def ddof(self) -> int:
        """What is taken from n before dividing a covariance."""
        return 1 if self.covariance == "unbiased" else 0


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ScoreProtocol:
    """What an Inception score of videos depends on besides the videos and the detector."""

    num_clips: int | None = 10_000
    """Clips at most, drawn at random if there are more; `None` is all."""
    clips: ClipChoice = "first"
    """Which clips of a video."""
    frame_stride: int = 1
    """Every which frame is taken; the detector sees 16."""
    num_splits: int = 1
    """Parts that are scored on their own; the score is their mean."""
    seed: int = 42
    """Of the order before splitting, and of random choices."""

    def __post_init__(self) -> None:
        for name in ("num_splits", "frame_stride"):
            check_positive(name, getattr(self, name))
        if self.num_clips is not None:
            check_positive("num_clips", self.num_clips)
        check_choice("clips", self.clips, get_args(ClipChoice))


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class FaceProtocol:
    """What an average content distance depends on besides the videos and the detector."""

    num_videos: int | None = 256
    """Videos at most, drawn at random if there are more; `None` is all."""
    num_frames: int | None = 16
    """Frames of a video, from its first; `None` is all."""
    frame_stride: int = 1
    """Every which frame is taken."""
    crop: CropChoice = "detect"
    """Whether faces are looked for, or the whole frame is taken as one."""
    seed: int = 0
    """Of the random choices."""

    def __post_init__(self) -> None:
        check_positive("frame_stride", self.frame_stride)
        for name in ("num_videos", "num_frames"):
            if getattr(self, name) is not None:
                check_positive(name, getattr(self, name))
        check_choice("crop", self.crop, get_args(CropChoice))


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class DiversityProtocol:
    """What the per-pixel diversity of Appendix D depends on besides the models."""

    num_contents: int = 50
    """First latents it is averaged over."""
    num_motions: int = 100
    """Motion seeds for each of them."""
    num_frames: int = 16
    """Frames of a video; the last one is measured."""
    seed: int = 0
    """Where content and motion seeds begin."""

    def __post_init__(self) -> None:
        check_positive("num_contents", self.num_contents)
        for name in ("num_motions", "num_frames"):
            if getattr(self, name) < 2:
                raise ConfigError(f"{name} {getattr(self, name)}, expected 2 at least")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class PairProtocol:
    """What PSNR and SSIM depend on besides the two videos."""

    data_range: float = 255.0
    """Largest minus smallest possible value; frames are bytes."""
    window_size: int = 11
    """SSIM: width of the window in pixels."""
    window_sigma: float = 1.5
    """SSIM: standard deviation of its Gaussian in pixels."""
    k1: float = 0.01
    """SSIM: steadies the luminance term."""
    k2: float = 0.03
    """SSIM: steadies the contrast term."""

    def __post_init__(self) -> None:
        if self.window_size < 3 or self.window_size % 2 == 0:
            raise ConfigError(f"a window of {self.window_size} pixels, expected an odd number")
        if not (self.data_range > 0 and self.window_sigma > 0):
            raise ConfigError("the data range and the window's sigma must be positive")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ExtractionConfig:
    """How features are computed; changes speed and memory, results by rounding only."""

    batch_size: int | None = None
    """Clips or frames at once; `None` chooses by device."""
    num_readers: int = 2
    """Threads that decode ahead."""
    use_cache: bool = True
    """Whether features are kept in the cache folder, by content."""
    shard: tuple[int, int] = (0, 1)
    """(i, n): only every n-th clip from the i-th on, for statistics to merge later."""

    def __post_init__(self) -> None:
        if self.batch_size is not None:
            check_positive("batch_size", self.batch_size)
        check_positive("num_readers", self.num_readers)
        index, count = self.shard
        if not 0 <= index < count:
            raise ConfigError(
                f"shard {index}/{count}: expected a number from 0 to {count - 1} before the slash"
            )


def check_positive(name: str, value: float) -> None:
    """Check that a count is 1 at least.

    Raises:
        ConfigError: It is not.
    """
    if value < 1:
        raise ConfigError(
            f"{name.replace('_', ' ')} {value}, expected 1 at least",
            hint=f"--{name.replace('_', '-')}",
        )


def check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    """Check that a value is one of those there are.

    Raises:
        ConfigError: It is not.
    """
    if value not in choices:
        raise ConfigError(f"{name.replace('_', ' ')} {value!r}, expected {', '.join(choices)}")


def parse_shard(text: str) -> tuple[int, int]:
    """Turn "0/4" into (0, 4).

    Raises:
        ConfigError: It is something else.
    """
    index, slash, count = text.partition("/")
    if not (slash and index.isdecimal() and count.isdecimal()):
        raise ConfigError(f"--shard {text}: expected I/N such as 0/4")
    return int(index), int(count)
