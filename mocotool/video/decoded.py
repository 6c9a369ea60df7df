"""Every frame of a set of videos, decoded once and kept at the size training sees.

34,599 frames at 64 pixels are 425 MB. From there a clip is a copy, so that no worker is needed and
the codec is never the bottleneck. The array lies in a file of the user's cache, so that the next
run and the other processes of this one have it; or in memory; or in a file of the run's folder.
"""

import contextlib
import functools
import hashlib
import io
import json
import math
import os
import queue
import random
import shutil
import zlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from pathlib import Path
from typing import Any

import av
import numpy as np

from mocotool.arrays import FramesU8
from mocotool.cache import InUse, kept_path, limit_bytes, make_room, making
from mocotool.errors import ConfigError, FileFormatError
from mocotool.files import HASH_CHUNK_BYTES, atomic_path, make_folder
from mocotool.memory import free_memory_bytes, num_usable_cores
from mocotool.video.archives import identify_source
from mocotool.video.beside import Decoding
from mocotool.video.cutting import Size, iter_squares, to_height_and_width
from mocotool.video.opening import VideoEntry

LAYOUT_VERSION = 2  # part of the name of memory-mapped files; raise it when their bytes change
MEMORY_SHARE = 4  # a quarter of the memory that is free may hold decoded frames
MIN_SHARED_BYTES = 1 << 24
"""Fewer are decoded in about a second, and stay out of the cache: 1,365 frames of 64 pixels."""
CHECKED_BYTES = 1 << 26  # what one thread checks at a time
CHECKED_PIECES = 16
"""Of a larger file than so many of those (1 GiB) some are checked, others at every opening: reading
all of the 70 GB that 20,000 clips take at 128 pixels would be a minute of every start."""
MAX_THREADS = 16


class DecodedFrames:
    """All frames of some videos as one array.

    Args:
        array: uint8 [n, 3, h, w], the videos one after another.
        starts: Place of each video's first frame.
        problems: Video -> (its first frame that cannot be decoded, the reason).
        held: Keeps the array's file where it is.
        decoding: Videos that are still to be decoded, in threads that go on.
    """

    def __init__(
        self,
        array: FramesU8,
        starts: Sequence[int],
        problems: dict[int, tuple[int, str]],
        held: InUse | None = None,
        decoding: Decoding | None = None,
    ) -> None:
        self.array = array
        self._starts = starts
        self._problems = problems
        self.held = held
        self._decoding = decoding
        self.work: Future[Any] | None = None

    def read(self, video_idx: int, frame_idx: range) -> FramesU8:
        """Return some frames of a video, a view of uint8 [t, 3, h, w]; wait until it is decoded.

        Raises:
            FileFormatError: One of them could not be decoded.
        """
        if self._decoding is not None:
            self._decoding.wait(video_idx)
        if video_idx in self._problems and frame_idx[-1] >= self._problems[video_idx][0]:
            raise FileFormatError(self._problems[video_idx][1])
        start = self._starts[video_idx]
        return self.array[start + frame_idx.start : start + frame_idx.stop : frame_idx.step]

    @property
    def is_decoding(self) -> bool:
        """Whether videos are still to be decoded."""
        return self._decoding is not None and not self._decoding.is_over

    def want(self, videos: Iterable[int]) -> None:
        """Decode some videos next, where they are not yet."""
        if self._decoding is not None:
            self._decoding.want(videos)

    def close(self) -> None:
        """Stop what is decoded beside; a file that is not whole goes."""
        if self._decoding is not None and self.work is not None:
            self._decoding.stop()
            wait([self.work])


Problems = dict[int, tuple[int, str]]
Fill = Callable[[FramesU8, Sequence[VideoEntry]], Problems]


def decode_beside(
    entries: Sequence[VideoEntry], *, size: Size, **options: Any
) -> DecodedFrames | None:
    """Do the same as `decode_all`, and return as soon as there is a place for the frames.

    They are decoded in threads; reading waits for the video that it is of. `close` stops that. Few
    frames are decoded first, and nothing is told of the progress of many.

    Args:
        entries: The videos.
        size: Side to keep them at, or height and width.
        **options: As for `decode_all`.
    """
    num_frames = sum(entry.num_frames for entry in entries)
    if num_frames * 3 * math.prod(to_height_and_width(size)) < MIN_SHARED_BYTES:
        return decode_all(entries, size=size, **options)
    answers: queue.SimpleQueue[DecodedFrames | BaseException | None] = queue.SimpleQueue()
    decoding = Decoding(len(entries))
    begun: list[DecodedFrames] = []

    def fill(array: FramesU8, entries: Sequence[VideoEntry]) -> Problems:
        problems: Problems = {}
        if not begun:  # a second array, after an error in writing the first, has no readers
            begun.append(DecodedFrames(array, _starts(entries), problems, decoding=decoding))
            answers.put(begun[0])
        _fill_as_wanted(array, entries, decoding, problems)
        return problems

    def tell(work: "Future[DecodedFrames | None]") -> None:
        error = work.exception()
        if error is not None:  # whoever reads is told
            decoding.fail(error)
            answers.put(error)
            return
        frames = work.result()
        if begun and frames is not None:
            begun[0].held = frames.held
        answers.put(frames)

    pool = ThreadPoolExecutor(max_workers=1)
    work = pool.submit(decode_all, entries, size=size, fill=fill, **options)
    pool.shutdown(wait=False)
    work.add_done_callback(tell)
    answer = answers.get()
    if isinstance(answer, BaseException):
        raise answer
    if answer is not None:
        answer.work = work
    return answer


