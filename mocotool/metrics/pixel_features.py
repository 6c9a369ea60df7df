"""Handcrafted features of a frame's appearance: no network, no weights, nothing to download.

Layout and colour from a small thumbnail, texture and edges from gradients at three scales on a
coarse grid. Their distance is called "frechet distance (pixel features)", never FID.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

FRAME_SIZE = 64
THUMBNAIL_SIZE = 8
GRID_SIZE = 4
NUM_SCALES = 3
LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)

# Weights give all kinds of features a similar deviation over real frames.
THUMBNAIL_WEIGHT = 0.5
GRADIENT_WEIGHT = 4.0
COLOR_WEIGHT = 6.0

# Differences under half a grey level are rounding: logarithms are clamped there.
FLOOR = 0.5 / 255.0


def pixel_features(img: Tensor) -> Tensor:
    """Compute features of the appearance of each frame.

    Args:
        img: float32 [n, 3, h, w] in [0, 1].

    Returns:
        float32 [n, 453]: an 8x8 RGB thumbnail (192); mean and deviation of red minus green and of
        blue minus yellow, and of saturation (6); then for 64, 32 and 16 pixels the root mean square
        of luminance gradients in four directions and of the second difference on a 4x4 grid
        (80 each), and log10 of five quantiles of the second difference (5 each).
    """
    if img.shape[-2:] != (FRAME_SIZE, FRAME_SIZE):
        img = F.interpolate(img, (FRAME_SIZE, FRAME_SIZE), mode="bilinear", antialias=True)
    weights = torch.tensor(LUMINANCE, device=img.device, dtype=img.dtype)
    luminance = (img * weights[:, None, None]).sum(dim=1, keepdim=True)  # [n, 1, h, w]
    thumbnail = F.adaptive_avg_pool2d(img, THUMBNAIL_SIZE).flatten(1)
    parts = [THUMBNAIL_WEIGHT * thumbnail, COLOR_WEIGHT * _color(img)]
    for _ in range(NUM_SCALES):
        edges = _edges(luminance)
        parts.append(GRADIENT_WEIGHT * _root_mean_squares(edges))
        roughness = _quantiles(edges[:, -1].flatten(1).abs())  # [n, 5]
        parts.append(torch.log10(roughness + FLOOR))
        luminance = F.avg_pool2d(luminance, 2)
    return torch.cat(parts, dim=1)


def _color(img: Tensor) -> Tensor:
    """Return mean and deviation of two opponent colours and of saturation, [n, 6]."""
    red, green, blue = img.unbind(dim=1)
    saturation = img.amax(dim=1) - img.amin(dim=1)
    planes = torch.stack([red - green, blue - (red + green) / 2.0, saturation], dim=1).flatten(2)
    return torch.cat([planes.mean(dim=2), planes.std(dim=2, correction=0)], dim=1)


def _edges(luminance: Tensor) -> Tensor:
    """Return differences in four directions and the second difference, [n, 5, h, w]."""
    padded = F.pad(luminance, (0, 1, 0, 1), mode="replicate")
    right, below, across = padded[..., :-1, 1:], padded[..., 1:, :-1], padded[..., 1:, 1:]
    blurred = F.avg_pool2d(F.pad(luminance, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    first = (right - luminance, below - luminance, across - luminance, right - below)
    return torch.cat([*first, luminance - blurred], dim=1)


def _quantiles(values: Tensor) -> Tensor:
    """Return each row's `QUANTILES`, [n, m] -> [n, 5], as `torch.quantile` does."""
    levels = torch.tensor(QUANTILES, device=values.device, dtype=values.dtype)
    if values.device.type != "cpu":
        return values.quantile(levels, dim=1).T
    # torch also sorts the indices, which takes seven times as long
    rising = torch.from_numpy(np.sort(values.numpy(), axis=1))
    places = levels * (values.shape[1] - 1)
    below, above = places.floor(), places.ceil()
    return torch.lerp(rising[:, below.long()], rising[:, above.long()], places - below)


def _root_mean_squares(edges: Tensor) -> Tensor:
    """Return root mean squares on a coarse grid, [n, 80]."""
    return F.adaptive_avg_pool2d(edges.square(), GRID_SIZE).sqrt().flatten(1)
