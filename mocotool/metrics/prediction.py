"""The paper's prediction experiment: videos predicted from their first frame."""

import copy
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from mocotool.arrays import FramesU8
from mocotool.configs.interpolate import InterpolateConfig
from mocotool.configs.prediction import PredictionConfig
from mocotool.configs.render import RenderConfig
from mocotool.configs.sample import SampleConfig
from mocotool.files import make_folder
from mocotool.frames import render_video
from mocotool.generators.base import Generator
from mocotool.interpolation import interpolate_trajectory
from mocotool.inversion.objective import ImageFeatures
from mocotool.inversion.search import Inversion, invert
from mocotool.inversion.tuning import tune_generator
from mocotool.latents import Trajectory
from mocotool.layouts import from_frames_u8, to_channels_first, to_channels_last
from mocotool.metrics.repeats import repeat_draws
from mocotool.metrics.results import MetricResult
from mocotool.motion.generator import MotionGenerator
from mocotool.provenance import portable_path
from mocotool.similarity import EQUAL_PSNR, compute_image_psnr, compute_image_ssim
from mocotool.trajectory import sample_trajectory
from mocotool.video.cutting import read_squares
from mocotool.video.listing import VideoListing
from mocotool.video.opening import VideoEntry
from mocotool.video.pictures import write_png


@dataclasses.dataclass(frozen=True, slots=True)
class Similarity:
    """Mean PSNR and SSIM of some frames."""

    psnr: float
    ssim: float


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class PredictedVideo:
    """Results of one video."""

    path: str
    predicted: Similarity
    """Predicted against real frames, without the first."""
    up_b: Similarity
    """Reconstruction of the first frame against the frame itself."""
    still_frame: Similarity
    """The first frame against all later ones."""


def compute_prediction(
    motion: MotionGenerator,
    generator: Generator,
    listing: VideoListing,
    *,
    config: PredictionConfig | None = None,
    features: ImageFeatures | None = None,
    frames_folder: Path | str | None = None,
    progress: Callable[[int], None] | None = None,
) -> MetricResult:
    """Predict each video from its first frame, and compare with the real frames.

    The first frame is inverted, the motion model continues from its latent, interpolation doubles
    the frames. All frames but the first are compared, at the generator's resolution.

    Args:
        motion: The motion model.
        generator: Its image generator.
        listing: Videos of at least `config.num_frames` frames.
        config: Numbers of latents and frames, and the inversion; `None` for the defaults.
        features: Perceptual network of the inversion; `None` for the fast replacement.
        frames_folder: Output for the predicted frames, including the reconstruction of the first:
            a folder of PNGs per video, of the first repeat; `None` for no output.
        progress: Called with the number of inversion steps done since the last call.

    Returns:
        Mean PSNR over the frames of all videos, with its deviation over videos, or over repeats if
        there are several, each with other motion from the same first latents. In the details:
        SSIM; "up_b", the first frames against their reconstructions, an upper bound in practice;
        "still_frame", the real first frame in place of all later ones; and the results per video
        of the first repeat.

    Raises:
        MismatchError: The motion model does not fit the generator.
        FileFormatError: A frame cannot be decoded.

    Source:
        Paper: Sec. 4 (16 latents interpolated to 32 frames, PSNR and SSIM, Up-B).
    """
    config = PredictionConfig() if config is None else config
    entries = choose_evenly(listing.entries, config.num_videos)
    first = np.concatenate([read_squares(entry, [0], generator.img_size) for entry in entries])

    # latent of the first frame, from which all walks start
    images = from_frames_u8(to_channels_last(first))
    found = invert(generator, images, config=config.invert, features=features, progress=progress)
    if config.tune:
        tuning, found = tune_generator(
            generator, images, found, config=config.invert, features=features
        )
        generator = copy.deepcopy(generator)
        tuning.apply(generator)
    start = found.to_trajectory(generator)

    def predict(drawn: PredictionConfig) -> MetricResult:
        videos = _predict_videos(
            motion,
            generator,
            entries,
            start,
            found,
            config=drawn,
            # the frames of the first repeat alone
            frames_folder=frames_folder if drawn.seed == config.seed else None,
        )
        return _report(motion, generator, listing, found, videos, config=drawn)

    return repeat_draws(config, predict, num_seeds=len(entries))


