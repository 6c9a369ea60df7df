"""Any frame of any video by its number, exactly, by seeking.

A file is indexed once by walking its packets without decoding them: presentation times and which
packets are key frames. Frame i is the i-th presentation time. To read it, the decoder starts at
the last key frame at or before it. Files whose packets do not tell the truth are decoded once to
be indexed; those that cannot seek are counted through from the start.
"""

import contextlib
import itertools
import os
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av
import av.error
import numpy as np

from mocotool.arrays import FramesU8
from mocotool.boundary import Meter, foreign_data
from mocotool.errors import FileFormatError, MismatchError
from mocotool.files import check_input_file
from mocotool.video.archives import Member, Source, open_source, source_path, source_size
from mocotool.video.limits import MAX_FRAMES, check_clip_size, check_frame_size, max_pixels
from mocotool.video.pictures import IMAGE_SUFFIXES, decode_image
from mocotool.video.pixels import to_rgb

# Containers whose packet times are the times of the decoded frames, and which seek. In all others
# frames are counted from the start.
SEEKABLE_CONTAINERS = frozenset(
    {"mov", "mp4", "matroska", "webm", "avi", "gif", "apng", "mpegts", "flv", "asf"}
)
# These reorder frames, and AVI cannot say how.
REORDERING_CODECS = frozenset({"h264", "hevc"})

# Seek only past at least this many frames: a seek costs about as much as decoding them.
MIN_SKIP = 6

# A seek may come out this many frames early: those shown before a key frame but stored after it.
MAX_REORDERED = 64

# What a playlist disguised as a video may open: nothing but files, never the network.
OPEN_OPTIONS = {"protocol_whitelist": "file"}


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class VideoEntry:
    """A video that can be read: a file, a folder of frames, or one still image."""

    path: Path
    """The file, or the folder that holds the frames."""
    kind: Literal["file", "frames", "image"]
    """What it is."""
    num_frames: int
    """How many frames it has."""
    fps: float | None
    """Frames per second, on average; `None` for folders and images, which do not say."""
    width: int
    """Width of an upright frame in pixels."""
    height: int
    """Height of an upright frame in pixels."""
    times: tuple[int, ...] = ()
    """Files: the time by which each frame is known to the decoder; empty: count from the start."""
    keys: tuple[int, ...] = ()
    """Files: numbers of the frames at which decoding can begin."""
    names: tuple[str, ...] = ()
    """Folders: the file of each frame."""
    members: tuple[Member, ...] = ()
    """In an archive: where the file, or that of each frame, lies; `path` is what it is called."""
    contents: str = ""
    """16 digits that change when another video takes its place; empty where nobody looked."""

    @property
    def sources(self) -> tuple[Source, ...]:
        """Where its bytes lie: the file, or that of each frame."""
        return list_sources(self.path, self.names, self.members)


def list_sources(
    path: Path, names: Sequence[str], members: tuple[Member, ...]
) -> tuple[Source, ...]:
    """Return where a video's bytes lie: in one file, in that of each frame, or in an archive."""
    return members or tuple(path / name for name in names) or (path,)


def open_video(path: Path | str) -> VideoEntry:
    """Look at a video file, an image or a folder of frames, without decoding more than one frame.

    Args:
        path: The file, or a folder with numbered images.

    Returns:
        What `read_frames` needs.

    Raises:
        FileFormatError: It is missing, holds no video, or cannot be decoded.
    """
    path = Path(path)
    if path.is_dir():
        names = sorted(
            (item.name for item in path.iterdir() if is_image_name(item.name)), key=natural_key
        )
        if not names:
            raise FileFormatError(f"{path}: no images in this folder, expected numbered frames")
        return open_frames(path, names)
    check_input_file(path)
    return open_source_video(path)


def open_source_video(source: Source) -> VideoEntry:
    """Look at a video or an image, in a file that is there or in an archive; see `open_video`."""
    path = source_path(source)
    if not is_image_name(path.name):
        with foreign_data(path, what="a video"), explained(f"{path}: cannot be read as a video"):
            return _index_file(source)
    height, width, _ = decode_image(source).shape
    return VideoEntry(
        path=path,
        kind="image",
        num_frames=1,
        fps=None,
        width=width,
        height=height,
        members=_members(source),
    )


def _members(source: Source) -> tuple[Member, ...]:
    return () if isinstance(source, Path) else (source,)


