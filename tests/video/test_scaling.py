import math

import numpy as np
import pytest

from mocotool.video.scaling import choose_size, resize_frames


def slow_lanczos(row, after):
    """One row of numbers at another length, straight from the definition of the filter."""

    def window(x):
        return 0.0 if abs(x) >= 3 else 1.0 if x == 0 else (
            3 * math.sin(math.pi * x) * math.sin(math.pi * x / 3) / (math.pi * x) ** 2
        )  # fmt: skip

    scale = len(row) / after
    stretch = max(1.0, scale)
    result = []
    for place in range(after):
        centre = (place + 0.5) * scale
        shares = [window((old + 0.5 - centre) / stretch) for old in range(len(row))]
        total = sum(share * value for share, value in zip(shares, row, strict=True))
        result.append(min(255, max(0, total / sum(shares))))
    return np.array(result)


@pytest.mark.parametrize("after", [5, 16, 23, 40])
def test_the_filter_is_lanczos(after):
    row = np.random.default_rng(0).integers(0, 256, 16)
    tall = np.repeat(row[None, None, :, None], 4, axis=1).repeat(3, axis=3).astype(np.uint8)

    wide = resize_frames(tall, height=4, width=after)
    high = resize_frames(tall.transpose(0, 2, 1, 3), height=after, width=4)

    expected = slow_lanczos(row, after)
    assert np.abs(wide[0, 1, :, 0] - expected).max() <= 0.501
    np.testing.assert_array_equal(high.transpose(0, 2, 1, 3), wide)


def test_flat_pictures_stay_flat_and_sizes_alike_stay_bit_for_bit():
    flat = np.full((2, 9, 7, 4), 200, np.uint8)
    noise = np.random.default_rng(0).integers(0, 256, (2, 9, 7, 3), np.uint8)

    assert (resize_frames(flat, height=30, width=3) == 200).all()
    assert resize_frames(noise, height=9, width=7) is noise


@pytest.mark.parametrize(
    ("size", "expected"),
    [((32, None), (16, 32)), ((32, 10), (10, 32)), ((1, None), (1, 1)), ((33, None), (16, 33))],
)
def test_the_height_follows_the_width(size, expected):
    assert choose_size(size, height=64, width=128) == expected