def _predict_videos(
    motion: MotionGenerator,
    generator: Generator,
    entries: Sequence[VideoEntry],
    start: Trajectory,
    found: Inversion,
    *,
    config: PredictionConfig,
    frames_folder: Path | str | None,
) -> list[PredictedVideo]:
    """Sample a walk from each first latent, and compare its frames with the real ones."""
    walks = interpolate_trajectory(
        sample_trajectory(
            motion,
            generator,
            config=SampleConfig(num_frames=config.num_latents, seed=config.seed),
            start=start,
        ),
        config=InterpolateConfig(factor=config.factor, mode=config.mode),
    )

    # real and predicted frames, the given first one left out
    rendering = RenderConfig(noise=config.invert.noise)
    videos = []
    for video_idx, entry in enumerate(entries):
        real = read_squares(entry, range(config.num_frames), generator.img_size)
        frames = np.concatenate(list(render_video(generator, walks, video_idx, config=rendering)))
        if frames_folder is not None:
            write_frames(frames, Path(frames_folder) / f"{video_idx + 1:04d}-{entry.path.stem}")
        videos.append(
            PredictedVideo(
                path=str(entry.path),
                predicted=compare_frames(real[1:], to_channels_first(frames[1:])),
                up_b=Similarity(float(found.psnr[video_idx]), float(found.ssim[video_idx])),
                still_frame=compare_frames(real[1:], np.repeat(real[:1], len(real) - 1, axis=0)),
            )
        )

    return videos


def _report(
    motion: MotionGenerator,
    generator: Generator,
    listing: VideoListing,
    found: Inversion,
    videos: Sequence[PredictedVideo],
    *,
    config: PredictionConfig,
) -> MetricResult:
    origins = {
        "motion": motion.origin,
        "generator": generator.origin.file if generator.origin else None,
    }
    return MetricResult(
        metric="prediction PSNR",
        value=_mean(videos, "predicted").psnr,
        std=float(np.std([video.predicted.psnr for video in videos])),
        unit="dB",
        protocol=_describe_protocol(config, found, generator.resolution),
        inputs={
            "videos": {
                "path": portable_path(listing.folder),
                "num_videos": len(videos),
                "num_short": listing.num_short,
                "num_unreadable": len(listing.unreadable),
            }
        },
        details=_describe_videos(videos)
        | {name: record.as_json() if record else None for name, record in origins.items()},
        numerics="float64",
        device=str(generator.device),
        warnings=_find_warnings(videos),
    )


def choose_evenly(entries: Sequence[VideoEntry], num_videos: int | None) -> tuple[VideoEntry, ...]:
    """Return `num_videos` of the videos, evenly spaced, or all of them."""
    if num_videos is None or num_videos >= len(entries):
        return tuple(entries)
    idxs = np.linspace(0, len(entries) - 1, num_videos).round().astype(int)
    return tuple(entries[idx] for idx in idxs)


def write_frames(frames_u8: FramesU8, folder: Path) -> None:
    """Write frames uint8 [t, h, w, 3] as folder/0001.png and so on."""
    make_folder(folder)
    for number, frame in enumerate(frames_u8, start=1):
        write_png(folder / f"{number:04d}.png", frame)


def compare_frames(a: FramesU8, b: FramesU8) -> Similarity:
    """Compare frames uint8 [t, 3, h, w] with others of the same shape."""
    x, y = torch.from_numpy(np.array(a)), torch.from_numpy(np.array(b))
    psnr = compute_image_psnr(x, y, data_range=255.0).clamp(max=EQUAL_PSNR)
    ssim = compute_image_ssim(x, y, data_range=255.0)
    return Similarity(float(psnr.mean()), float(ssim.mean()))


def _describe_protocol(
    config: PredictionConfig, found: Inversion, resolution: int
) -> dict[str, Any]:
    return {
        "num_latents": config.num_latents,
        "num_frames": config.num_frames,
        "interpolation": config.mode,
        "compared": f"frames 2 to {config.num_frames}",
        "resolution": resolution,
        "data_range": 255,
        "space": found.space,
        "num_steps": config.invert.num_steps,
        "num_polish_steps": config.invert.num_polish_steps,
        "perceptual": found.perceptual_name,
        "noise": config.invert.noise,
        **({"num_tune_steps": config.invert.num_tune_steps} if config.tune else {}),
        "num_repeats": config.num_repeats,
        "seed": config.seed,
    }


def _describe_videos(videos: Sequence[PredictedVideo]) -> dict[str, Any]:
    up_b, still = _mean(videos, "up_b"), _mean(videos, "still_frame")
    ssim = [video.predicted.ssim for video in videos]
    return {
        "ssim": {"value": float(np.mean(ssim)), "std": float(np.std(ssim))},
        "up_b": {"value": up_b.psnr, "ssim": up_b.ssim},
        "still_frame": {"value": still.psnr, "ssim": still.ssim},
        "videos": [dataclasses.asdict(video) for video in videos],
    }


def _find_warnings(videos: Sequence[PredictedVideo]) -> tuple[str, ...]:
    if _mean(videos, "still_frame").psnr <= _mean(videos, "predicted").psnr:
        return ()
    return ("the first frame standing still comes nearer than the prediction",)


def _mean(
    videos: Sequence[PredictedVideo], which: Literal["predicted", "up_b", "still_frame"]
) -> Similarity:
    values: list[Similarity] = [getattr(video, which) for video in videos]
    return Similarity(
        float(np.mean([value.psnr for value in values])),
        float(np.mean([value.ssim for value in values])),
    )