def open_frames(folder: Path, names: Sequence[str], members: Sequence[Member] = ()) -> VideoEntry:
    """Take images of one folder, in the order given, as the frames of a video.

    Args:
        folder: Where they are.
        names: Their names in it.
        members: Where they lie, if the folder is one in an archive.
    """
    height, width, _ = decode_image(members[0] if members else folder / names[0]).shape
    return VideoEntry(
        path=folder,
        kind="frames",
        num_frames=len(names),
        fps=None,
        width=width,
        height=height,
        names=tuple(names),
        members=tuple(members),
    )


def read_frames(entry: VideoEntry, indices: Sequence[int]) -> FramesU8:
    """Read some frames of a video.

    Args:
        entry: From `open_video` or `list_videos`.
        indices: Frame numbers from 0, in any order, repeats allowed.

    Returns:
        uint8 [t, h, w, 3] RGB, in the order of `indices`.

    Raises:
        FileFormatError: A frame cannot be decoded, or has another size than the first.
        MismatchError: A number is beyond the video's end.
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
    """Yield frames one after another, so that a long video needs the memory of one frame.

    Args:
        entry: From `open_video` or `list_videos`.
        indices: Frame numbers in rising order; `None` for all.

    Yields:
        (number, uint8 [h, w, 3] RGB); images of a folder may differ in size.
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


def natural_key(name: str) -> tuple[tuple[int, str], ...]:
    """Return a key that sorts 2 before 10, wherever the numbers stand in a name."""
    parts = re.findall(r"\d+|\D+", name.casefold())
    return (*((int(part), "") if part.isdecimal() else (-1, part) for part in parts), (-2, name))


def is_image_name(name: str) -> bool:
    """Whether a file name is that of an image; hidden files are not."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES


@contextlib.contextmanager
def explained(lead: str, *, what: str = "a video") -> Iterator[None]:
    """Say what FFmpeg's errors mean, where `what` was expected."""
    try:
        yield
    except av.error.FFmpegError as error:
        raise FileFormatError(f"{lead}: {_reason(error, what)}") from None


def _reason(error: av.error.FFmpegError, what: str) -> str:
    reason = (error.strerror or str(error)).strip()
    if isinstance(error, av.error.InvalidDataError):
        return f"damaged, cut short, or not {what}"
    return reason[:1].lower() + reason[1:]


def _index_file(source: Source) -> VideoEntry:
    path = source_path(source)
    meter = Meter.for_file(source_size(source))
    with _open_container(source) as container:
        stream = _video_stream(container, path)
        packets = _walk_packets(container, stream)
        formats = set(container.format.name.split(","))
        codec = stream.codec_context
        has_times = bool(formats & SEEKABLE_CONTAINERS) and not (
            "avi" in formats and codec.name in REORDERING_CODECS
        )
        reorders = codec.reorder_depth > 0
        average_rate, time_base = stream.average_rate, stream.time_base
    with _open_container(source) as container:
        first = next(_decode(container, _video_stream(container, path), meter), None)
    if first is None:
        raise FileFormatError(f"{path}: no frame can be decoded")
    height, width, _ = to_rgb(first).shape

    frames = sorted(packets, key=lambda packet: packet.time or 0)
    is_told = (
        not reorders or frames != packets
    )  # some files reorder frames and keep it to themselves
    if not (has_times and is_told and _has_index(frames) and frames[0].time == first.pts):
        frames = _decode_index(source, meter)
    times, keys = [], []
    if has_times and _has_index(frames):
        times = [frame.time for frame in frames if frame.time is not None]
        keys = [index for index, frame in enumerate(frames) if frame.is_key]
    if formats & {"gif", "apng"}:  # each frame may draw over the last, whatever the packets say
        keys = keys[:1]
    return VideoEntry(
        path=path,
        kind="file",
        num_frames=len(frames),
        fps=_mean_rate(times, time_base, average_rate),
        width=width,
        height=height,
        times=tuple(times),
        keys=tuple(keys),
        members=_members(source),
    )


@dataclass(frozen=True, slots=True)
class _Mark:
    """What is known of one packet, or of the frame that came out of it."""

    time: int | None
    is_key: bool


def _has_index(frames: Sequence[_Mark]) -> bool:
    """Whether every frame can be told from the others by its time, and the first is a key frame."""
    times = {frame.time for frame in frames}
    return len(times) == len(frames) > 0 and None not in times and frames[0].is_key


