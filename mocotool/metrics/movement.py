"""Change maps of clips, and block matching that separates movement from change of colour."""

import torch
import torch.nn.functional as F
from torch import Tensor

NUM_CELLS = 8  # of a side of the map
BLOCK_SIZE = 8
MAX_SHIFT = 4  # pixels from one frame to the next; real people of 64 px move less
NUM_SHIFTS = 2 * MAX_SHIFT + 1  # along each axis
NUM_PAIRS = 5  # of neighbouring frames, spread over the clip; all take three times as long
GRADIENT_FLOOR = 1e-6  # regularises the flow on blocks without texture
NO_CHANGE = 1e-12


def change_maps(video: Tensor) -> Tensor:
    """Compute where in the frame each clip changes.

    Args:
        video: [n, t, c, h, w].

    Returns:
        Shares of the energy of frame differences per cell, [n, NUM_CELLS**2]; they sum to one, or
        to zero for a still clip.
    """
    energy = video.diff(dim=1).square().mean(dim=(1, 2))  # [n, h, w]
    cells = F.adaptive_avg_pool2d(energy[:, None], NUM_CELLS).flatten(1)
    return cells / cells.sum(dim=1, keepdim=True).clamp(min=NO_CHANGE)


def compare_maps(a: Tensor, b: Tensor) -> Tensor:
    """Return the Bhattacharyya coefficients [n, m] of change maps, in [0, 1]."""
    return a.sqrt() @ b.sqrt().T


def explain_changes(video: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Measure how much of each frame's change is explained by movement of blocks, and by colour.

    Movement: a block comes from the previous frame, shifted by up to `MAX_SHIFT` pixels with
    subpixel accuracy (one step of optical flow from the best integer shift). Colour: it keeps its
    position and changes its mean colour. Movement has two parameters per block, colour three.

    Args:
        video: [n, t, c, h, w], t at least 2, h and w multiples of `BLOCK_SIZE`; `NUM_PAIRS` pairs
            of consecutive frames are used.

    Returns:
        Energy of frame differences, and the parts explained by movement and by colour, each [n].

    Source:
        Follows: Lucas and Kanade 1981 (flow), and block matching as video codecs have it.
    """
    pairs = torch.linspace(0, video.shape[1] - 2, min(NUM_PAIRS, video.shape[1] - 1)).long()
    before, after = video[:, pairs].flatten(0, 1), video[:, pairs + 1].flatten(0, 1)  # [m, c, h, w]
    change = _sum_blocks((after - before).square())  # [m, rows, columns]

    # whole pixels: the best of all shifts per block; fractions: the flow that explains most of the
    # rest
    best, nearest = _match_blocks(after, before, change)
    moved = change - torch.minimum(best, _flow_residual(after, nearest))
    means = F.avg_pool2d(after - before, BLOCK_SIZE)  # [m, c, rows, columns]
    coloured = BLOCK_SIZE**2 * means.square().sum(dim=1)
    energy, explained, colour = (
        x.sum(dim=(1, 2)).unflatten(0, (len(video), -1)).sum(dim=1)
        for x in (change, moved, coloured)
    )
    return energy, explained, colour


def _match_blocks(after: Tensor, before: Tensor, change: Tensor) -> tuple[Tensor, Tensor]:
    """Find for each block where in the frame before it may have come from.

    Args:
        after: Frames [m, c, h, w].
        before: Those before them.
        change: What is left of each block where it keeps its place, [m, rows, columns].

    Returns:
        The least that is left of each block, and what stood where it came from [m, c, h, w].
    """
    height, width = after.shape[-2:]
    padded = F.pad(before, (MAX_SHIFT,) * 4, mode="replicate")

    # The shift that leaves least; pictures are touched once for each of them.
    best, chosen = change, torch.full_like(change, NUM_SHIFTS**2 // 2, dtype=torch.int64)
    for dy in range(NUM_SHIFTS):
        for dx in range(NUM_SHIFTS):
            shifted = padded[:, :, dy : dy + height, dx : dx + width]
            error = _sum_blocks((after - shifted).square_())
            better = error < best
            best = torch.where(better, error, best)
            chosen = torch.where(better, dy * NUM_SHIFTS + dx, chosen)

    # Every pixel from where its block came from.
    y, x = (torch.arange(size, device=after.device) for size in (height, width))
    y = y[:, None] + _to_pixels(chosen // NUM_SHIFTS)
    place = y * padded.shape[3] + x + _to_pixels(chosen % NUM_SHIFTS)  # [m, 1, h, w]
    place = place.flatten(2).expand(-1, after.shape[1], -1)
    return best, padded.flatten(2).gather(2, place).view_as(after)


def _sum_blocks(values: Tensor) -> Tensor:
    """Sum [m, c, h, w] over channels and blocks: [m, rows, columns]."""
    return BLOCK_SIZE**2 * F.avg_pool2d(values.sum(dim=1), BLOCK_SIZE)


def _to_pixels(per_block: Tensor) -> Tensor:
    """Spread [m, rows, columns] over the pixels of the blocks, [m, 1, h, w]."""
    rows = per_block[:, None].repeat_interleave(BLOCK_SIZE, dim=2)
    return rows.repeat_interleave(BLOCK_SIZE, dim=3)


def _flow_residual(after: Tensor, before: Tensor) -> Tensor:
    """Return the residual energy of each block after the best small flow."""
    gy, gx = torch.gradient((before + after) / 2, dim=(2, 3))
    rest = after - before

    # least squares of the difference on both gradients: a 2x2 system per block
    a, b, c = _sum_blocks(gy * gy), _sum_blocks(gy * gx), _sum_blocks(gx * gx)
    y, x = _sum_blocks(gy * rest), _sum_blocks(gx * rest)
    a, c = a + GRADIENT_FLOOR, c + GRADIENT_FLOOR
    determinant = (a * c - b * b).clamp(min=GRADIENT_FLOOR**2)
    flow_y, flow_x = (c * y - b * x) / determinant, (a * x - b * y) / determinant
    return _sum_blocks((rest - _to_pixels(flow_y) * gy - _to_pixels(flow_x) * gx).square())
