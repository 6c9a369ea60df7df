"""Opening and indexing of videos, without decoding more than one frame.

A file is indexed by reading its packets without decoding them: presentation times and key frames.
Frame i has the i-th presentation time; `reading` reads it. Files with unreliable packet times are
decoded once to be indexed.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import av.error

from mocotool.boundary import Meter, foreign_data
from mocotool.errors import FileFormatError
from mocotool.files import check_input_file
from mocotool.video.archives import Member, Source, source_path, source_size
from mocotool.video.containers import decode_on, explained, open_container, video_stream
from mocotool.video.limits import MAX_FRAMES
from mocotool.video.pictures import IMAGE_SUFFIXES, decode_image
from mocotool.video.pixels import to_rgb

# Containers whose packet times are the times of the decoded frames, and which seek. In all others
# frames are counted from the start.
SEEKABLE_CONTAINERS = frozenset(
    {"mov", "mp4", "matroska", "webm", "avi", "gif", "apng", "mpegts", "flv", "asf"}
)
# These reorder frames, and AVI cannot say how.
REORDERING_CODECS = frozenset({"h264", "hevc"})


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class VideoEntry:
    """A video that can be read: a file, a folder of frames, or one still image."""

    path: Path
    """The file, or the folder that holds the frames."""
    kind: Literal["file", "frames", "image"]
    """What it is."""
    num_frames: int
    """Number of frames."""
    fps: float | None
    """Average frames per second; `None` for folders and images."""
    width: int
    """Width of an upright frame in pixels."""
    height: int
    """Height of an upright frame in pixels."""
    times: tuple[int, ...] = ()
    """Files: presentation time of each frame; empty if frames must be counted from the start."""
    keys: tuple[int, ...] = ()
    """Files: indices of the key frames."""
    names: tuple[str, ...] = ()
    """Folders: file name of each frame."""
    members: tuple[Member, ...] = ()
    """In an archive: the member of the file or of each frame; `path` is for messages."""
    contents: str = ""
    """Digest of 16 digits that changes when the video is replaced; empty if not computed."""

    @property
    def sources(self) -> tuple[Source, ...]:
        """Location of its bytes: the file, or that of each frame."""
        return list_sources(self.path, self.names, self.members)


def list_sources(
    path: Path, names: Sequence[str], members: tuple[Member, ...]
) -> tuple[Source, ...]:
    """Return the location of a video's bytes: a file, one per frame, or members of an archive."""
    return members or tuple(path / name for name in names) or (path,)


def open_video(path: Path | str) -> VideoEntry:
    """Open a video file, an image or a folder of frames, without decoding more than one frame.

    Args:
        path: The file, or a folder with numbered images.

    Returns:
        The index that `read_frames` needs.

    Raises:
        FileFormatError: It is missing, not a video, or cannot be decoded.
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
    """Open a video or an image, in an existing file or in an archive; see `open_video`."""
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
    """Open images of one folder, in the given order, as a video.

    Args:
        folder: The folder.
        names: File names of the frames.
        members: Their location, if the folder is in an archive.
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


def natural_key(name: str) -> tuple[tuple[int, str], ...]:
    """Return a key that sorts 2 before 10, wherever the number is in a name."""
    parts = re.findall(r"\d+|\D+", name.casefold())
    return (*((int(part), "") if part.isdecimal() else (-1, part) for part in parts), (-2, name))


def is_image_name(name: str) -> bool:
    """Return whether a file name is that of an image and not hidden."""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES


def _index_file(source: Source) -> VideoEntry:
    path = source_path(source)
    meter = Meter.for_file(source_size(source))
    with open_container(source) as container:
        stream = video_stream(container, path)
        packets = _walk_packets(container, stream)
        formats = set(container.format.name.split(","))
        codec = stream.codec_context
        has_times = bool(formats & SEEKABLE_CONTAINERS) and not (
            "avi" in formats and codec.name in REORDERING_CODECS
        )
        reorders = codec.reorder_depth > 0
        average_rate, time_base = stream.average_rate, stream.time_base
    with open_container(source) as container:
        first = next(decode_on(container, video_stream(container, path), meter), None)
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
    """Time and key flag of a packet, or of the frame decoded from it."""

    time: int | None
    is_key: bool


def _has_index(frames: Sequence[_Mark]) -> bool:
    """Return whether all times differ and the first frame is a key frame."""
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
    with open_container(source) as container:
        frames = decode_on(container, video_stream(container, source_path(source)), meter)
        return [_Mark(frame.pts, bool(frame.key_frame)) for frame in frames]


def _mean_rate(
    times: Sequence[int], time_base: Fraction | None, average_rate: Fraction | None
) -> float | None:
    stated = float(average_rate) if average_rate else None
    if len(times) < 2 or not time_base:
        return stated
    seconds = float((max(times) - min(times)) * time_base)
    measured = (len(times) - 1) / seconds
    # Coarse clocks (Matroska counts milliseconds) round the measured rate, most for short clips.
    allowed = max(0.02 * seconds, float(time_base))
    return stated if stated and abs(measured / stated - 1) * seconds <= allowed else measured
