"""Resizing does what the protocols it is named after do."""

import pytest
import torch
import torch.nn.functional as F

from mocotool.metrics.resizing import resize_frames


def tf1_by_loops(image, size):
    """Sample at i * (in / out), the corner of each pixel, clamped at the edge."""
    height, width = image.shape
    out = torch.zeros(size, size)
    for i in range(size):
        for j in range(size):
            y, x = i * height / size, j * width / size
            top, left = int(y), int(x)
            below, right = min(top + 1, height - 1), min(left + 1, width - 1)
            upper = image[top, left] * (1 - (x - left)) + image[top, right] * (x - left)
            lower = image[below, left] * (1 - (x - left)) + image[below, right] * (x - left)
            out[i, j] = upper * (1 - (y - top)) + lower * (y - top)
    return out


@pytest.mark.parametrize("shape", [(5, 7), (12, 9), (3, 20)])
def test_tf1_has_no_half_pixel_centres(shape):
    image = torch.rand(shape)

    torch.testing.assert_close(
        resize_frames(image, 8, interpolation="bilinear-tf1"), tf1_by_loops(image, 8)
    )


def test_tf1_and_torch_differ():
    image = torch.rand(5, 5)

    assert not torch.allclose(
        resize_frames(image, 8, interpolation="bilinear-tf1"), resize_frames(image, 8), atol=1e-3
    )


def test_squash_is_torchs_bilinear():
    frames = torch.rand(2, 3, 10, 14)

    expected = F.interpolate(frames, (8, 8), mode="bilinear", align_corners=False)
    torch.testing.assert_close(resize_frames(frames, 8), expected)


@pytest.mark.parametrize("shape", [(10, 20), (20, 10), (30, 31)])
def test_crop_keeps_the_shape_of_things(shape):
    frames = torch.zeros(1, *shape)
    height, width = shape
    frames[:, height // 2 - 5 : height // 2 + 5, width // 2 - 5 : width // 2 + 5] = 1.0

    square = resize_frames(frames, 40, resize="crop")[0] > 0.5

    assert square.shape == (40, 40)
    tall, wide = square.any(dim=1).sum(), square.any(dim=0).sum()
    assert abs(int(tall) - int(wide)) <= 1


def test_the_right_size_is_left_alone():
    frames = torch.rand(3, 8, 8)

    assert torch.equal(resize_frames(frames, 8, interpolation="bilinear-tf1"), frames)
