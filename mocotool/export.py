"""Export of trajectories as videos, a grid of videos, or a contact sheet."""

import dataclasses
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from mocotool.arrays import FramesU8
from mocotool.configs.render import PictureFormat, RenderConfig
from mocotool.configs.shard import WHOLE, Shard, take_share
from mocotool.errors import ConfigError, MocoWarning
from mocotool.files import check_output_path, to_path
from mocotool.frames import render_video
from mocotool.generators.base import Generator
from mocotool.latents import Trajectory
from mocotool.plots import CAPTION_MARGIN, draw_line
from mocotool.training.distributed import Processes
from mocotool.video.encodings import choose_codec
from mocotool.video.numbered import (
    check_numbered_output,
    drop_earlier_sets,
    is_numbered,
    name_sets,
    write_numbered,
)
from mocotool.video.pictures import choose_sheet_frames, tile_frames, tile_videos, write_png
from mocotool.video.scaling import choose_size, resize_frames
from mocotool.video.sound import TRACK_RATE, read_sound
from mocotool.video.writing import write_video

Progress = Callable[[int], None]

ALONE = Processes()

MAX_SHEET_PIXELS = 8192  # on a side; beyond, viewers and memory give up


def name_outputs(out: Path, *, num_videos: int, single: bool) -> list[Path]:
    """Return the names of the files to write: `out` itself, or name-0000.mp4 and so on.

    Args:
        out: The name that was asked for.
        num_videos: Number of videos.
        single: Whether one file holds them all (a grid, a contact sheet).
    """
    if single or num_videos == 1:
        return [out]
    if is_numbered(out):
        return name_sets(out, num_videos=num_videos)
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
    shard: Shard = WHOLE,
    progress: Progress | None = None,
) -> list[Path]:
    """Render trajectories into one video each, one grid of them, or a contact sheet.

    Memory is for one chunk of frames, or one of each video in a grid, however long the videos are.
    A name such as "frames/%05d.png" stands for numbered frames, in a folder for each of several
    videos: "frames/0000/%05d.png".

    Args:
        generator: The generator.
        trajectory: Latents of n videos.
        out: A file to write, or a stream, which takes one file: several videos become a grid.
        format: A video format, or "png" for a contact sheet with a row for each video, or numbered
            frames.
        config: Noise, frame rate, size, codec, seed and chunk size; `None` for the defaults.
        grid: Tile several videos in one.
        force: Replace existing files.
        audio: A file whose sound is added to each video, cut or padded with silence; only for MP4,
            MOV, WebM and MKV.
        processes: Processes that share the work: each writes every n-th file, the first one a
            single file.
        shard: Which part of the files to write, with the same names as all together.
        progress: Called with the number of frames done since the last call.

    Returns:
        The files written, including those of other processes; the pattern of numbered frames;
        empty for a stream.

    Raises:
        ConfigError: A file already exists or cannot be written, the codec does not go with it, or
            the files of a shard are not videos of their own.
        MismatchError: The latents do not fit the generator.
        UnavailableError: This PyAV was built without the encoder.

    Warns:
        MocoWarning: The generator's pictures are transparent, and the file cannot be.
    """
    config = RenderConfig() if config is None else config
    out = to_path(out)
    num_videos = trajectory.num_videos
    files = _plan_files(out, num_videos=num_videos, format=format, grid=grid)
    config.check_captions(is_sheet=files.is_sheet)
    if format != "png":
        config.check_format(format)

    # outputs are refused before anything is rendered
    if shard != WHOLE and (files.is_single or files.is_numbered):
        raise ConfigError(
            "--shard divides videos that get a file each, got one file or numbered frames",
            hint="-o NAME.mp4 without --grid",
        )
    part = take_share(len(files.targets), shard)
    own = part[processes.rank :: processes.world_size]
    files.check(own, force=force)

    advance = progress or (lambda _: None)
    sound = None if audio is None else read_sound(audio, rate=TRACK_RATE, num_channels=2)
    keep_alpha = not files.is_sheet and _keeps_alpha(
        generator, format, config, is_grid=files.is_single and num_videos > 1
    )
    for target_idx in own:
        target = files.targets[target_idx]
        if files.is_sheet:
            sheet = draw_sheet(generator, trajectory, config=config, progress=advance)
            (resized,) = _resized([sheet[None]], config)
            write_png(target, resized[0])
            continue

        # one video, or all of them side by side
        videos = [
            _count_chunks(
                render_video(
                    generator, trajectory, video_idx, config=config, keep_alpha=keep_alpha
                ),
                advance,
            )
            for video_idx in (range(num_videos) if files.is_single else [target_idx])
        ]
        chunks = _resized(tile_videos(videos) if len(videos) > 1 else videos[0], config)

        if files.is_numbered and isinstance(target, Path):
            target.parent.parent.mkdir(exist_ok=True)  # of several videos' folders
            write_numbered(target, chunks)
            continue
        write_video(
            target,
            chunks,
            fps=config.choose_fps(trajectory.meta.fps),
            format=format,
            crf=config.crf,
            sound=sound,
            codec=config.codec,
        )

    if force and shard == WHOLE and processes.is_first:
        files.drop_earlier()
    return files.paths[part.start : part.stop]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Files:
    """The files that a trajectory becomes."""

    out: Path | BinaryIO
    """What was named."""
    paths: list[Path]
    """The name of each; none of a stream."""
    is_numbered: bool
    """Whether they are sets of numbered frames."""
    is_sheet: bool
    """Whether there is one, a contact sheet."""
    is_single: bool
    """Whether there is one for all videos."""

    @property
    def targets(self) -> Sequence[Path | BinaryIO]:
        """What is written to: the names, or the stream."""
        return self.paths if isinstance(self.out, Path) else [self.out]

    def check(self, own: Iterable[int], *, force: bool) -> None:
        """Check that those of this process can be written.

        Raises:
            ConfigError: One exists and `force` is off, or it cannot be written.
        """
        if self.is_numbered and isinstance(self.out, Path):
            check_numbered_output(self.out, num_videos=len(self.paths), force=force)
            return
        for target_idx in own:
            if isinstance(target := self.targets[target_idx], Path):
                check_output_path(target, force=force)

    def drop_earlier(self) -> None:
        """Remove those of an earlier, longer set of files that these have not replaced."""
        if len(self.paths) < 2 or not isinstance(self.out, Path):
            return
        if self.is_numbered:
            drop_earlier_sets(self.out, num_videos=len(self.paths))
        else:
            _drop_earlier(self.out, self.paths)


