"""Frames as used in training: centre crops of a given shape, resized."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F

from mocotool.arrays import FramesU8
from mocotool.layouts import to_channels_first
from mocotool.video.opening import VideoEntry
from mocotool.video.reading import iter_frames

CHUNK_FRAMES = 32
CHUNK_BYTES = 1 << 26  # ten frames of 1080p


Size = int | tuple[int, int]
"""The side of squares in pixels, or a height and a width."""


def to_height_and_width(size: Size) -> tuple[int, int]:
    """Return the height and width of a size."""
    return (size, size) if isinstance(size, int) else size


def largest_cut(shape: tuple[int, int], wanted: tuple[int, int]) -> tuple[int, int]:
    """Return the height and width of the largest crop with the aspect ratio of `wanted`."""
    height, width = shape
    rows = min(height, max(1, round(width * wanted[0] / wanted[1])))
    columns = min(width, max(1, round(height * wanted[1] / wanted[0])))
    return rows, columns


def square_frames(frames_u8: FramesU8, size: Size) -> FramesU8:
    """Crop the centre square and resize it (bicubic, antialiased).

    Args:
        frames_u8: uint8 [t, h, w, 3].
        size: Side of the output in pixels; or height and width, for a centre crop of that shape.

    Returns:
        uint8 [t, 3, size, size], or of that height and width.

    Source:
        Official code: its data loader (centre square, Lanczos).
        Deviation: bicubic with antialiasing, since torch has no Lanczos.
    """
    _, height, width, _ = frames_u8.shape
    wanted = to_height_and_width(size)
    rows, columns = largest_cut((height, width), wanted)
    top, left = (height - rows) // 2, (width - columns) // 2
    cut = frames_u8[:, top : top + rows, left : left + columns]
    video = to_channels_first(torch.from_numpy(cut))  # [t, 3, h, w], channels last in memory
    if (rows, columns) != wanted:
        video = F.interpolate(video, wanted, mode="bicubic", antialias=True)
    array: FramesU8 = video.contiguous().numpy()
    return array


def read_squares(entry: VideoEntry, indices: Sequence[int], size: Size) -> FramesU8:
    """Read frames of a video, in ascending order, cropped by `square_frames`: [t, 3, h, w].

    Raises:
        FileFormatError: A frame cannot be decoded.
    """
    return np.concatenate(list(iter_squares(entry, size, indices)))


def iter_squares(
    entry: VideoEntry, size: Size, indices: Sequence[int] | None = None
) -> Iterator[FramesU8]:
    """Yield the frames of a video (all, or `indices` in rising order) as squares, in chunks.

    Yields:
        uint8 [t, 3, size, size], t between 1 and `CHUNK_FRAMES`.
    """
    for chunk in iter_chunks(entry, indices):
        yield square_frames(chunk, size)


def iter_chunks(entry: VideoEntry, indices: Sequence[int] | None = None) -> Iterator[FramesU8]:
    """Yield the frames of a video (all, or `indices` in rising order) in chunks of one size.

    Yields:
        uint8 [t, h, w, 3], t between 1 and `CHUNK_FRAMES`; large frames come one by one.
    """
    chunk: list[FramesU8] = []
    for _, frame in iter_frames(entry, indices):
        # Images of one folder may differ in size.
        most = min(CHUNK_FRAMES, CHUNK_BYTES // frame.nbytes)
        if chunk and (len(chunk) >= most or frame.shape != chunk[0].shape):
            yield np.stack(chunk)
            chunk = []
        chunk.append(frame)
    if chunk:
        yield np.stack(chunk)
