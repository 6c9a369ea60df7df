"""Every pixel layout and range conversion, and the shape check used at interfaces.

Inside the library an image is float32 [n, c, h, w] in [-1, 1] and a video float32
[n, t, c, h, w] in [-1, 1]. Outside (files, encoders, previews) frames are uint8 [t, h, w, c] RGB.
"""

from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from mocotool.arrays import FramesU8
from mocotool.errors import MismatchError

Pixels = TypeVar("Pixels", Tensor, FramesU8)


def check_shape(name: str, tensor: Tensor, axes: str, **sizes: int) -> None:
    """Check a tensor's rank and its named axes.

    Args:
        name: What the tensor is called where the user meets it.
        tensor: The tensor to check.
        axes: Axis names separated by spaces, such as "n t latent_dim".
        **sizes: The size each named axis must have; axes left out may have any.

    Raises:
        MismatchError: The rank or one of the sizes differs.
    """
    names = axes.split()
    shape = tuple(tensor.shape)
    fits = len(shape) == len(names) and all(
        sizes.get(axis, size) == size for axis, size in zip(names, shape, strict=True)
    )
    if not fits:
        wanted = ", ".join(f"{axis}={sizes[axis]}" if axis in sizes else axis for axis in names)
        raise MismatchError(f"{name} has shape {list(shape)}, expected [{wanted}]")


def to_frames_u8(img: Tensor) -> Tensor:
    """Turn images or videos in [-1, 1] into bytes, channels last.

    Args:
        img: [..., c, h, w], float; values outside [-1, 1] are clamped.

    Returns:
        uint8 [..., h, w, c] in [0, 255], rounded to the nearest.

    Source:
        Official code: evaluate.py (clamped, then cast).
        Deviation: rounded; the program truncates, which is half a grey level darker on average.
    """
    # uint8 wraps: clamp before the cast.
    scaled = img.float().add(1.0).mul(127.5).round_().clamp_(0, 255)
    return to_channels_last(scaled.to(torch.uint8)).contiguous()


def from_frames_u8(frames_u8: Any) -> Tensor:
    """Turn RGB bytes into images or videos in [-1, 1], channels first.

    Args:
        frames_u8: uint8 [..., h, w, c], a tensor or a numpy array.

    Returns:
        float32 [..., c, h, w] in [-1, 1].
    """
    return to_unit_range(to_channels_first(torch.as_tensor(frames_u8))).contiguous()


def to_unit_range(bytes_u8: Tensor) -> Tensor:
    """Turn bytes 0 to 255 into float32 -1 to 1, in whatever layout; float32 is changed in place."""
    return bytes_u8.to(torch.float32).div_(127.5).sub_(1.0)


def to_channels_first(pixels: Pixels) -> Pixels:
    """Turn frames [..., h, w, c] into [..., c, h, w], a view."""
    return pixels.movedim(-1, -3) if isinstance(pixels, Tensor) else np.moveaxis(pixels, -1, -3)


def to_channels_last(pixels: Pixels) -> Pixels:
    """Turn frames [..., c, h, w] into [..., h, w, c], a view."""
    return pixels.movedim(-3, -1) if isinstance(pixels, Tensor) else np.moveaxis(pixels, -3, -1)


def to_ncthw(video: Tensor) -> Tensor:
    """Turn a video [n, t, c, h, w] into the layout of 3-D convolutions, [n, c, t, h, w]."""
    return video.transpose(1, 2)