def _plan_files(
    out: Path | BinaryIO, *, num_videos: int, format: PictureFormat, grid: bool
) -> _Files:
    """Return which files some videos become in a format."""
    if not isinstance(out, Path):
        is_sheet = format == "png"
        return _Files(out=out, paths=[], is_numbered=False, is_sheet=is_sheet, is_single=True)
    is_set = format == "png" and is_numbered(out)
    is_sheet = format == "png" and not is_set
    is_single = grid or is_sheet
    paths = name_outputs(out, num_videos=num_videos, single=is_single)
    return _Files(out=out, paths=paths, is_numbered=is_set, is_sheet=is_sheet, is_single=is_single)


def _resized(chunks: Iterable[FramesU8], config: RenderConfig) -> Iterator[FramesU8]:
    """Yield frames at the size that was asked for."""
    for frames_u8 in chunks:
        if config.size is None:
            yield frames_u8
            continue
        height, width = choose_size(
            config.size, height=frames_u8.shape[1], width=frames_u8.shape[2]
        )
        yield resize_frames(frames_u8, height=height, width=width)


def _keeps_alpha(generator: Generator, format: str, config: RenderConfig, *, is_grid: bool) -> bool:
    """Return whether transparent pictures stay so; warn where they cannot."""
    if generator.img_channels != 4:
        return False
    can = format == "png" or choose_codec(format, config.codec).alpha_pix_fmt is not None
    if can and not is_grid:
        return True
    place = "a grid" if is_grid else f".{format}"
    warnings.warn(
        f"the generator's pictures are transparent, and {place} is not: they are shown on white "
        "(frames/%05d.png, .webm, .apng, and --codec prores or ffv1 keep transparency)",
        MocoWarning,
        stacklevel=3,
    )
    return False


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

    Only the frames that will be seen are rendered. With `config.captions` the frames' numbers stand
    above their columns, and above each row what the latents say of its video.

    Returns:
        uint8 [rows * h, columns * w, 3], reduced where it would be more than 8192 pixels wide or
        high; higher by the captions.
    """
    num_rows, idxs = choose_sheet_frames(trajectory.num_videos, trajectory.num_frames)
    tallest = max(num_rows, len(idxs)) * max(generator.img_size)
    factor = -(-tallest // MAX_SHEET_PIXELS)
    tiles: list[FramesU8] = []
    for video_idx in range(num_rows):
        for frames_u8 in render_video(
            generator, trajectory, video_idx, config=config, frame_idxs=idxs
        ):
            tiles.extend(reduce_frames(frames_u8, factor))
            progress(len(frames_u8))
    if not config.captions:
        return tile_frames(tiles, columns=len(idxs))

    width = tiles[0].shape[1]
    numbers = [(width * place + width // 2, str(idx)) for place, idx in enumerate(idxs)]
    strips = [draw_line(numbers, width=width * len(idxs), align="center")]
    for row in range(num_rows):
        title = [(CAPTION_MARGIN, describe_video(trajectory, row))]
        strips.append(draw_line(title, width=width * len(idxs)))
        row_tiles = tiles[row * len(idxs) : (row + 1) * len(idxs)]
        strips.append(tile_frames(row_tiles, columns=len(idxs)))
    return np.concatenate(strips)


def describe_video(trajectory: Trajectory, video_idx: int) -> str:
    """Say which video this is, as far as its latents know: name, seeds, class."""
    meta = trajectory.meta
    known = (
        ("", meta.names),
        ("seed ", meta.seeds),
        ("motion seed ", meta.motion_seeds),
        ("class ", trajectory.labels),
    )
    said = [
        f"{what}{values[video_idx]}"
        for what, values in known
        if values is not None and video_idx < len(values)
    ]
    return ", ".join(said) or f"video {video_idx}"


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
