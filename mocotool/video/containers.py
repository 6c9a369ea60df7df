"""An open video file: its container, its video stream, and its decoded frames."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import av.error

from mocotool.boundary import Meter
from mocotool.errors import FileFormatError
from mocotool.video.archives import Source, open_source
from mocotool.video.limits import check_frame_size, max_pixels

# What a playlist disguised as a video may open: nothing but files, never the network.
OPEN_OPTIONS = {"protocol_whitelist": "file"}


@contextlib.contextmanager
def explained(lead: str, *, what: str = "a video") -> Iterator[None]:
    """Turn FFmpeg's errors in the block into `FileFormatError`, where `what` was expected."""
    try:
        yield
    except av.error.FFmpegError as error:
        raise FileFormatError(f"{lead}: {_reason(error, what)}") from None


def _reason(error: av.error.FFmpegError, what: str) -> str:
    reason = (error.strerror or str(error)).strip()
    if isinstance(error, av.error.InvalidDataError):
        return f"damaged, cut short, or not {what}"
    return reason[:1].lower() + reason[1:]


def open_container(source: Source) -> av.container.InputContainer:
    """Open a video file, or one in an archive, for its packets.

    Raises:
        FFmpegError: FFmpeg does not know the format; see `explained`.
    """
    # Titles may be in any encoding, and are not used.
    if isinstance(source, Path):
        return av.open(str(source.absolute()), options=OPEN_OPTIONS, metadata_errors="replace")
    return av.open(open_source(source), "r", options=OPEN_OPTIONS, metadata_errors="replace")


def video_stream(container: av.container.InputContainer, path: Path) -> av.VideoStream:
    """Return the video stream of a container, with the limits on frame size set.

    Raises:
        FileFormatError: It has no video stream, an unknown codec, or frames that are too large.
    """
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


def decode_on(
    container: av.container.InputContainer, stream: av.VideoStream, meter: Meter
) -> Iterator[av.VideoFrame]:
    """Decode to the end; packets before a key frame and damaged ones are skipped."""
    has_started = False
    packets = container.demux(stream)
    while True:
        meter.skip_time()  # the time spent by the consumer of the frames
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
