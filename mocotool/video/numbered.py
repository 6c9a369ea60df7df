"""Frames as numbered pictures, `frames/%05d.png`: written completely or not at all."""

import contextlib
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from mocotool.arrays import FramesU8
from mocotool.errors import ConfigError
from mocotool.files import atomic_folder, check_output_path
from mocotool.video.pictures import encode_png

PLACE = re.compile(r"%(0\d)?d")


def is_numbered(path: Path) -> bool:
    """Return whether a path is a pattern of numbered pictures: "%d" or "%05d" in a .png name."""
    return path.suffix.lower() == ".png" and len(PLACE.findall(path.name)) == 1


def name_frame(pattern: Path, frame_idx: int) -> Path:
    """Return the path of a frame; frames count from 0."""
    digits = PLACE.search(pattern.name)
    assert digits is not None
    width = int(digits[1] or 0)
    return pattern.with_name(PLACE.sub(f"{frame_idx:0{width}d}", pattern.name))


def name_sets(pattern: Path, *, num_videos: int) -> list[Path]:
    """Return the pattern of each video; several videos get folders 0000, 0001 and so on."""
    if num_videos == 1:
        return [pattern]
    folders = [pattern.parent / f"{video_idx:04d}" for video_idx in range(num_videos)]
    return [folder / pattern.name for folder in folders]


def find_frames(pattern: Path) -> list[Path]:
    """Return the existing files that match a pattern."""
    before, after = (re.escape(part) for part in PLACE.split(pattern.name)[::2])
    name = re.compile(rf"{before}\d+{after}")
    folder = pattern.parent
    found = folder.iterdir() if folder.is_dir() else []
    return sorted(path for path in found if name.fullmatch(path.name))


def check_numbered_output(pattern: Path, *, force: bool, num_videos: int = 1) -> None:
    """Check that frames can be written; the last folder of the path is created if it is missing.

    Raises:
        ConfigError: Such frames exist and `force` is off, or the folder cannot be created.
    """
    folder = pattern.parent
    if PLACE.search(str(folder)):
        raise ConfigError(f"{pattern}: the number belongs in the file's name, not in the folder's")
    sets = name_sets(pattern, num_videos=num_videos)
    found = [frame for own in sets for frame in find_frames(own)]
    if found and not force:
        others = f" and {len(found) - 1} more" if len(found) > 1 else ""
        raise ConfigError(
            f"{found[0]}{others}: already exists", hint="choose another folder, or add --force"
        )
    if folder.is_dir():
        check_output_path(name_frame(pattern, 0), force=True)
    else:
        check_output_path(folder, force=force)


def write_numbered(pattern: Path, frames: Iterable[FramesU8]) -> int:
    """Write frames as lossless PNG files; all of them, or none.

    Frames of an earlier set with this pattern are replaced, surplus ones removed.

    Args:
        pattern: A path with "%05d" or the like in its name.
        frames: Chunks uint8 [t, h, w, 3] RGB or [t, h, w, 4] RGBA; taken one at a time.

    Returns:
        The number of frames written.

    Raises:
        ConfigError: No frames, or the folder cannot be written.
    """
    earlier = find_frames(pattern)
    num_frames = 0
    with atomic_folder(pattern.parent) as part:
        for chunk in frames:
            for frame_u8 in chunk:
                name_frame(part / pattern.name, num_frames).write_bytes(encode_png(frame_u8))
                num_frames += 1
        if not num_frames:
            raise ConfigError("no frames to write")
    written = {name_frame(pattern, frame_idx) for frame_idx in range(num_frames)}
    for path in earlier:
        if path not in written:
            path.unlink()
    return num_frames


def drop_earlier_sets(pattern: Path, *, num_videos: int) -> None:
    """Remove surplus folders of an earlier, larger set, if they hold nothing else."""
    kept = {path.parent for path in name_sets(pattern, num_videos=num_videos)}
    for folder in pattern.parent.iterdir():
        if re.fullmatch(r"\d{4,}", folder.name) and folder.is_dir() and folder not in kept:
            own = find_frames(folder / pattern.name)
            if len(own) == len(list(folder.iterdir())):
                with contextlib.suppress(OSError):
                    shutil.rmtree(folder)