def decode_all(
    entries: Sequence[VideoEntry],
    *,
    size: Size,
    memory_bytes: int | None = None,
    folder: Path | str | None = None,
    shares: bool = False,
    advance: Callable[[int], None] | None = None,
    warn: Callable[[str], None] | None = None,
    fill: Fill | None = None,
) -> DecodedFrames | None:
    """Decode all frames of some videos to centre squares, if there is room for them.

    Args:
        entries: The videos.
        size: Side to keep them at, or height and width.
        memory_bytes: Memory they may take; `None` for a quarter of what is free, shared among the
            processes of this machine; 0 for none.
        folder: Where to put them in a file when they do not fit into memory; it is found again by
            the next run on the same files. `None` for nowhere.
        shares: Whether they may go to the user's cache, where other runs find them and several
            processes have them in memory once. What decodes in no time does not.
        advance: Called with the number of frames done since the last call.
        warn: Called where not even the folder's disk has room.
        fill: Decodes into an array, in place of doing so at once; see `decode_beside`.

    Returns:
        The frames, or `None` if they do not fit anywhere.
    """
    num_frames = sum(entry.num_frames for entry in entries)
    num_bytes = num_frames * 3 * math.prod(to_height_and_width(size))
    fill = fill or functools.partial(_fill, advance=advance)

    # In the cache, where they may be already
    if shares and num_bytes >= MIN_SHARED_BYTES and limit_bytes() > 0:
        found = _find_or_share(entries, size, num_bytes, fill, advance)
        if found is not None:
            return found

    # In memory, if there is room
    if memory_bytes is None:
        memory_bytes = free_memory_bytes() // MEMORY_SHARE
    if num_bytes <= memory_bytes:
        array = np.empty((num_frames, 3, *to_height_and_width(size)), np.uint8)
        return DecodedFrames(array, _starts(entries), fill(array, entries))

    # Else in a file, which the next run finds again
    if folder is None:
        return None
    path = Path(folder) / _name_file(entries, size)
    with making(path):  # by one of the processes that share the folder
        found = _open_file(path, entries, size)
        if found is not None:
            return found
        free = shutil.disk_usage(make_folder(path.parent)).free
        if num_bytes < free:
            return _decode_to_file(path, entries, size, fill)
    if warn is not None:
        warn(
            f"{num_frames:,} frames take {num_bytes / 1e9:.3g} GB, {path.parent} has "
            f"{free / 1e9:.3g} GB to spare: clips are decoded each time that they are drawn"
        )
    return None


def _find_or_share(
    entries: Sequence[VideoEntry],
    size: Size,
    num_bytes: int,
    fill: Fill,
    advance: Callable[[int], None] | None,
) -> DecodedFrames | None:
    """Find frames in the cache or put them there; `None` where there is no room for them."""
    path = kept_path("frames", _name_file(entries, size))
    found = _open_file(path, entries, size)
    if found is None:
        with making(path):
            found = _open_file(path, entries, size)  # from whoever was here before
            if found is None:
                with contextlib.suppress(ConfigError, OSError):  # then it goes elsewhere
                    if make_room(num_bytes):
                        return _decode_to_file(path, entries, size, fill)
                return None
    if advance is not None:
        advance(len(found.array))
    return found


def _decode_to_file(
    path: Path,
    entries: Sequence[VideoEntry],
    size: Size,
    fill: Fill,
) -> DecodedFrames | None:
    """Decode all frames to a file, with notes beside it."""
    make_folder(path.parent)
    num_frames = sum(entry.num_frames for entry in entries)
    with atomic_path(path) as part:
        mapped = np.lib.format.open_memmap(
            part, "w+", np.uint8, (num_frames, 3, *to_height_and_width(size))
        )
        if hasattr(os, "posix_fallocate"):  # a full disk would end the process without a word
            with part.open("rb+") as file:
                os.posix_fallocate(file.fileno(), 0, part.stat().st_size)
        problems = fill(mapped, entries)
        mapped.flush()
        del mapped
    record = {
        "version": LAYOUT_VERSION,
        "checksums": _checksums(path, range(_count_pieces(path))),
        "problems": [[key, *value] for key, value in problems.items()],
    }
    with atomic_path(path.with_suffix(".json")) as part:
        part.write_text(json.dumps(record))
    return _open_file(path, entries, size, is_checked=True)


