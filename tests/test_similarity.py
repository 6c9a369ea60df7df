"""PSNR and SSIM agree with scikit-image on the same settings."""

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from mocotool.errors import MismatchError
from mocotool.similarity import compute_image_psnr, compute_image_ssim


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    a = rng.integers(0, 256, (2, 24, 31, 3), dtype=np.uint8)
    b = np.clip(a.astype(int) + rng.integers(-30, 31, a.shape), 0, 255).astype(np.uint8)
    return a, b


def to_tensor(frames):
    return torch.from_numpy(frames).movedim(-1, 1)


def test_psnr_agrees_with_scikit_image(pair):
    a, b = pair

    found = compute_image_psnr(to_tensor(a), to_tensor(b), data_range=255.0)

    expected = [peak_signal_noise_ratio(x, y, data_range=255) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)


def test_ssim_agrees_with_scikit_image(pair):
    a, b = pair

    found = compute_image_ssim(to_tensor(a), to_tensor(b), data_range=255.0)

    expected = [
        structural_similarity(
            x,
            y,
            data_range=255,
            channel_axis=-1,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for x, y in zip(a, b, strict=True)
    ]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9)


def test_the_data_range_only_sets_the_scale(pair):
    a, b = (to_tensor(frames) for frames in pair)
    scaled = [frames.double() / 255.0 for frames in (a, b)]

    for compute in (compute_image_psnr, compute_image_ssim):
        torch.testing.assert_close(
            compute(*scaled, data_range=1.0), compute(a, b, data_range=255.0), rtol=1e-9, atol=0
        )


def test_zeros_against_ones_are_the_known_values():
    # common_metrics on the same input: PSNR 0, SSIM 9.999e-5
    zeros, ones = torch.zeros(1, 3, 64, 64), torch.ones(1, 3, 64, 64)

    assert compute_image_psnr(zeros, ones, data_range=1.0).item() == pytest.approx(0.0, abs=1e-12)
    assert compute_image_ssim(zeros, ones, data_range=1.0).item() == pytest.approx(
        9.999e-5, rel=1e-4
    )


def test_equal_images_are_perfect(pair):
    a = to_tensor(pair[0])

    assert torch.isinf(compute_image_psnr(a, a, data_range=255.0)).all()
    torch.testing.assert_close(
        compute_image_ssim(a, a, data_range=255.0), torch.ones(2, dtype=torch.float64)
    )


def test_images_of_different_size_are_refused():
    with pytest.raises(MismatchError, match="do not pair up"):
        compute_image_psnr(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 9), data_range=1.0)


def test_images_smaller_than_the_window_are_refused():
    with pytest.raises(MismatchError, match="at least 11x11 pixels"):
        compute_image_ssim(torch.zeros(1, 3, 10, 20), torch.zeros(1, 3, 10, 20), data_range=1.0)
