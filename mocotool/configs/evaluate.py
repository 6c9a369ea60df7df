"""Settings of `moco eval`: the protocols that published numbers depend on, field by field."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from mocotool.configs.option import Option, Seed, check_options, list_choices
from mocotool.configs.shard import WHOLE, Shard, check_shard
from mocotool.errors import ConfigError

ClipChoice = Literal["first", "random", "centre", "all"]
ResizeChoice = Literal["squash", "crop"]
InterpolationChoice = Literal["bilinear", "bilinear-tf1", "bilinear-antialias"]
CovarianceChoice = Literal["biased", "unbiased"]
PixelsChoice = Literal["signed", "unit", "imagenet"]
KernelChoice = Literal["cubic", "jedi"]
ProtocolName = Literal[
    "stylegan-v",
    "unterthiner",
    "videogpt",
    "paper",
    "paper-ucf101",
    "fvd2048_16f",
    "fvd2048_128f",
    "fvd2048_128f_subsample8f",
    "cd-fvd",
    "jedi",
]
FrameProtocolName = Literal["fid", "fid50k_full"]
ScoreProtocolName = Literal["tganv2", "isv2048_ucf", "is2048_ucf"]
FrameChoice = Literal["all", "one"]
SideRole = Literal["real", "fake"]
ROLES: tuple[SideRole, SideRole] = ("real", "fake")
CropChoice = Literal["detect", "whole"]

_ByPreset = functools.partial(Option, panel="Protocol", shown="the protocol's")

FrameStride = Annotated[int, Option("Take every n-th frame.", min=1)]

Repeats = Annotated[
    int,
    Option(
        "Number of repeats with new draws (repeat r uses seed + r); the mean is reported.", min=1
    ),
]

FEW_SAMPLES = 2048
"""Below this many samples Frechet distances are large for want of samples alone."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class VideoProtocol:
    """What an FVD or KVD depends on besides the videos and the detector."""

    preset: Annotated[
        ProtocolName,
        Option("Preset that all options below start from.", name="protocol", panel="Protocol"),
    ] = "stylegan-v"
    num_frames: Annotated[int, _ByPreset("Frames in a clip.", min=1)] = 16
    frame_stride: Annotated[int, _ByPreset("Take every n-th frame.", min=1)] = 1
    real_stride: Annotated[
        int | None,
        Option(
            "The same for real videos alone, as for motion learnt from every n-th frame.",
            min=1,
            panel="Protocol",
            shown="--frame-stride",
        ),
    ] = None
    fake_stride: Annotated[
        int | None,
        Option(
            "The same for generated videos alone.",
            min=1,
            panel="Protocol",
            shown="--frame-stride",
        ),
    ] = None
    real_clips: Annotated[
        ClipChoice,
        _ByPreset(
            "Which clips of a real video: one at its first frame, at a random one, in the middle, "
            "or all that do not overlap."
        ),
    ] = "random"
    fake_clips: Annotated[ClipChoice, _ByPreset("Which clips of a generated video.")] = "first"
    num_real: Annotated[
        int | None, _ByPreset("Most real samples to use, drawn at random.", min=1)
    ] = 2048
    num_fake: Annotated[
        int | None, _ByPreset("Most generated samples to use, drawn at random.", min=1)
    ] = 2048
    frame_size: Annotated[
        int | None, _ByPreset("Make frames squares of this size first, antialiased.", min=1)
    ] = None
    resize: Annotated[
        ResizeChoice,
        _ByPreset(
            "How frames become the detector's square: squashed whole, or the centre cut out."
        ),
    ] = "squash"
    interpolation: Annotated[InterpolationChoice, _ByPreset("How pixels are interpolated.")] = (
        "bilinear"
    )
    pixels: Annotated[
        PixelsChoice,
        _ByPreset(
            "What a torchscript: program takes: [-1, 1], [0, 1], or [0, 1] less ImageNet's mean, "
            "over its deviation."
        ),
    ] = "signed"
    covariance: Annotated[
        CovarianceChoice, _ByPreset("Divide covariances by n (biased) or n - 1.")
    ] = "biased"
    kernel: Annotated[
        KernelChoice,
        _ByPreset("Kernel of KVD: cubic, unbiased; or x.y/d squared, biased, times 100."),
    ] = "cubic"
    num_repeats: Annotated[
        int, _ByPreset("Number of repeats with new draws; the mean is reported.", min=1)
    ] = 1
    seed: Annotated[
        int, _ByPreset("Seed of the random choices; repeat r draws with seed + r.", min=0)
    ] = 0

    def __post_init__(self) -> None:
        check_options(self)

    @classmethod
    def from_options(cls, *, preset: str = "stylegan-v", **overrides: Any) -> "VideoProtocol":
        """Return what was typed over its preset."""
        return cls.from_preset(preset, **overrides)

    @classmethod
    def from_preset(cls, preset: str, **overrides: Any) -> "VideoProtocol":
        """Return a preset with some fields changed; those given as `None` are left as they are.

        Raises:
            ConfigError: There is no such preset, or a value is out of range.
        """
        given = {name: value for name, value in overrides.items() if value is not None}
        return cls(**(_start_from(preset, PRESETS) | given))

    @property
    def ddof(self) -> int:
        """Delta degrees of freedom: a covariance divides by n - ddof."""
        return 1 if self.covariance == "unbiased" else 0

    def stride_of(self, role: SideRole) -> int:
        """Return the frame stride of a side's videos."""
        return (self.real_stride if role == "real" else self.fake_stride) or self.frame_stride


