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
    """Feature maps of an image, for the perceptual term."""

    @property
    def name(self) -> str:
        """Name of the features: "squeezenet", "vgg16", or "none" for those without a network."""

    @property
    def weight(self) -> float:
        """Default weight of the feature distance relative to the pixel distance."""

    def __call__(self, img: Tensor) -> list[Tensor]:
        """Compute the maps.

        Args:
            img: [n, 3, h, w], nominally in [-1, 1].

        Returns:
            Maps [n, c_i, h_i, w_i], float32.
        """


class PyramidFeatures:
    """A replacement for a perceptual network: an image pyramid with gradients.

    Coarse levels guide the search from far-off latents, gradients keep edges sharp.
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
    """LPIPS feature maps of the image, upsampled to at least 128 pixels for small faces.

    Args:
        lpips: See `load_lpips`.
    """

    name: ClassVar[str] = "squeezenet"
    # On unseen people 0.1 leaves faces blurred, and 1 costs another decibel.
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
    """Compute the loss of each rendering: pixel distance plus weighted feature distance.

    Args:
        img: The renderings, [n, c, h, w].
        target: The target pictures, same shape.
        maps: Features of `img`.
        target_maps: Features of `target`.
        perceptual_weight: The paper's lambda_vgg.

    Returns:
        Loss per image [n], at least 0. Minimise their sum, so that the result of an image does not
        depend on the others in its batch.

    Source:
        Paper: Eq. 8, Appendix B (a minimum, though written as argmax in places; lambda_vgg = 1).
        Follows: the paper, with means in place of sums, so that lambda is independent of the size.
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
    """Return the mean squared difference of each image [n]."""
    return (img - target).square().mean(dim=(1, 2, 3))


def feature_distance(maps: Sequence[Tensor], target_maps: Sequence[Tensor]) -> Tensor:
    """Return the mean squared difference of each image's maps, summed over the maps [n]."""
    distances = [pixel_distance(a, b) for a, b in zip(maps, target_maps, strict=True)]
    return sum(distances[1:], start=distances[0])
