"""Quality of reconstructions, measured on 8-bit pictures as a file would hold them."""

import math

import torch
from torch import Tensor

from mocotool.inversion.objective import SqueezeNetFeatures, feature_distance
from mocotool.layouts import to_channels_first, to_frames_u8
from mocotool.networks.lpips import LPIPS, load_lpips
from mocotool.similarity import EQUAL_PSNR, WINDOW_SIZE, compute_image_psnr, compute_image_ssim

LPIPS_BATCH = 16
STILL = 1e-4  # change from frame to frame, in units of [-1, 1], below which nothing moves


def measure_quality(img: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Compare renderings with their targets as 8-bit RGB.

    Args:
        img: [n, c, h, w], nominally in [-1, 1].
        target: The same.

    Returns:
        PSNR in dB, at most 100, and SSIM, both float64 [n]. SSIM is NaN for images smaller than
        its window of 11 pixels.
    """
    shown, wanted = (to_channels_first(to_frames_u8(x)) for x in (img, target))  # [n, c, h, w]
    psnr = compute_image_psnr(shown, wanted, data_range=255.0).clamp(max=EQUAL_PSNR)
    if min(img.shape[-2:]) < WINDOW_SIZE:
        return psnr, torch.full_like(psnr, torch.nan)
    return psnr, compute_image_ssim(shown, wanted, data_range=255.0)


@torch.no_grad()
def measure_lpips(img: Tensor, target: Tensor, *, lpips: LPIPS | None = None) -> float:
    """Return the mean LPIPS between renderings and their targets.

    Args:
        img: [n, c, h, w], nominally in [-1, 1]; images below 128 pixels are upsampled.
        target: The same, on the same device.
        lpips: The network, on that device; `None` loads it.

    Returns:
        LPIPS (SqueezeNet, Caffe weights), at least 0; NaN if pictures are not RGB.
    """
    if img.shape[1] != 3:
        return math.nan
    features = SqueezeNetFeatures(lpips or load_lpips(device=img.device))
    batches = zip(img.split(LPIPS_BATCH), target.split(LPIPS_BATCH), strict=True)
    distances = [feature_distance(features(a.clamp(-1, 1)), features(b)) for a, b in batches]
    return float(torch.cat(distances).mean())


def compare_liveliness(img: Tensor, target: Tensor) -> float:
    """Return the change of a clip [t, c, h, w] from frame to frame, as a fraction of its target's.

    It is 1 if the target is still.
    """
    found, wanted = (float(x.clamp(-1, 1).diff(dim=0).abs().mean()) for x in (img, target))
    return found / wanted if wanted > STILL else 1.0