def _walk_packets(container: av.container.InputContainer, stream: av.VideoStream) -> list[_Mark]:
    packets = []
    try:
        for packet in container.demux(stream):
            if packet.size and not packet.is_discard and not packet.is_corrupt:
                packets.append(_Mark(packet.pts, packet.is_keyframe))
            if len(packets) > MAX_FRAMES:
                raise FileFormatError(f"holds more than {MAX_FRAMES:,} frames")
    except av.error.FFmpegError:
        pass  # cut short: what came before is there
    return packets


def _decode_index(source: Source, meter: Meter) -> list[_Mark]:
    with _open_container(source) as container:
        frames = _decode(container, _video_stream(container, source_path(source)), meter)
        return [_Mark(frame.pts, bool(frame.key_frame)) for frame in frames]


def _mean_rate(
    times: Sequence[int], time_base: Fraction | None, average_rate: Fraction | None
) -> float | None:
    stated = float(average_rate) if average_rate else None
    if len(times) < 2 or not time_base:
        return stated
    seconds = float((max(times) - min(times)) * time_base)
    measured = (len(times) - 1) / seconds
    # Coarse clocks (Matroska counts milliseconds) round the measured rate, of short clips most.
    allowed = max(0.02 * seconds, float(time_base))
    return stated if stated and abs(measured / stated - 1) * seconds <= allowed else measured


def _open_container(source: Source) -> av.container.InputContainer:
    # Titles may be in any encoding, and nobody asks for them.
    if isinstance(source, Path):
        return av.open(str(source.absolute()), options=OPEN_OPTIONS, metadata_errors="replace")
    return av.open(open_source(source), "r", options=OPEN_OPTIONS, metadata_errors="replace")


def _video_stream(container: av.container.InputContainer, path: Path) -> av.VideoStream:
    stream = container.streams.best("video")
    if not isinstance(stream, av.VideoStream):
        raise FileFormatError(f"{path}: has no video stream")
    codec: Any = stream.codec_context  # which its stub says is always there
    if codec is None:
        raise FileFormatError(f"{path}: its codec is unknown to this FFmpeg")
    check_frame_size(codec.width, codec.height, name=path)
    codec.options = {"max_pixels": str(max_pixels())}  # for frames larger than the file says
    # Loading runs in several processes; threads inside each would only fight for the cores.
    stream.thread_count = 1
    return stream


def _decode(
    container: av.container.InputContainer, stream: av.VideoStream, meter: Meter
) -> Iterator[av.VideoFrame]:
    """Decode from here to the end; packets before a key frame and damaged ones are passed over."""
    has_started = False
    packets = container.demux(stream)
    while True:
        meter.skip_time()  # whoever takes the frames has been at work
        try:
            packet = next(packets, None)
        except av.error.FFmpegError:
            return
        if packet is None:
            return
        has_started = has_started or packet.is_keyframe or packet.size == 0
        if not has_started:
            continue
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            continue
        finally:
            meter.take_time()
        yield from frames


def _iter_file_frames(entry: VideoEntry, wanted: Sequence[int]) -> Iterator[tuple[int, FramesU8]]:
    with (
        foreign_data(entry.path, what="a video"),
        explained(f"{entry.path}: cannot be read"),
        contextlib.closing(_Decoder(entry)) as decoder,
    ):
        for index in wanted:
            yield index, to_rgb(decoder.read(index))


class _Decoder:
    """A file held open, decoding forwards and seeking where that saves work.

    Args:
        entry: A file that `open_video` has indexed.
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
        """Return frame `index`; quickest in rising order.

        Raises:
            FileFormatError: The decoder does not give this frame.
        """
        frame = self._read_by_time(index) if self._entry.times else self._read_by_count(index)
        if frame is None:
            raise FileFormatError(f"{self._entry.path}: frame {index} cannot be decoded")
        self._next_index = index + 1
        return frame

    def _open(self) -> None:
        self._container = _open_container(self._source)
        self._stream = _video_stream(self._container, self._entry.path)
        self._frames = _decode(self._container, self._stream, self._meter)

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
        # A seek may land too late where frames are reordered: then try an earlier key frame.
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
        self._frames = _decode(self._container, self._stream, self._meter)
        return True

    def _advance_to(self, index: int, start: int) -> av.VideoFrame | None:
        """Decode on from frame `start`, or a little before it, until `index` comes."""
        for frame in itertools.islice(self._frames, index - start + 1 + MAX_REORDERED):
            if frame.pts == self._entry.times[index]:
                return frame
        return None
