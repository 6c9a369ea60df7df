"""One side of a comparison: videos to measure, or saved statistics."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import torch

from mocotool.boundary import foreign_data
from mocotool.configs.render import RenderConfig
from mocotool.configs.sample import BUNDLED_MOTION
from mocotool.errors import FileFormatError
from mocotool.fetched import locate
from mocotool.generators.loading import load_generator
from mocotool.generators.recorded import load_recorded_generator
from mocotool.latents import check_latents_fit, read_latents
from mocotool.metrics import foreign_statistics
from mocotool.metrics.sampled_videos import SampledMotion
from mocotool.metrics.saved_statistics import SavedStatistics
from mocotool.metrics.sources import RenderedLatents, VideoSource, open_videos
from mocotool.metrics.statistics import (
    is_statistics,
    read_statistics,
)
from mocotool.npz import read_npz
from mocotool.provenance import portable_path
from mocotool.trajectory import load_motion_and_generator

Side: TypeAlias = VideoSource | SavedStatistics | SampledMotion


def open_side(
    path: Path | str,
    *,
    generator: Path | str | None = None,
    render: RenderConfig | None = None,
    pca: Path | str | None = None,
    num_videos: int | None = None,
    device: torch.device | str = "cpu",
    precision: torch.dtype = torch.float32,
    warn: Callable[[str], None] | None = None,
) -> Side:
    """Open an input: a folder, a video, latents, a motion model, or saved statistics.

    Args:
        path: Folder or file, or "bundled:motion.safetensors"; also statistics of other programs,
            see `read_foreign_statistics`.
        generator: Generator of latents; `None` for the recorded one.
        render: Settings of rendering.
        pca: PCA basis of an authors' motion model (.pth), required to open one.
        num_videos: Videos to sample from a motion model; `None` for as many as are compared.
        device: Device of the generator.
        precision: Precision of its convolutions.
        warn: Called with videos that cannot be read.

    Raises:
        FileFormatError: The file is missing or none of these.
        MismatchError: The latents do not fit the generator.
    """
    if is_motion_model(path, pca=pca):
        motion, network = load_motion_and_generator(
            path,
            None if generator is None else Path(generator),
            pca=pca,
            device=torch.device(device),
            precision=precision,
            warn=warn or (lambda _: None),
        )
        return SampledMotion(
            motion=motion,
            generator=network,
            config=render or RenderConfig(),
            num_videos=num_videos,
            name=str(path),
        )
    path = locate(path)
    if path.is_file() and path.suffix.lower() in foreign_statistics.ENDINGS:
        return SavedStatistics(*foreign_statistics.read_foreign_statistics(path), str(path))
    if path.is_dir() or path.suffix.lower() not in (".npz", ".npy"):
        return open_videos(path, warn=warn)

    # arrays: statistics, ours or of other programs, are recognised by field names
    is_bare = path.suffix.lower() == ".npy"
    fields = {} if is_bare else read_npz(path, str(path))
    if is_statistics(fields):
        return SavedStatistics(*read_statistics(path), str(path))
    if foreign_statistics.is_mean_and_covariance(fields):
        with foreign_data(path, what="statistics", hint=foreign_statistics.HINT):
            found = foreign_statistics.from_mean_and_covariance(fields, program="mu and sigma")
        return SavedStatistics(*found, str(path))

    # latents, with the named generator or the recorded one
    named = None
    if is_bare or generator is not None:
        named = load_generator(generator, device=device, precision=precision)
    trajectory = read_latents(path, generator=named)
    record = trajectory.meta.generator
    if named is not None or record is None:
        renderer = named or load_generator(device=device, precision=precision)
    else:
        renderer = load_recorded_generator(
            record, name=str(path), beside=(path.parent,), device=device, precision=precision
        )
    warning = check_latents_fit(trajectory, renderer)
    if warning is not None and warn is not None:
        warn(warning)
    return RenderedLatents(trajectory, renderer, config=render, name=str(path))


def is_motion_model(path: Path | str, *, pca: Path | str | None = None) -> bool:
    """Return whether a file is a motion model: ours, or, with a PCA basis, the authors'."""
    ending = Path(path).suffix.lower()
    return (
        str(path) == BUNDLED_MOTION or ending == ".safetensors" or (ending == ".pth" and bool(pca))
    )


def name_source(path: str) -> str:
    """Return the path of a side for results."""
    return portable_path(Path(path)) if Path(path).exists() else path


def require_videos(side: Side) -> VideoSource:
    """Return a side if it has frames.

    Raises:
        FileFormatError: It has statistics only, or is a motion model.
    """
    if isinstance(side, SavedStatistics):
        raise FileFormatError(f"{side.name}: statistics hold no frames, expected videos or latents")
    if isinstance(side, SampledMotion):
        raise FileFormatError(
            f"{side.name}: a motion model, expected videos or latents",
            hint=f"moco sample {side.name} -o walk.npz",
        )
    return side


def require_frames(side: Side) -> VideoSource | SampledMotion:
    """Return a side if it has frames or is a motion model.

    Raises:
        FileFormatError: It has statistics only.
    """
    return side if isinstance(side, SampledMotion) else require_videos(side)
