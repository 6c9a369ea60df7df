"""Augmentations of both real and generated images before the discriminator.

Each operation is applied to an image with probability p. The generator does not learn to make
augmented pictures as long as p stays below about 0.8 (Karras et al. 2020, Sec. 2.2); p rises only
as far as the discriminator's overfitting asks for (their Sec. 3).
"""

import torch
from torch import Tensor

from mocotool.devices import to_device

TRANSLATION = 0.125  # of the side; operations and ranges as in Zhao et al. 2020 (DiffAugment)
CUTOUT = 0.5  # side of the square, of the image's side
MAX_PROBABILITY = 0.8


def augment_images(
    img: Tensor, p: float, *, rng: torch.Generator, rows: slice, colour: bool = True
) -> Tensor:
    """Apply brightness, saturation, contrast, translation and cutout, each with probability p.

    Args:
        img: [n, c, h, w] in [-1, 1].
        p: Probability of each operation for each image.
        rng: Draws the parameters of the whole batch on the CPU.
        rows: Which images of the whole batch these are.
        colour: Whether the first three are among them.

    Returns:
        [n, c, h, w]; the gradient flows through to `img`.
    """
    if p <= 0.0:
        return img
    draws = torch.rand(rows.stop, 2, 8, generator=rng)[rows]  # [n, 2, 8]
    moves = bool((draws[:, 0, 3] < p).any())
    draws = to_device(draws, img.device)
    active = (draws[:, 0] < p).to(img.dtype)[:, :, None, None, None]  # [n, 8, 1, 1, 1]
    amount = draws[:, 1, :, None, None, None]  # [n, 8, 1, 1, 1] in [0, 1)
    if colour:
        img = img + active[:, 0] * (amount[:, 0] - 0.5)  # brightness
        grey = img.mean(dim=1, keepdim=True)
        img = grey + (img - grey) * (1 + active[:, 1] * (amount[:, 1] * 2 - 1))  # saturation
        mean = img.mean(dim=(1, 2, 3), keepdim=True)
        img = mean + (img - mean) * (1 + active[:, 2] * (amount[:, 2] - 0.5))  # contrast
    if moves:
        img = _translate(img, active[:, 3, 0, 0, 0], draws[:, 1, 3:5])
    return _cut_out(img, active[:, 4], draws[:, 1, 5:7])


def _translate(img: Tensor, active: Tensor, amount: Tensor) -> Tensor:
    """Translate by whole pixels; the border is replicated."""
    n, _, height, width = img.shape
    down, right = (
        ((amount[:, i : i + 1] * 2 - 1) * (side * TRANSLATION)).round() * active[:, None]
        for i, side in enumerate((height, width))
    )  # [n, 1]
    row = (torch.arange(height, device=img.device) - down).clamp(0, height - 1).long()
    col = (torch.arange(width, device=img.device) - right).clamp(0, width - 1).long()
    image_idx = torch.arange(n, device=img.device)[:, None, None]
    picked = img.permute(0, 2, 3, 1)[image_idx, row[:, :, None], col[:, None, :]]  # [n, h, w, c]
    return picked.permute(0, 3, 1, 2)


def _cut_out(img: Tensor, active: Tensor, centre: Tensor) -> Tensor:
    """Set one square to mid-grey (cutout)."""
    _, _, height, width = img.shape
    row = torch.arange(height, device=img.device) / height  # [h]
    col = torch.arange(width, device=img.device) / width  # [w]
    inside = ((row[None, :, None] - centre[:, 0, None, None]).abs() < CUTOUT / 2) & (
        (col[None, None, :] - centre[:, 1, None, None]).abs() < CUTOUT / 2
    )  # [n, h, w]
    return img * (1 - inside[:, None].to(img.dtype) * active)


class AdaptiveProbability:
    """Raises p while the discriminator overfits the real images, lowers it otherwise.

    Args:
        target: The mean sign of the real scores to hold, in (0, 1).
        num_images: Images over which p may rise from 0 to 1.
    """

    def __init__(self, *, target: float = 0.6, num_images: int = 500_000) -> None:
        self.target = target
        self.num_images = num_images
        self.p = 0.0

    def update(self, sign_mean: float, *, batch_size: int) -> None:
        """Take the mean sign of the real scores of one batch into account."""
        step = batch_size / self.num_images
        self.p += step if sign_mean > self.target else -step
        self.p = min(max(self.p, 0.0), MAX_PROBABILITY)


def flip_half(img: Tensor, *, rng: torch.Generator, rows: slice) -> Tensor:
    """Mirror each image [n, c, h, w] left to right with probability one half."""
    flipped = to_device(torch.rand(rows.stop, generator=rng)[rows] < 0.5, img.device)
    return torch.where(flipped[:, None, None, None], img.flip(3), img)
