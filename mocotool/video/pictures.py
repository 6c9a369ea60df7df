"""Still pictures: read any common image, write PNG, tile videos, make contact sheets."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import ceil, sqrt
from pathlib import Path
from typing import Any, BinaryIO

import av
import av.error
import numpy as np
import numpy.typing as npt

from mocotool.arrays import FramesU8
from mocotool.boundary import foreign_data
from mocotool.errors import FileFormatError, MismatchError, UnavailableError
from mocotool.files import check_input_file, open_target
from mocotool.video.archives import Source, read_source, source_path, source_size
from mocotool.video.image_sizes import claimed_size
from mocotool.video.limits import check_frame_size, max_pixels
from mocotool.video.pixels import BACKGROUND, exif_matrix, orient, to_stored_rgb

MAX_IMAGE_BYTES = 1 << 28
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})

# First bytes -> decoder: the content decides, never the name.
IMAGE_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "mjpeg"),
    (b"RIFF", "webp"),
    (b"BM", "bmp"),
    (b"II*\x00", "tiff"),
    (b"MM\x00*", "tiff"),
)


def read_image(path: Path | str) -> FramesU8:
    """Read an image file.

    Returns:
        uint8 [h, w, 3] RGB, upright; transparent parts are composited on white.

    Raises:
        FileFormatError: It is missing, or cannot be decoded as an image.
    """
    return decode_image(check_input_file(Path(path)))


def decode_image(source: Source) -> FramesU8:
    """Read an existing image, in a file or an archive; see `read_image`."""
    path = source_path(source)
    with foreign_data(path, what="an image"):
        if source_size(source) > MAX_IMAGE_BYTES:
            raise FileFormatError(f"more than {MAX_IMAGE_BYTES:,} bytes, too large for an image")
        return _decode(path, read_source(source))


def _decode(path: Path, data: bytes) -> FramesU8:
    codec = next((name for magic, name in IMAGE_MAGIC if data.startswith(magic)), None)
    if codec is None or (codec == "webp" and data[8:12] != b"WEBP"):
        raise FileFormatError(
            f"{path}: not an image, expected PNG, JPEG, WebP, BMP or TIFF",
            hint="`moco info` says what a file is",
        )
    decoder: Any = av.CodecContext.create(codec, "r")
    decoder.options = {"max_pixels": str(max_pixels())}
    try:
        frames = [*decoder.decode(av.Packet(data)), *decoder.decode(None)]
    except av.error.FFmpegError:
        frames = []
    if not frames:
        check_frame_size(*claimed_size(data, codec), name=path)
        raise FileFormatError(f"{path}: damaged or truncated, the image cannot be decoded")
    return orient(to_stored_rgb(frames[0]), exif_matrix(data))


def encode_png(rgb_u8: FramesU8, *, level: int | None = None) -> bytes:
    """Encode uint8 [h, w, 3] RGB, or [h, w, 4] RGBA, as PNG.

    Args:
        rgb_u8: The picture.
        level: Compression level from 1, fast, to 9, small; `None` for the encoder's default.
    """
    try:
        encoder = av.CodecContext.create("png", "w")
    except av.error.FFmpegError:
        raise UnavailableError("png: this PyAV has no such encoder") from None
    encoder.height, encoder.width, num_channels = rgb_u8.shape
    encoder.pix_fmt = "rgba" if num_channels == 4 else "rgb24"
    encoder.time_base = Fraction(1, 1)
    if level is not None:
        encoder.options = {"compression_level": str(level)}
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb_u8), format=encoder.pix_fmt)
    packets = [*encoder.encode(frame), *encoder.encode(None)]
    return b"".join(bytes(packet) for packet in packets)


def write_png(target: Path | str | BinaryIO, rgb_u8: FramesU8) -> None:
    """Write uint8 [h, w, 3] RGB as PNG, atomically to a path or into an open stream."""
    data = encode_png(rgb_u8)
    with open_target(target) as stream:
        stream.write(data)


def tile_shape(num_tiles: int) -> tuple[int, int]:
    """Return (rows, columns) of the grid nearest to a square, preferring more columns."""
    columns = ceil(sqrt(num_tiles))
    return ceil(num_tiles / columns), columns


def tile_frames(frames: Sequence[FramesU8], *, columns: int | None = None) -> FramesU8:
    """Put pictures of one size side by side.

    Args:
        frames: Each uint8 [..., h, w, 3]; all of one shape.
        columns: Tiles per row; `None` for the grid nearest to a square.

    Returns:
        uint8 [..., rows * h, columns * w, 3]; empty tiles are white.

    Raises:
        MismatchError: The shapes differ.
    """
    shape = frames[0].shape
    if any(frame.shape != shape for frame in frames):
        raise MismatchError(f"pictures of different shapes: {sorted({f.shape for f in frames})}")
    columns = columns or tile_shape(len(frames))[1]
    rows = ceil(len(frames) / columns)
    *lead, height, width, _ = shape
    sheet = np.full((*lead, rows * height, columns * width, 3), BACKGROUND, np.uint8)
    for place, frame in enumerate(frames):
        top, left = place // columns * height, place % columns * width
        sheet[..., top : top + height, left : left + width, :] = frame
    return sheet


def tile_videos(videos: Sequence[Iterator[FramesU8]]) -> Iterator[FramesU8]:
    """Play several videos side by side, in the memory of one chunk of each.

    Args:
        videos: Each yields chunks uint8 [t, h, w, 3]; the chunks of all must match in length.

    Yields:
        uint8 [t, rows * h, columns * w, 3].
    """
    for chunks in zip(*videos, strict=True):
        yield tile_frames(chunks)


def choose_sheet_frames(
    num_videos: int, num_frames: int, *, max_rows: int = 32, max_columns: int = 16
) -> tuple[int, npt.NDArray[np.int64]]:
    """Choose the frames of a contact sheet: one row per video, frames from left to right.

    Args:
        num_videos: Number of videos.
        num_frames: Number of frames of each.
        max_rows: Maximum number of rows; of more videos the first are shown.
        max_columns: Maximum number of columns; of more frames evenly spaced ones are shown, the
            first and the last among them.

    Returns:
        Number of rows, and the frame indices of each.
    """
    spaced = np.linspace(0, num_frames - 1, min(num_frames, max_columns))
    return min(num_videos, max_rows), spaced.round().astype(np.int64)
