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
        "Number of repeats with new samples (repeat r uses seed + r); the mean is reported.", min=1
    ),
]

FEW_SAMPLES = 2048
"""Below this number of samples, Frechet distances have a large bias."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class VideoProtocol:
    """Protocol of an FVD or KVD."""

    preset: Annotated[
        ProtocolName,
        Option("Preset for all options below.", name="protocol", panel="Protocol"),
    ] = "stylegan-v"
    num_frames: Annotated[int, _ByPreset("Frames in a clip.", min=1)] = 16
    frame_stride: Annotated[int, _ByPreset("Take every n-th frame.", min=1)] = 1
    real_stride: Annotated[
        int | None,
        Option(
            "Frame stride of real videos, such as that of the motion model's training.",
            min=1,
            panel="Protocol",
            shown="--frame-stride",
        ),
    ] = None
    fake_stride: Annotated[
        int | None,
        Option(
            "Frame stride of generated videos.",
            min=1,
            panel="Protocol",
            shown="--frame-stride",
        ),
    ] = None
    real_clips: Annotated[
        ClipChoice,
        _ByPreset(
            "Clips of a real video: one from the first frame, from a random one, from the middle, "
            "or all non-overlapping ones."
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
        int | None,
        _ByPreset("First crop and resize frames to squares of this size, antialiased.", min=1),
    ] = None
    resize: Annotated[
        ResizeChoice,
        _ByPreset(
            "How frames become square: squash ignores the aspect ratio, crop takes the centre."
        ),
    ] = "squash"
    interpolation: Annotated[InterpolationChoice, _ByPreset("How pixels are interpolated.")] = (
        "bilinear"
    )
    pixels: Annotated[
        PixelsChoice,
        _ByPreset(
            "Input range of a torchscript: program: [-1, 1], [0, 1], or normalised by the mean and "
            "deviation of ImageNet."
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
        """Return the preset with the typed options applied."""
        return cls.from_preset(preset, **overrides)

    @classmethod
    def from_preset(cls, preset: str, **overrides: Any) -> "VideoProtocol":
        """Return a preset with some fields changed; `None` keeps a field.

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
    """Protocol of a comparison of single frames.

    One frame per video as a rule: KID and nearest neighbours take samples to be independent, which
    the frames of one video are not.
    """

    frames: Annotated[
        FrameChoice, Option("One random frame per video, or all, which are not independent.")
    ] = "one"
    num_real: Annotated[
        int | None, Option("Maximum number of real frames, chosen at random.", min=1, shown="all")
    ] = None
    num_fake: Annotated[
        int | None, Option("Maximum number of generated frames, chosen at random.", min=1)
    ] = 50_000
    frame_size: Annotated[
        int | None,
        Option(
            "First crop and resize frames to squares of this size, antialiased.",
            min=1,
            shown="as they are",
        ),
    ] = None
    num_repeats: Repeats = 1
    seed: Seed = 0

    def __post_init__(self) -> None:
        check_options(self)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class FrameProtocol(SampleProtocol):
    """Protocol of an FID."""

    preset: Annotated[FrameProtocolName, Option("Preset for the options.", name="protocol")] = "fid"
    frames: Annotated[FrameChoice, Option("All frames of a video, or a random one.")] = "all"
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
    """Protocol of an Inception score of videos."""

    preset: Annotated[ScoreProtocolName, Option("Preset for the options.", name="protocol")] = (
        "tganv2"
    )
    num_clips: Annotated[
        int | None, Option("Maximum number of clips, chosen at random.", min=1)
    ] = 10_000
    clips: Annotated[ClipChoice, Option("Clips of a video.")] = "first"
    frame_stride: FrameStride = 1
    frame_size: Annotated[
        int | None,
        Option(
            "First crop and resize frames to squares of this size, antialiased.",
            min=1,
            shown="as they are",
        ),
    ] = None
    num_splits: Annotated[
        int, Option("Number of splits, scored separately; 1 for TGANv2, 10 for StyleGAN-V.", min=1)
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
        """Return the protocol of clips, with the length that the detector needs."""
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
    """Protocol of an average content distance."""

    crop: Annotated[CropChoice, Option("Detect faces (with dlib), or use whole frames.")] = "detect"
    num_videos: Annotated[
        int | None, Option("Maximum number of videos, chosen at random.", min=1)
    ] = 256
    num_frames: Annotated[int | None, Option("Frames per video, from the first.", min=1)] = 16
    frame_stride: FrameStride = 1
    num_repeats: Repeats = 1
    seed: Seed = 0

    def __post_init__(self) -> None:
        check_options(self)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class DiversityProtocol:
    """Protocol of the per-pixel diversity of Appendix D."""

    num_contents: Annotated[int, Option("Contents (first latents) to sample.", min=1)] = 50
    num_motions: Annotated[int, Option("Motion seeds per content.", min=2)] = 100
    num_frames: Annotated[
        int, Option("Frames per sampled video; the last one is measured.", min=2)
    ] = 16
    num_repeats: Annotated[
        int, Option("Number of repeats with new seeds; the mean is reported.", min=1)
    ] = 1
    seed: Seed = 0

    def __post_init__(self) -> None:
        check_options(self)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class PairProtocol:
    """Protocol of PSNR and SSIM."""

    data_range: Annotated[float, Option("Largest minus smallest possible value.", above=0)] = 255.0
    window_size: Annotated[
        int, Option("Width of SSIM's Gaussian window in pixels, odd.", min=3)
    ] = 11
    window_sigma: Annotated[
        float, Option("Standard deviation of SSIM's window in pixels.", above=0)
    ] = 1.5
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
    """Config of feature extraction; affects speed and memory, and results only by rounding."""

    batch_size: Annotated[
        int | None,
        Option(
            "Clips or frames per batch; the result does not depend on it.",
            min=1,
            shown="by device",
            panel="Computing",
        ),
    ] = None
    use_cache: Annotated[
        bool,
        Option(
            "Store features in the cache and reuse them.",
            name="cache",
            panel="Computing",
        ),
    ] = True
    num_readers: Annotated[int, Option("Threads for decoding.", min=1, typed=False)] = 2
    shard: Shard = WHOLE
    """(i, n): only the i-th of n blocks of clips, for statistics to merge later."""

    def __post_init__(self) -> None:
        check_options(self)
        check_shard(self.shard)
