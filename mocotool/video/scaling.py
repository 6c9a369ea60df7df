"""Resizing of pictures with the Lanczos filter, which is sharp and rings little."""

import functools

import numpy as np
import numpy.typing as npt

from mocotool.arrays import FramesU8

REACH = 3  # lobes of the filter on each side


def choose_size(size: tuple[int, int | None], *, height: int, width: int) -> tuple[int, int]:
    """Return the height and width of a size given as "W" or "WxH".

    Args:
        size: Target width and height; a height of `None` keeps the aspect ratio.
        height: Current height.
        width: Current width.
    """
    wanted_width, wanted_height = size
    return wanted_height or max(1, round(height * wanted_width / width)), wanted_width


def resize_frames(frames_u8: FramesU8, *, height: int, width: int) -> FramesU8:
    """Resize pictures; for downsampling the filter is widened, to avoid aliasing.

    Args:
        frames_u8: uint8 [t, h, w, c].
        height: Target height.
        width: Target width.

    Returns:
        uint8 [t, height, width, c]; the input itself if the size is unchanged.
    """
    _, old_height, old_width, _ = frames_u8.shape
    if (old_height, old_width) == (height, width):
        return frames_u8
    resized = [
        _clamp(_scale(frame, height=height, width=width)) for frame in frames_u8
    ]  # one by one: a float picture is four times as large
    return np.stack(resized)


def _scale(frame_u8: FramesU8, *, height: int, width: int) -> npt.NDArray[np.float32]:
    rows, columns = (
        lanczos_weights(len(frame_u8), height),
        lanczos_weights(frame_u8.shape[1], width),
    )
    tall = np.tensordot(rows, frame_u8.astype(np.float32), axes=(1, 0))  # [height, w, c]
    scaled = np.tensordot(columns, tall, axes=(1, 1))  # [width, height, c]
    return np.asarray(np.moveaxis(scaled, 0, 1), np.float32)


def _clamp(frame: npt.NDArray[np.float32]) -> FramesU8:
    # uint8 wraps, and the filter overshoots at edges: clamp before the cast.
    frame_u8: FramesU8 = np.clip(np.rint(frame), 0, 255).astype(np.uint8)
    return frame_u8


@functools.lru_cache(maxsize=8)
def lanczos_weights(before: int, after: int) -> npt.NDArray[np.float32]:
    """Return the weight of each input pixel in each output pixel; rows sum to 1.

    Coordinates have half-pixel centres. At the border the weights are renormalised.

    Returns:
        float32 [after, before].
    """
    scale = before / after
    stretch = max(scale, 1.0)
    centres = (np.arange(after) + 0.5) * scale - 0.5
    distances = (np.arange(before)[None] - centres[:, None]) / stretch
    weights = np.sinc(distances) * np.sinc(distances / REACH) * (np.abs(distances) < REACH)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)