def _start_from(preset: str, presets: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the settings of a preset.

    Raises:
        ConfigError: There is no such preset.
    """
    if preset not in presets:
        raise ConfigError(f"protocol {preset!r}: expected {list_choices(tuple(presets))}")
    return {"preset": preset} | dict(presets[preset])


# MoCoGAN-HD: the original TensorFlow code on all real videos, ten times.
_PAPER = {
    "fake_clips": "random",
    "num_real": None,
    "interpolation": "bilinear-tf1",
    "covariance": "unbiased",
    "num_repeats": 10,
}

FRAME_PRESETS: Mapping[str, Mapping[str, Any]] = {
    "fid": {},
    # All real frames, 50,000 generated ones, covariances by n, as NVIDIA's programs have it.
    "fid50k_full": {"covariance": "biased"},
}
"""Source: metrics/metric_main.py of stylegan2-ada-pytorch and of StyleGAN-V."""

_ISV2048 = {"num_clips": 2048, "num_splits": 10}
SCORE_PRESETS: Mapping[str, Mapping[str, Any]] = {
    "tganv2": {},
    "isv2048_ucf": _ISV2048,
    "is2048_ucf": _ISV2048,  # the same, as it is quoted
}
"""Source: TGANv2; src/metrics/metric_main.py of StyleGAN-V."""

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
    "paper": _PAPER,
    "paper-ucf101": _PAPER | {"frame_size": 128},
    # StyleGAN-V's own names for its metrics, as tables have them.
    "fvd2048_16f": {},
    "fvd2048_128f": {"num_frames": 128},
    "fvd2048_128f_subsample8f": {"frame_stride": 8},
    # Content-debiased FVD: cdfvd/fvd.py and third_party/VideoMAEv2/utils.py there.
    "cd-fvd": {"fake_clips": "random", "num_real": None, "pixels": "unit"},
    # videojedi/JEDi.py, V_JEPA.py and mmd_polynomial.py.
    "jedi": {
        "fake_clips": "random",
        "num_real": 5000,
        "num_fake": 5000,
        "pixels": "imagenet",
        "kernel": "jedi",
    },
}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SampleProtocol:
    """What a comparison of single frames depends on besides the frames and the detector.

    One frame per video as a rule: KID and nearest neighbours take samples to be independent, which
    the frames of one video are not.
    """

    frames: Annotated[
        FrameChoice, Option("One frame of a video at random, or all, which depend.")
    ] = "one"
    num_real: Annotated[
        int | None, Option("Most real frames to use, drawn at random.", min=1, shown="all")
    ] = None
    num_fake: Annotated[
        int | None, Option("Most generated frames to use, drawn at random.", min=1)
    ] = 50_000
    frame_size: Annotated[
        int | None,
        Option("Make frames squares of this size first, antialiased.", min=1, shown="as they are"),
    ] = None
    num_repeats: Repeats = 1
    seed: Seed = 0

    def __post_init__(self) -> None:
        check_options(self)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class FrameProtocol(SampleProtocol):
    """What an FID depends on besides the frames and the detector."""

    preset: Annotated[
        FrameProtocolName, Option("Preset that the options start from.", name="protocol")
    ] = "fid"
    frames: Annotated[FrameChoice, Option("All frames of a video, or one at random.")] = "all"
    covariance: Annotated[
        CovarianceChoice, Option("Divide covariances by n (biased) or n - 1.")
    ] = "unbiased"

    @classmethod
    def from_options(cls, *, preset: str = "fid", **overrides: Any) -> "FrameProtocol":
        """Return what was typed over its preset.

        Raises:
            ConfigError: There is no such preset, or a value is out of range.
        """
        return cls(**(_start_from(preset, FRAME_PRESETS) | overrides))

    @property
    def ddof(self) -> int:
        """Delta degrees of freedom: a covariance divides by n - ddof."""
        return 1 if self.covariance == "unbiased" else 0


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ScoreProtocol:
    """What an Inception score of videos depends on besides the videos and the detector."""

    preset: Annotated[
        ScoreProtocolName, Option("Preset that the options start from.", name="protocol")
    ] = "tganv2"
    num_clips: Annotated[int | None, Option("Most clips to use, drawn at random.", min=1)] = 10_000
    clips: Annotated[ClipChoice, Option("Which clips of a video.")] = "first"
    frame_stride: FrameStride = 1
    frame_size: Annotated[
        int | None,
        Option("Make frames squares of this size first, antialiased.", min=1, shown="as they are"),
    ] = None
    num_splits: Annotated[
        int, Option("Parts scored on their own; 1 for TGANv2, 10 for StyleGAN-V.", min=1)
    ] = 1
    num_repeats: Repeats = 1
    seed: Seed = 42

    @classmethod
    def from_options(cls, *, preset: str = "tganv2", **overrides: Any) -> "ScoreProtocol":
        """Return what was typed over its preset.

        Raises:
            ConfigError: There is no such preset, or a value is out of range.
        """
        return cls(**(_start_from(preset, SCORE_PRESETS) | overrides))

    def __post_init__(self) -> None:
        check_options(self)

    def to_clips(self, *, num_frames: int) -> VideoProtocol:
        """Return the same for clips of the length that its detector takes."""
        return VideoProtocol(
            num_frames=num_frames,
            frame_stride=self.frame_stride,
            real_clips=self.clips,
            fake_clips=self.clips,
            num_real=self.num_clips,
            num_fake=self.num_clips,
            frame_size=self.frame_size,
            seed=self.seed,
        )


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class FaceProtocol:
    """What an average content distance depends on besides the videos and the detector."""

    crop: Annotated[CropChoice, Option("Look for faces (with dlib), or take frames whole.")] = (
        "detect"
    )
    num_videos: Annotated[int | None, Option("Most videos to use, drawn at random.", min=1)] = 256
    num_frames: Annotated[int | None, Option("Frames of a video, from its first.", min=1)] = 16
    frame_stride: FrameStride = 1
    num_repeats: Repeats = 1
    seed: Seed = 0

    def __post_init__(self) -> None:
        check_options(self)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class DiversityProtocol:
    """What the per-pixel diversity of Appendix D depends on besides the models."""

    num_contents: Annotated[int, Option("First latents to sample.", min=1)] = 50
    num_motions: Annotated[int, Option("Motion seeds for each of them.", min=2)] = 100
    num_frames: Annotated[
        int, Option("Frames of a sampled video; the last one is measured.", min=2)
    ] = 16
    num_repeats: Annotated[
        int, Option("Sample this often, from other seeds each time; the mean counts.", min=1)
    ] = 1
    seed: Seed = 0

    def __post_init__(self) -> None:
        check_options(self)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class PairProtocol:
    """What PSNR and SSIM depend on besides the two videos."""

    data_range: Annotated[float, Option("Largest minus smallest possible value.", above=0)] = 255.0
    window_size: Annotated[
        int, Option("Width of SSIM's Gaussian window in pixels, an odd number.", min=3)
    ] = 11
    window_sigma: Annotated[float, Option("Its standard deviation in pixels.", above=0)] = 1.5
    k1: float = 0.01
    """SSIM: steadies the luminance term."""
    k2: float = 0.03
    """SSIM: steadies the contrast term."""

    def __post_init__(self) -> None:
        check_options(self)
        if self.window_size % 2 == 0:
            raise ConfigError(f"a window of {self.window_size} pixels, expected an odd number")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ExtractionConfig:
    """How features are computed; changes speed and memory, results by rounding only."""

    batch_size: Annotated[
        int | None,
        Option(
            "Clips or frames at once; the result does not depend on it.",
            min=1,
            shown="by device",
            panel="Computing",
        ),
    ] = None
    use_cache: Annotated[
        bool,
        Option(
            "Keep features in the cache folder and find them there again.",
            name="cache",
            panel="Computing",
        ),
    ] = True
    num_readers: Annotated[int, Option("Threads that decode ahead.", min=1, typed=False)] = 2
    shard: Shard = WHOLE
    """(i, n): only the i-th of n blocks of clips, for statistics to merge later."""

    def __post_init__(self) -> None:
        check_options(self)
        check_shard(self.shard)
