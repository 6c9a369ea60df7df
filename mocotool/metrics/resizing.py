"""Resizing of frames to a detector's input, in which published protocols differ most."""

import torch
import torch.nn.functional as F
from torch import Tensor

from mocotool.configs.evaluate import InterpolationChoice, ResizeChoice


def resize_frames(
    frames: Tensor,
    size: int,
    *,
    resize: ResizeChoice = "squash",
    interpolation: InterpolationChoice = "bilinear",
) -> Tensor:
    """Resize frames to squares of one size.

    Args:
        frames: float32 [..., h, w], any range.
        size: Height and width of the output.
        resize: "squash" ignores the aspect ratio; "crop" fits the shorter side and crops the
            centre of the longer one.
        interpolation: "bilinear" has half-pixel centres (as torch), "bilinear-tf1" has none,
            "bilinear-antialias" filters when downsampling.

    Returns:
        float32 [..., size, size], in the range of `frames`.
    """
    *lead, height, width = frames.shape
    if resize == "crop" and height != width:
        scale = size / min(height, width)
        target = (max(size, round(height * scale)), max(size, round(width * scale)))
    else:
        target = (size, size)
    flat = frames.reshape(-1, 1, height, width)  # [prod(lead), 1, h, w]
    if (height, width) != target:
        flat = _interpolate(flat, target, interpolation)
    top, left = (target[0] - size) // 2, (target[1] - size) // 2
    return flat[..., top : top + size, left : left + size].reshape(*lead, size, size)


def _interpolate(
    frames: Tensor, target: tuple[int, int], interpolation: InterpolationChoice
) -> Tensor:
    if interpolation == "bilinear-tf1":
        rows = _lerp_tf1(frames.transpose(-1, -2), target[0]).transpose(-1, -2)
        return _lerp_tf1(rows, target[1])
    antialias = interpolation == "bilinear-antialias"
    return F.interpolate(frames, target, mode="bilinear", align_corners=False, antialias=antialias)


def _lerp_tf1(x: Tensor, size: int) -> Tensor:
    """Resize the last axis; output i is at i * w / size, without half-pixel centres."""
    width = x.shape[-1]
    # TensorFlow computes coordinates in float32.
    place = torch.arange(size, device=x.device, dtype=torch.float32) * (width / size)
    low = place.floor().long().clamp(max=width - 1)
    high = (low + 1).clamp(max=width - 1)
    left = x[..., low]
    return left + (x[..., high] - left) * (place - low)
