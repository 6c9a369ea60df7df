"""How a trajectory becomes files to look at: videos, a grid of them, or a contact sheet."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from mocotool.arrays import FramesU8
from mocotool.configs.render import PictureFormat, RenderConfig
from mocotool.files import check_output_path, to_path
from mocotool.frames import render_video
from mocotool.generators.base import Generator
from mocotool.latents import Trajectory
from mocotool.training.distributed import Processes
from mocotool.video.pictures import choose_sheet_frames, tile_frames, tile_videos, write_png
from mocotool.video.sound import TRACK_RATE, read_sound
from mocotool.video.writing import write_video

Progress = Callable[[int], None]

ALONE = Processes()

MAX_SHEET_PIXELS = 8192  # on a side; beyond, viewers and memory give up


def name_outputs(out: Path, *, num_videos: int, single: bool) -> list[Path]:
    """Return the files that are to be written: `out` itself, or name-0000.mp4 and so on.

    Args:
        out: The name that was asked for.
        num_videos: Number of videos.
        single: Whether one file holds them all (a grid, a contact sheet).
    """
    if single or num_videos == 1:
        return [out]
    names = [f"{out.stem}-{video_idx:04d}{out.suffix}" for video_idx in range(num_videos)]
    return [out.with_name(name) for name in names]


def export_trajectory(
    generator: Generator,
    trajectory: Trajectory,
    out: Path | str | BinaryIO,
    *,
    format: PictureFormat,
    config: RenderConfig | None = None,
    grid: bool = False,
    force: bool = False,
    audio: Path | str | None = None,
    processes: Processes = ALONE,
    progress: Progress | None = None,
) -> list[Path]:
    """Render a trajectory into one video a trajectory, one grid of them, or a contact sheet.

    Memory is for one chunk of frames, or one of each video in a grid, however long the videos are.

    Args:
        generator: What renders.
        trajectory: Latents of n videos.
        out: A file to write, or a stream, which takes one file: several videos become a grid.
        format: A video format, or "png" for a contact sheet with a row for each video.
        config: Noise, frame rate, seed and chunk size; `None` is the defaults.
        grid: Show several videos side by side in one.
        force: Replace existing files.
        audio: A file whose sound goes with each video, cut or followed by silence so that it is as
            long; MP4, WebM and MKV alone.
        processes: Those that share the work: each writes every n-th file, the first one a single
            file.
        progress: Called with the number of frames done since the last call.

    Returns:
        The files written, those of other processes among them; empty for a stream.

    Raises:
        ConfigError: A file exists already or cannot be written.
        MismatchError: The latents do not fit the generator.
        UnavailableError: This PyAV was built without the encoder.
    """
    config = RenderConfig() if config is None else config
    out = to_path(out)
    num_videos = trajectory.num_videos
    single = grid or format == "png" or not isinstance(out, Path)
    paths = name_outputs(out, num_videos=num_videos, single=single) if isinstance(out, Path) else []
    targets: list[Path | BinaryIO] = [*paths] if isinstance(out, Path) else [out]

    # outputs are refused before anything is rendered
    own = range(processes.rank, len(targets), processes.world_size)
    for target_idx in own:
        if isinstance(target := targets[target_idx], Path):
            check_output_path(target, force=force)

    advance = progress or (lambda _: None)
    sound = None if audio is None else read_sound(audio, rate=TRACK_RATE, num_channels=2)
    for target_idx in own:
        if format == "png":
            sheet = draw_sheet(generator, trajectory, config=config, progress=advance)
            write_png(targets[target_idx], sheet)
            continue

        shown = range(num_videos) if single else [target_idx]
        videos = [
            _count_chunks(render_video(generator, trajectory, video_idx, config=config), advance)
            for video_idx in shown
        ]
        chunks = tile_videos(videos) if len(videos) > 1 else videos[0]
        fps = config.choose_fps(trajectory.meta.fps)
        write_video(targets[target_idx], chunks, fps=fps, format=format, sound=sound)

    if force and len(paths) > 1 and processes.is_first:
        _drop_earlier(Path(str(out)), paths)
    return paths


def _drop_earlier(out: Path, paths: Sequence[Path]) -> None:
    """Remove those of an earlier, longer set that the new one has not replaced."""
    pattern = re.compile(f"{re.escape(out.stem)}-(\\d{{4,}}){re.escape(out.suffix)}")
    for path in out.parent.iterdir():
        if pattern.fullmatch(path.name) and path not in paths:
            path.unlink()


def draw_sheet(
    generator: Generator,
    trajectory: Trajectory,
    *,
    config: RenderConfig,
    progress: Progress = lambda _: None,
) -> FramesU8:
    """Draw a contact sheet: a row for each video, its frames from left to right.

    Only the frames that will be seen are rendered.

    Returns:
        uint8 [rows * h, columns * w, 3], reduced where it would be more than 8192 pixels wide or
        high.
    """
    num_rows, idxs = choose_sheet_frames(trajectory.num_videos, trajectory.num_frames)
    tallest = max(num_rows, len(idxs)) * generator.resolution
    factor = -(-tallest // MAX_SHEET_PIXELS)
    tiles: list[FramesU8] = []
    for video_idx in range(num_rows):
        for frames_u8 in render_video(
            generator, trajectory, video_idx, config=config, frame_idxs=idxs
        ):
            tiles.extend(reduce_frames(frames_u8, factor))
            progress(len(frames_u8))
    return tile_frames(tiles, columns=len(idxs))


def reduce_frames(frames_u8: FramesU8, factor: int) -> FramesU8:
    """Average blocks of `factor` x `factor` pixels of uint8 [t, h, w, c]."""
    if factor == 1:
        return frames_u8
    t, h, w, c = frames_u8.shape
    rows, columns = max(h // factor, 1), max(w // factor, 1)
    kept = frames_u8[:, : rows * factor, : columns * factor]
    blocks = kept.reshape(t, rows, factor, columns, factor, c)
    reduced: FramesU8 = blocks.mean(axis=(2, 4)).round().astype(np.uint8)
    return reduced


def _count_chunks(chunks: Iterator[FramesU8], advance: Progress) -> Iterator[FramesU8]:
    for frames_u8 in chunks:
        yield frames_u8
        advance(len(frames_u8))
