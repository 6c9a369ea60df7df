"""The objective of inversion: the distance of a rendering from its target."""

import math
from collections.abc import Sequence
from typing import ClassVar, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from mocotool.networks.lpips import LPIPS

PYRAMID_LEVELS = 4
MIN_PYRAMID_SIZE = 2
MIN_SEEN_SIZE, MAX_SEEN_SIZE = 128, 256


class ImageFeatures(Protocol):
    """What the perceptual term compares: maps computed from an image."""

    @property
    def name(self) -> str:
        """Name of the features: "squeezenet", "vgg16", or "none" for those without weights."""

    @property
    def weight(self) -> float:
        """Default weight of their distance beside that of pixels."""

    def __call__(self, img: Tensor) -> list[Tensor]:
        """Compute the maps.

        Args:
            img: [n, 3, h, w], nominally in [-1, 1].

        Returns:
            Maps [n, c_i, h_i, w_i], float32.
        """


class PyramidFeatures:
    """The stand-in for a perceptual network: the image at several sizes, and its gradients there.

    Coarse levels lead far-off latents to the right place, gradients keep edges sharp.
    """

    name: ClassVar[str] = "none"
    weight: ClassVar[float] = 1.0

    def __call__(self, img: Tensor) -> list[Tensor]:
        """Compute the maps; see `ImageFeatures`."""
        maps: list[Tensor] = []
        for level in range(PYRAMID_LEVELS):
            if level:
                if min(img.shape[-2:]) < 2 * MIN_PYRAMID_SIZE:
                    break
                img = F.avg_pool2d(img, 2)
                maps.append(img)
            maps.append(img[..., :, 1:] - img[..., :, :-1])
            maps.append(img[..., 1:, :] - img[..., :-1, :])
        return maps


class SqueezeNetFeatures:
    """LPIPS maps of the image, enlarged to at least 128 pixels: it misses smaller faces.

    Args:
        lpips: See `load_lpips`.
    """

    name: ClassVar[str] = "squeezenet"
    # Of unseen people 0.1 leaves faces vague, and 1 costs another decibel.
    weight: ClassVar[float] = 0.3

    def __init__(self, lpips: LPIPS) -> None:
        self.lpips = lpips

    def __call__(self, img: Tensor) -> list[Tensor]:
        """Compute the maps; see `ImageFeatures`."""
        size = min(img.shape[-2:])
        if size < MIN_SEEN_SIZE:
            img = F.interpolate(img, scale_factor=MIN_SEEN_SIZE / size, mode="bilinear")
        elif size > MAX_SEEN_SIZE:
            shape = [round(side * MAX_SEEN_SIZE / size) for side in img.shape[-2:]]
            img = F.interpolate(img, size=shape, mode="area")
        return self.lpips(img)


def inversion_loss(
    *,
    img: Tensor,
    target: Tensor,
    maps: Sequence[Tensor],
    target_maps: Sequence[Tensor],
    perceptual_weight: float = 1.0,
) -> Tensor:
    """Measure how far each rendering is from its target, in pixels and in features.

    Args:
        img: The renderings, [n, c, h, w].
        target: The pictures looked for, same shape.
        maps: Features of `img`.
        target_maps: Features of `target`.
        perceptual_weight: The paper's lambda_vgg.

    Returns:
        One loss an image [n], at least 0. The sum of them is to be minimised: so what one image
        comes to does not depend on which others are in its batch.

    Source:
        Paper: Eq. 8, Appendix B (a minimum, though written as argmax in places; lambda_vgg = 1).
        Follows: the paper, with means in place of sums, so that lambda means the same at any size.
    """
    return pixel_distance(img, target) + perceptual_weight * feature_distance(maps, target_maps)


def inversion_residuals(
    *,
    img: Tensor,
    target: Tensor,
    maps: Sequence[Tensor],
    target_maps: Sequence[Tensor],
    perceptual_weight: float = 1.0,
) -> Tensor:
    """Return the residuals [n, p] whose squares sum to `inversion_loss`; same arguments."""
    parts = [(img - target).flatten(1) / math.sqrt(img[0].numel())]
    for a, b in zip(maps, target_maps, strict=True):
        parts.append((a - b).flatten(1) * math.sqrt(perceptual_weight / a[0].numel()))
    return torch.cat(parts, dim=1)


def pixel_distance(img: Tensor, target: Tensor) -> Tensor:
    """Return the mean square difference of each image [n]."""
    return (img - target).square().mean(dim=(1, 2, 3))


def feature_distance(maps: Sequence[Tensor], target_maps: Sequence[Tensor]) -> Tensor:
    """Return the mean square difference of each image's maps, summed over the maps [n]."""
    distances = [pixel_distance(a, b) for a, b in zip(maps, target_maps, strict=True)]
    return sum(distances[1:], start=distances[0])
