"""Exact random access to frames by their index.

To read a frame of a file indexed by `opening`, the decoder starts at the last key frame at or
before it. Files that cannot seek are decoded from the start.
"""

import contextlib
import itertools
from bisect import bisect_right
from collections.abc import Iterator, Sequence

import av
import av.error
import numpy as np

from mocotool.arrays import FramesU8
from mocotool.boundary import Meter, foreign_data
from mocotool.errors import FileFormatError, MismatchError
from mocotool.video.archives import source_size
from mocotool.video.containers import decode_on, explained, open_container, video_stream
from mocotool.video.limits import check_clip_size
from mocotool.video.opening import VideoEntry
from mocotool.video.pictures import decode_image
from mocotool.video.pixels import to_rgb

# Seek only past at least this many frames: a seek costs about as much as decoding them.
MIN_SKIP = 6

# A seek may come out this many frames early: those shown before a key frame but stored after it.
MAX_REORDERED = 64


def read_frames(entry: VideoEntry, indices: Sequence[int]) -> FramesU8:
    """Read some frames of a video.

    Args:
        entry: From `open_video` or `list_videos`.
        indices: Frame indices from 0, in any order, with repeats.

    Returns:
        uint8 [t, h, w, 3] RGB, in the order of `indices`.

    Raises:
        FileFormatError: A frame cannot be decoded, or differs in size from the first.
        MismatchError: An index is beyond the end of the video.
    """
    check_clip_size(len(indices), entry.width, entry.height, name=entry.path)
    frames = np.empty((len(indices), entry.height, entry.width, 3), np.uint8)
    places: dict[int, list[int]] = {}
    for place, index in enumerate(indices):
        places.setdefault(int(index), []).append(place)
    for index, frame in iter_frames(entry, sorted(places)):
        if frame.shape != frames.shape[1:]:
            height, width, _ = frame.shape
            raise FileFormatError(
                f"{entry.path}: frame {index} is {width}x{height}, the first is "
                f"{entry.width}x{entry.height}",
            )
        frames[places[index]] = frame
    return frames


def iter_frames(
    entry: VideoEntry, indices: Sequence[int] | None = None
) -> Iterator[tuple[int, FramesU8]]:
    """Yield frames one by one, in memory for a single frame.

    Args:
        entry: From `open_video` or `list_videos`.
        indices: Frame indices in ascending order; `None` for all.

    Yields:
        (index, uint8 [h, w, 3] RGB); images of a folder may differ in size.
    """
    wanted = range(entry.num_frames) if indices is None else indices
    if len(wanted) and not 0 <= wanted[0] <= wanted[-1] < entry.num_frames:
        raise MismatchError(
            f"{entry.path}: no frame {wanted[-1] if wanted[0] >= 0 else wanted[0]}, "
            f"the video has {entry.num_frames}"
        )
    if entry.kind == "image":
        return iter([(index, decode_image(entry.sources[0])) for index in wanted])
    if entry.kind == "frames":
        sources = entry.sources
        return ((index, decode_image(sources[index])) for index in wanted)
    return _iter_file_frames(entry, wanted)


def _iter_file_frames(entry: VideoEntry, wanted: Sequence[int]) -> Iterator[tuple[int, FramesU8]]:
    with (
        foreign_data(entry.path, what="a video"),
        explained(f"{entry.path}: cannot be read"),
        contextlib.closing(_Decoder(entry)) as decoder,
    ):
        for index in wanted:
            yield index, to_rgb(decoder.read(index))


class _Decoder:
    """An open file that decodes forwards, and seeks where that is faster.

    Args:
        entry: A file, indexed by `open_video`.
    """

    def __init__(self, entry: VideoEntry) -> None:
        self._entry = entry
        self._source = entry.sources[0]
        self._meter = Meter.for_file(source_size(self._source))
        self._next_index = 0  # the frame that comes next, if nothing is lost
        self._open()

    def close(self) -> None:
        self._container.close()

    def read(self, index: int) -> av.VideoFrame:
        """Return frame `index`; fastest in ascending order.

        Raises:
            FileFormatError: The decoder does not output this frame.
        """
        frame = self._read_by_time(index) if self._entry.times else self._read_by_count(index)
        if frame is None:
            raise FileFormatError(f"{self._entry.path}: frame {index} cannot be decoded")
        self._next_index = index + 1
        return frame

    def _open(self) -> None:
        self._container = open_container(self._source)
        self._stream = video_stream(self._container, self._entry.path)
        self._frames = decode_on(self._container, self._stream, self._meter)

    def _reopen(self) -> None:
        self.close()
        self._open()
        self._next_index = 0

    def _read_by_count(self, index: int) -> av.VideoFrame | None:
        if index < self._next_index:
            self._reopen()
        return next(itertools.islice(self._frames, index - self._next_index, None), None)

    def _read_by_time(self, index: int) -> av.VideoFrame | None:
        times, keys = self._entry.times, self._entry.keys
        key_idx = bisect_right(keys, index) - 1
        if index >= self._next_index and keys[key_idx] - self._next_index < MIN_SKIP:
            return self._advance_to(index, self._next_index)
        # With reordered frames a seek may land too late: try an earlier key frame then.
        for key in reversed(keys[max(1, key_idx - 2) : key_idx + 1]):
            if not self._seek(times[key]):
                break
            if (frame := self._advance_to(index, key)) is not None:
                return frame
        self._reopen()
        return self._advance_to(index, 0)

    def _seek(self, time: int) -> bool:
        try:
            self._container.seek(time, stream=self._stream)
        except av.error.FFmpegError:
            return False
        self._frames = decode_on(self._container, self._stream, self._meter)
        return True

    def _advance_to(self, index: int, start: int) -> av.VideoFrame | None:
        """Decode from frame `start`, or a little before it, up to `index`."""
        for frame in itertools.islice(self._frames, index - start + 1 + MAX_REORDERED):
            if frame.pts == self._entry.times[index]:
                return frame
        return None
