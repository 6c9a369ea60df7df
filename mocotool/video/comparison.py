"""A sheet of targets, reconstructions, and their differences."""

import numpy as np

from mocotool.arrays import FramesU8
from mocotool.video.pictures import tile_frames

DIFFERENCE_GAIN = 4  # a difference of a quarter of the range is white
MAX_ROWS = 64
ROWS_A_COLUMN = 8


def draw_comparison(wanted: FramesU8, found: FramesU8) -> FramesU8:
    """Draw targets, reconstructions, and four times the difference, side by side.

    Args:
        wanted: Targets, uint8 [n, h, w, 3].
        found: Reconstructions, same shape.

    Returns:
        uint8 [rows * h, columns * w, 3]: three tiles per image; at most 64 images, evenly spaced.
    """
    shown = np.linspace(0, len(wanted) - 1, min(len(wanted), MAX_ROWS)).round().astype(int)
    tiles: list[FramesU8] = []
    for idx in shown:
        difference = np.abs(wanted[idx].astype(np.int16) - found[idx])
        amplified = np.minimum(difference * DIFFERENCE_GAIN, 255).astype(np.uint8)
        tiles += [wanted[idx], found[idx], amplified]
    groups = -(-len(shown) // ROWS_A_COLUMN)
    return tile_frames(tiles, columns=3 * groups)
