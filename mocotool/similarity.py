"""Pixelwise similarity of images: PSNR, and SSIM as Wang et al. 2004 define it."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from mocotool.errors import MismatchError

WINDOW_SIZE = 11  # Wang et al. 2004
WINDOW_SIGMA = 1.5
K1, K2 = 0.01, 0.03

EQUAL_PSNR = 100.0  # what equal pictures count as, in dB, where it would be infinite


def compute_image_psnr(a: Tensor, b: Tensor, *, data_range: float) -> Tensor:
    """Compute the peak signal-to-noise ratio of each pair of images.

    Args:
        a: [n, ...], any number type.
        b: The same shape.
        data_range: Largest minus smallest possible value: 255 for bytes, 2 for [-1, 1].

    Returns:
        float64 [n] in dB; infinite where the two are equal.

    Raises:
        MismatchError: The shapes differ.
    """
    _check_pair(a, b)
    mse = (a.double() - b.double()).square().flatten(1).mean(dim=1)
    return 10.0 * torch.log10(data_range**2 / mse)


def compute_image_ssim(
    a: Tensor,
    b: Tensor,
    *,
    data_range: float,
    window_size: int = WINDOW_SIZE,
    window_sigma: float = WINDOW_SIGMA,
    k1: float = K1,
    k2: float = K2,
) -> Tensor:
    """Compute the structural similarity of each pair of images, averaged over channels.

    A Gaussian window, population covariances, and only places where the whole window fits; the
    same as scikit-image with `gaussian_weights=True, use_sample_covariance=False`.

    Args:
        a: [n, c, h, w], any number type.
        b: The same shape.
        data_range: Largest minus smallest possible value.
        window_size: Width of the window in pixels, odd.
        window_sigma: Standard deviation of its Gaussian in pixels.
        k1: Steadies the luminance term.
        k2: Steadies the contrast term.

    Returns:
        float64 [n], at most 1.

    Raises:
        MismatchError: The shapes differ, or the images are smaller than the window.

    Source:
        Paper: Wang et al., "Image quality assessment: from error visibility to structural
        similarity", 2004.
    """
    _check_pair(a, b)
    if a.ndim != 4 or min(a.shape[-2:]) < window_size:
        raise MismatchError(
            f"images of shape {list(a.shape)}, SSIM expects [n, c, h, w] of at least "
            f"{window_size}x{window_size} pixels"
        )
    window = _gaussian(window_size, window_sigma).to(a.device)
    n = len(a)
    # float64: variances are small differences of large squares.
    x, y = a.double().flatten(0, 1)[:, None], b.double().flatten(0, 1)[:, None]  # [n*c, 1, h, w]
    moments = _blur(torch.cat([x, y, x * x, y * y, x * y], dim=1), window)
    mean_x, mean_y, square_x, square_y, product = moments.unbind(dim=1)  # [n*c, h', w'] each
    var_x, var_y = square_x - mean_x**2, square_y - mean_y**2
    covariance = product - mean_x * mean_y
    c1, c2 = (k1 * data_range) ** 2, (k2 * data_range) ** 2
    luminance = (2.0 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2.0 * covariance + c2) / (var_x + var_y + c2)
    return (luminance * structure).reshape(n, -1).mean(dim=1)


def _check_pair(a: Tensor, b: Tensor) -> None:
    if a.shape != b.shape:
        raise MismatchError(f"images of shapes {list(a.shape)} and {list(b.shape)} do not pair up")


def _gaussian(size: int, sigma: float) -> Tensor:
    weights = [math.exp(-((i - size // 2) ** 2) / (2.0 * sigma**2)) for i in range(size)]
    window = torch.tensor(weights, dtype=torch.float64)
    return window / window.sum()


def _blur(x: Tensor, window: Tensor) -> Tensor:
    """Blur [n, c, h, w] by a separable window where it fits whole, [n, c, h', w']."""
    channels = x.shape[1]
    rows = F.conv2d(x, window.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels)
    return F.conv2d(rows, window.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)