def _open_file(
    path: Path, entries: Sequence[VideoEntry], size: Size, *, is_checked: bool = False
) -> DecodedFrames | None:
    """Open frames in a file; `None` if there is none, or they have to be made again."""
    notes = path.with_suffix(".json")
    if not notes.is_file():
        return None
    held = InUse(path)
    try:
        record = json.loads(notes.read_text(encoding="utf-8"))
        problems = {int(key): (int(at), str(why)) for key, at, why in record["problems"]}
        shape = (sum(entry.num_frames for entry in entries), 3, *to_height_and_width(size))
        header = _npy_header(shape)
        with path.open("rb") as file:  # one that begins otherwise is not parsed
            begins_so = file.read(len(header)) == header
        if record["version"] != LAYOUT_VERSION or not begins_so:
            return None
        array = np.memmap(path, np.uint8, "r", offset=len(header), shape=shape)
        if not is_checked and not _is_sound(path, record["checksums"]):
            return None
    except (OSError, EOFError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return DecodedFrames(array, _starts(entries), problems, held)


def _npy_header(shape: tuple[int, ...]) -> bytes:
    """Return how a `.npy` file of bytes begins."""
    header = io.BytesIO()
    fields = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, fields)
    return header.getvalue()


def _is_sound(path: Path, checksums: list[int]) -> bool:
    """Return whether a file is what it was when it was written, by some of its pieces or all."""
    number = _count_pieces(path)
    if len(checksums) != number:
        return False
    chosen: Sequence[int] = range(number)
    if number > CHECKED_PIECES:
        draws = random.SystemRandom()  # the run's own random numbers stay as they are
        chosen = draws.sample(chosen, CHECKED_PIECES)
    return _checksums(path, chosen) == [checksums[piece] for piece in chosen]


def _count_pieces(path: Path) -> int:
    return -(-path.stat().st_size // CHECKED_BYTES)


def _checksums(path: Path, pieces: Sequence[int]) -> list[int]:
    """Return the CRC-32 of some pieces of a file, each of `CHECKED_BYTES` but for the last."""

    def check(piece: int) -> int:
        total, left = 0, CHECKED_BYTES
        with path.open("rb") as file:
            file.seek(piece * CHECKED_BYTES)
            while left and (chunk := file.read(min(left, HASH_CHUNK_BYTES))):
                total, left = zlib.crc32(chunk, total), left - len(chunk)
        return total

    with _threads() as pool:  # both reading and summing leave the interpreter's lock
        return list(pool.map(check, pieces))


def _starts(entries: Sequence[VideoEntry]) -> list[int]:
    lengths = [entry.num_frames for entry in entries]
    return [0, *np.cumsum(lengths[:-1]).tolist()]


def _fill(
    array: FramesU8,
    entries: Sequence[VideoEntry],
    advance: Callable[[int], None] | None,
) -> Problems:
    """Decode every video into its place; return those that end early."""
    problems: Problems = {}

    def decode_one(video_idx: int, start: int) -> int:
        _decode_one(array, entries, video_idx, start, problems)
        return entries[video_idx].num_frames

    # The codec works outside the interpreter's lock, so threads are enough.
    with _threads() as pool:
        for num_done in pool.map(decode_one, range(len(entries)), _starts(entries)):
            if advance is not None:
                advance(num_done)
    return problems


def _fill_as_wanted(
    array: FramesU8, entries: Sequence[VideoEntry], decoding: Decoding, problems: Problems
) -> None:
    """Decode every video into its place, those that are wanted first, and note what ends early."""
    starts = _starts(entries)

    def decode_some() -> None:
        while (video_idx := decoding.take()) is not None:
            _decode_one(
                array, entries, video_idx, starts[video_idx], problems, check=decoding.check
            )
            decoding.finish(video_idx)

    with _threads() as pool:
        for worker in as_completed([pool.submit(decode_some) for _ in range(_num_threads())]):
            if (error := worker.exception()) is not None:  # the others end as well
                decoding.fail(error)
    decoding.check()


def _decode_one(
    array: FramesU8,
    entries: Sequence[VideoEntry],
    video_idx: int,
    start: int,
    problems: Problems,
    *,
    check: Callable[[], None] | None = None,
) -> None:
    """Decode one video into its place, or note where it ends early.

    Args:
        array: uint8 [n, 3, h, w], of all videos.
        entries: All videos.
        video_idx: Which of them.
        start: Its first frame's place.
        problems: Where it is noted.
        check: Called after each of its chunks; ends the decoding by an error.
    """
    entry, num_done = entries[video_idx], 0
    try:
        for chunk in iter_squares(entry, (array.shape[2], array.shape[3])):
            array[start + num_done : start + num_done + len(chunk)] = chunk
            num_done += len(chunk)
            if check is not None:
                check()
    except FileFormatError as error:
        array[start + num_done : start + entry.num_frames] = 0
        problems[video_idx] = (num_done, str(error))


def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=_num_threads())


def _num_threads() -> int:
    return min(MAX_THREADS, num_usable_cores())


def _name_file(entries: Sequence[VideoEntry], size: Size) -> str:
    """Return the name of the file of these frames, which changes when a video does."""
    digest = hashlib.sha256(f"{LAYOUT_VERSION} {size} {av.__version__}".encode())
    for entry in entries:
        for source in entry.sources:
            digest.update(repr(identify_source(source)).encode())
        digest.update(str(entry.num_frames).encode())
    return f"frames-{digest.hexdigest()[:16]}.npy"
