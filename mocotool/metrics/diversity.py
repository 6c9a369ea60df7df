"""The per-pixel diversity of Appendix D: how much videos with the same start differ."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mocotool.arrays import FramesU8
from mocotool.configs.evaluate import DiversityProtocol
from mocotool.configs.render import DEFAULT_FPS, RenderConfig
from mocotool.configs.sample import SampleConfig
from mocotool.errors import MismatchError
from mocotool.files import make_folder
from mocotool.generators.base import Generator
from mocotool.latents import Trajectory
from mocotool.metrics.repeats import repeat_draws
from mocotool.metrics.results import MetricResult
from mocotool.metrics.sides import name_source
from mocotool.metrics.sources import RenderedLatents, VideoSource
from mocotool.motion.generator import MotionGenerator
from mocotool.trajectory import sample_trajectory
from mocotool.video.pictures import write_png
from mocotool.video.writing import write_video

Float64 = npt.NDArray[np.float64]
BYTE_SCALE = 127.5  # bytes to [-1, 1]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class PixelSpread:
    """Mean and standard deviation over videos, per pixel."""

    mean: Float64
    """[t, h, w, 3], in [0, 255]."""
    std: Float64
    """[t, h, w, 3], in units of the range [-1, 1]."""

    @property
    def last_frame(self) -> float:
        """Standard deviation of the last frame, averaged over pixels and channels."""
        return float(self.std[-1].mean())


def measure_spread(videos: Iterable[FramesU8]) -> PixelSpread:
    """Compute mean and standard deviation over videos with the same start, in constant memory.

    Args:
        videos: At least two, each uint8 [t, h, w, 3].

    Raises:
        MismatchError: There are fewer than two, or their shapes differ.
    """
    count = 0
    mean = scatter = np.zeros(0)
    for frames_u8 in videos:
        values = frames_u8.astype(np.float64)
        if count == 0:
            mean, scatter = np.zeros_like(values), np.zeros_like(values)
        if values.shape != mean.shape:
            raise MismatchError(
                f"a video of shape {list(values.shape)} among others of {list(mean.shape)}"
            )
        count += 1
        deviation = values - mean
        mean += deviation / count
        scatter += deviation * (values - mean)
    if count < 2:
        raise MismatchError(f"{count} video, expected at least 2 with the same start")
    return PixelSpread(mean, np.sqrt(scatter / count) / BYTE_SCALE)


def compute_diversity(
    videos: VideoSource,
    *,
    protocol: dict[str, Any] | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[MetricResult, PixelSpread]:
    """Compute the per-pixel diversity of videos with the same start.

    Latents are grouped by content seed; other videos form one group. The metric uses the last frame
    of the shortest video; all frames of the first group are kept for pictures.

    Args:
        videos: Several motions of each content.
        protocol: Further settings to report; `None` for none.
        progress: Called with the number of videos done since the last call.

    Returns:
        The standard deviation over videos of each pixel of the last frame in [-1, 1], averaged
        over pixels, then mean and deviation over contents; and the spread of the first content.

    Raises:
        MismatchError: No content has two motions, or frame sizes differ.
        FileFormatError: A video cannot be decoded.

    Source:
        Paper: Appendix D. The range is presumed to be [-1, 1], as the paper's 0.233 suggests.
    """
    groups = group_by_content(videos)
    num_frames = int(videos.num_frames.min())
    values: list[float] = []
    pictures: PixelSpread | None = None
    for group in groups:
        # All frames of the first content, for the mean video; of the others the last alone.
        frame_idx = range(num_frames) if pictures is None else range(num_frames - 1, num_frames)
        spread = measure_spread(_read(videos, group, frame_idx, progress))
        pictures = pictures or spread
        values.append(spread.last_frame)
    assert pictures is not None

    # what the number depends on
    sizes = {len(group) for group in groups}
    settings = {
        "num_contents": len(groups),
        "num_motions": max(sizes),
        "num_frames": num_frames,
        "range": "[-1, 1]",
    }
    warnings = []
    if len(groups) < DiversityProtocol().num_contents or max(sizes) < 100:
        warnings.append("the paper takes 50 contents with 100 motions each")

    result = MetricResult(
        metric="diversity",
        value=float(np.mean(values)),
        std=float(np.std(values)) if len(values) > 1 else None,
        protocol=settings | (protocol or {}),
        inputs={"videos": {"path": name_source(videos.name)} | videos.describe()},
        details={"contents": values},
        numerics="RGB bytes, float64",
        warnings=tuple(warnings),
    )
    return result, pictures


def compute_sampled_diversity(
    motion: MotionGenerator,
    generator: Generator,
    *,
    protocol: DiversityProtocol | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[MetricResult, PixelSpread]:
    """Sample the videos of Appendix D and measure them, for each repeat of the protocol.

    Args:
        motion: Samples trajectories.
        generator: Renders them, without noise.
        protocol: Numbers of videos and repeats; `None` for those of the paper, once.
        progress: Called with the number of videos done since the last call.

    Returns:
        The mean over contents, with its deviation over repeats (over contents if there is one
        repeat), and the spread of the first content.
    """
    spreads: list[PixelSpread] = []
    contents: list[float] = []

    def measure(drawn: DiversityProtocol) -> MetricResult:
        settings = {"num_repeats": drawn.num_repeats, "seed": drawn.seed}
        videos = sample_contents(motion, generator, protocol=drawn)
        result, spread = compute_diversity(videos, protocol=settings, progress=progress)
        spreads[1:] = []  # pictures are of the first alone
        spreads.append(spread)
        contents.extend(result.details["contents"])
        return result

    protocol = DiversityProtocol() if protocol is None else protocol
    num_seeds = max(protocol.num_contents, protocol.num_motions)
    result = repeat_draws(protocol, measure, num_seeds=num_seeds)
    result.details["contents"] = contents
    return result, spreads[0]


def sample_contents(
    motion: MotionGenerator, generator: Generator, *, protocol: DiversityProtocol
) -> RenderedLatents:
    """Sample the trajectories of Appendix D: the same motion seeds for each content.

    Args:
        motion: Samples trajectories.
        generator: Renders them, without noise.
        protocol: Number of videos.
    """
    contents = range(protocol.seed, protocol.seed + protocol.num_contents)
    motions = range(protocol.seed, protocol.seed + protocol.num_motions)
    config = SampleConfig(
        seeds=tuple(seed for seed in contents for _ in motions),
        motion_seeds=tuple(seed for _ in contents for seed in motions),
        num_frames=protocol.num_frames,
    )
    trajectory = sample_trajectory(motion, generator, config=config)
    return RenderedLatents(
        trajectory, generator, config=RenderConfig(noise="none"), name="sampled videos"
    )


def write_pictures(spread: PixelSpread, folder: Path) -> None:
    """Write the mean video, its last frame, and the last frame's deviation (white is the maximum).

    Args:
        spread: Mean and deviation of one content.
        folder: Output folder, created if missing; mean.png, std.png and mean.mp4 are replaced.
    """
    make_folder(folder)
    mean_u8 = spread.mean.round().clip(0, 255).astype(np.uint8)  # [t, h, w, 3]
    write_png(folder / "mean.png", mean_u8[-1])
    brightest = max(float(spread.std[-1].max()), 1e-12)
    write_png(folder / "std.png", (spread.std[-1] / brightest * 255).round().astype(np.uint8))
    write_video(folder / "mean.mp4", [mean_u8], fps=DEFAULT_FPS)


def group_by_content(videos: VideoSource) -> list[list[int]]:
    """Return the videos of each content that has at least two motions.

    Raises:
        MismatchError: There is no such content.
    """
    trajectory = videos.trajectory if isinstance(videos, RenderedLatents) else None
    if trajectory is None or trajectory.meta.seeds is None:
        groups = [list(range(len(videos.num_frames)))]
    else:
        by_seed: dict[Any, list[int]] = {}
        for video_idx, seed in enumerate(trajectory.meta.seeds):
            by_seed.setdefault((seed, _label(trajectory, video_idx)), []).append(video_idx)
        groups = list(by_seed.values())
    usable = [group for group in groups if len(group) > 1]
    if not usable:
        raise MismatchError(
            f"{videos.name}: no content has two motions",
            hint="moco sample --seeds 0 --motion-seeds 0-99 -o same-content.npz",
        )
    return usable


def _label(trajectory: Trajectory, video_idx: int) -> int | None:
    return None if trajectory.labels is None else int(trajectory.labels[video_idx])


def _read(
    videos: VideoSource,
    group: list[int],
    frame_idx: range,
    progress: Callable[[int], None] | None,
) -> Iterator[FramesU8]:
    for video_idx in group:
        yield videos.read_clip(video_idx, frame_idx)
        if progress is not None:
            progress(1)
