"""Frames as training sees them: the centre square, resized."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F

from mocotool.arrays import FramesU8
from mocotool.layouts import to_channels_first
from mocotool.video.reading import VideoEntry, iter_frames

CHUNK_FRAMES = 32
CHUNK_BYTES = 1 << 26  # ten frames of 1080p


def square_frames(frames_u8: FramesU8, size: int) -> FramesU8:
    """Cut the centre square and resize it, smoothing where it shrinks (bicubic).

    Args:
        frames_u8: uint8 [t, h, w, 3].
        size: Height and width wanted.

    Returns:
        uint8 [t, 3, size, size].

    Source:
        Official code: its data loader (centre square, Lanczos).
        Deviation: bicubic with antialiasing, since torch has no Lanczos.
    """
    _, height, width, _ = frames_u8.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = frames_u8[:, top : top + side, left : left + side]
    video = to_channels_first(
        torch.from_numpy(square)
    )  # [t, 3, side, side], channels last in memory
    if side != size:
        video = F.interpolate(video, (size, size), mode="bicubic", antialias=True)
    array: FramesU8 = video.contiguous().numpy()
    return array


def read_squares(entry: VideoEntry, indices: Sequence[int], size: int) -> FramesU8:
    """Read some frames of a video, in rising order, as uint8 [t, 3, size, size].

    Raises:
        FileFormatError: A frame cannot be decoded.
    """
    return np.concatenate(list(iter_squares(entry, size, indices)))


def iter_squares(
    entry: VideoEntry, size: int, indices: Sequence[int] | None = None
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
