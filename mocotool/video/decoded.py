"""Every frame of a set of videos, decoded once and kept at the size training sees.

34,599 frames at 64 pixels are 425 MB. From there a clip is a copy, so that no worker is needed
and the codec is never the bottleneck. Sets too large for memory go to a memory-mapped file.
"""

import hashlib
import json
import os
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from mocotool.arrays import FramesU8
from mocotool.errors import FileFormatError
from mocotool.files import HASH_CHUNK_BYTES, atomic_path, make_folder
from mocotool.memory import free_memory_bytes
from mocotool.video.archives import identify_source
from mocotool.video.cutting import iter_squares
from mocotool.video.reading import VideoEntry

LAYOUT_VERSION = 2  # part of the name of memory-mapped files; raise it when their bytes change
MEMORY_SHARE = 4  # a quarter of the memory that is free may hold decoded frames


class DecodedFrames:
    """All frames of some videos as one array.

    Args:
        array: uint8 [n, 3, size, size], the videos one after another.
        starts: Place of each video's first frame.
        problems: Video -> (its first frame that cannot be decoded, the reason).
    """

    def __init__(
        self, array: FramesU8, starts: Sequence[int], problems: dict[int, tuple[int, str]]
    ) -> None:
        self.array = array
        self._starts = starts
        self._problems = problems

    def read(self, video_idx: int, frame_idx: range) -> FramesU8:
        """Return some frames of a video, a view of uint8 [t, 3, size, size].

        Raises:
            FileFormatError: One of them could not be decoded.
        """
        if video_idx in self._problems and frame_idx[-1] >= self._problems[video_idx][0]:
            raise FileFormatError(self._problems[video_idx][1])
        start = self._starts[video_idx]
        return self.array[start + frame_idx.start : start + frame_idx.stop : frame_idx.step]


def decode_all(
    entries: Sequence[VideoEntry],
    *,
    size: int,
    memory_bytes: int | None = None,
    folder: Path | str | None = None,
    advance: Callable[[int], None] | None = None,
) -> DecodedFrames | None:
    """Decode all frames of some videos to centre squares, if there is room for them.

    Args:
        entries: The videos.
        size: Height and width to keep them at.
        memory_bytes: Memory they may take; `None` for a quarter of what is free, shared among the
            processes of this machine; 0 for none.
        folder: Where to put them in a file when they do not fit into memory; it is found again by
            the next run on the same files. `None` for nowhere.
        advance: Called with the number of frames done since the last call.

    Returns:
        The frames, or `None` if they do not fit and no folder is given.
    """
    num_frames = sum(entry.num_frames for entry in entries)
    shape = (num_frames, 3, size, size)

    # In memory, if there is room
    if memory_bytes is None:
        memory_bytes = free_memory_bytes() // MEMORY_SHARE
    if num_frames * 3 * size * size <= memory_bytes:
        array = np.empty(shape, np.uint8)
        return DecodedFrames(array, _starts(entries), _fill(array, entries, advance))

    # Else in a file, which the next run finds again
    if folder is None:
        return None
    folder = Path(folder)
    path = folder / f"frames-{_identify(entries, size)}.npy"
    notes = path.with_suffix(".json")
    saved = _read_notes(notes, path, shape)
    if saved is None:
        make_folder(folder)
        with atomic_path(path) as part:
            mapped = np.lib.format.open_memmap(part, "w+", np.uint8, shape)
            problems = _fill(mapped, entries, advance)
            mapped.flush()
            del mapped
        saved = problems
        record = {
            "version": LAYOUT_VERSION,
            "checksum": _checksum(path),
            "problems": [[key, *value] for key, value in problems.items()],
        }
        with atomic_path(notes) as part:
            part.write_text(json.dumps(record))
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    return DecodedFrames(array, _starts(entries), saved)


def _read_notes(
    notes: Path, path: Path, shape: tuple[int, ...]
) -> dict[int, tuple[int, str]] | None:
    """Return what was noted beside frames in a file, or `None` if they have to be made again."""
    try:
        record = json.loads(notes.read_text(encoding="utf-8"))
        if record["version"] != LAYOUT_VERSION or record["checksum"] != _checksum(path):
            return None
        if np.load(path, mmap_mode="r", allow_pickle=False).shape != shape:
            return None
        return {int(key): (int(at), str(why)) for key, at, why in record["problems"]}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _checksum(path: Path) -> int:
    total = 0
    with path.open("rb") as file:
        while chunk := file.read(HASH_CHUNK_BYTES):
            total = zlib.crc32(chunk, total)
    return total


def _starts(entries: Sequence[VideoEntry]) -> list[int]:
    lengths = [entry.num_frames for entry in entries]
    return [0, *np.cumsum(lengths[:-1]).tolist()]


def _fill(
    array: FramesU8,
    entries: Sequence[VideoEntry],
    advance: Callable[[int], None] | None,
) -> dict[int, tuple[int, str]]:
    """Decode every video into its place; return those that end early."""
    problems: dict[int, tuple[int, str]] = {}

    def decode_one(video_idx: int, start: int) -> int:
        entry = entries[video_idx]
        num_done = 0
        try:
            for chunk in iter_squares(entry, array.shape[-1]):
                array[start + num_done : start + num_done + len(chunk)] = chunk
                num_done += len(chunk)
        except FileFormatError as error:
            array[start + num_done : start + entry.num_frames] = 0
            problems[video_idx] = (num_done, str(error))
        return entry.num_frames

    # The codec works outside the interpreter's lock, so threads are enough.
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for num_done in pool.map(decode_one, range(len(entries)), _starts(entries)):
            if advance is not None:
                advance(num_done)
    return problems


def _identify(entries: Sequence[VideoEntry], size: int) -> str:
    """Return 16 digits that change when a file does."""
    digest = hashlib.sha256(f"{LAYOUT_VERSION} {size}".encode())
    for entry in entries:
        for source in entry.sources:
            digest.update(repr(identify_source(source)).encode())
        digest.update(str(entry.num_frames).encode())
    return digest.hexdigest()[:16]
