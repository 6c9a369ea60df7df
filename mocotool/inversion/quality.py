"""How good does a reconstruction look? Judged on the bytes that a file would hold."""

import torch
from torch import Tensor

from mocotool.layouts import to_channels_first, to_frames_u8
from mocotool.similarity import EQUAL_PSNR, WINDOW_SIZE, compute_image_psnr, compute_image_ssim


def measure_quality(img: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Compare renderings with their targets as 8-bit RGB.

    Args:
        img: [n, c, h, w], nominally in [-1, 1].
        target: The same.

    Returns:
        PSNR in dB, 100 at most, and SSIM, both float64 [n]. SSIM is NaN for images smaller than
        its window of 11 pixels.
    """
    shown, wanted = (to_channels_first(to_frames_u8(x)) for x in (img, target))  # [n, c, h, w]
    psnr = compute_image_psnr(shown, wanted, data_range=255.0).clamp(max=EQUAL_PSNR)
    if min(img.shape[-2:]) < WINDOW_SIZE:
        return psnr, torch.full_like(psnr, torch.nan)
    return psnr, compute_image_ssim(shown, wanted, data_range=255.0)
