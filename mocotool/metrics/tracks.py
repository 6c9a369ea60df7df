"""Features of tracked blocks: their velocities and accelerations through a clip.

Follows the idea of FVMD (histograms of the directions of velocities and accelerations of tracked
points), with block matching in place of a network, and other histograms. Their distance is called
"frechet distance (tracked motion)", never FVMD.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from mocotool.errors import MismatchError

FRAME_SIZE = 64
BLOCK_SIZE = 8
MAX_SHIFT = 4  # pixels from one frame to the next; real people of 64 px move less
NUM_CELLS = 2  # of a side of the frame
NUM_DIRECTIONS = 8
MIN_FRAMES = 3  # for one acceleration

# Penalty per pixel of shift, per pixel and channel of the block: one grey level. Without it, blocks
# without texture would follow the noise.
STIFFNESS = (1.0 / 255.0) ** 2


def track_features(video: Tensor) -> Tensor:
    """Compute histograms of the motion of tracked blocks of each clip.

    Args:
        video: float32 [n, t, 3, 64, 64] in [0, 1], t at least 3.

    Returns:
        float32 [n, 64], in pixels per frame at 64 pixels: mean speed in eight directions, clockwise
        from right, in each quadrant of the frame (32), and mean acceleration likewise (32).

    Raises:
        MismatchError: The clips have fewer than three frames.
    """
    if video.shape[1] < MIN_FRAMES:
        raise MismatchError(
            f"clips of {video.shape[1]} frames, tracked motion needs at least {MIN_FRAMES}"
        )
    velocity = track_blocks(video).diff(dim=1)  # [n, t-1, rows, columns, 2]
    acceleration = velocity.diff(dim=1)
    return torch.cat([direction_histograms(x) for x in (velocity, acceleration)], dim=1)


def track_blocks(video: Tensor) -> Tensor:
    """Track the blocks of the first frame through each clip.

    From frame to frame, a block moves to its best match: the best integer shift of at most
    `MAX_SHIFT` pixels, then one Gauss-Newton step to subpixel accuracy.

    Args:
        video: float32 [n, t, c, h, w] in [0, 1], h and w multiples of `BLOCK_SIZE`.

    Returns:
        Centres of the blocks (x, y) in pixels, [n, t, rows, columns, 2].

    Source:
        Follows: block matching as video codecs have it; Lucas and Kanade 1981.
    """
    n, t, _, height, width = video.shape
    y, x = (
        torch.arange(size // BLOCK_SIZE) * BLOCK_SIZE + (BLOCK_SIZE - 1) / 2
        for size in (height, width)
    )
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)  # [rows, columns, 2]
    places = [grid.flatten(0, 1).expand(n, -1, -1).to(video)]  # [n, p, 2]
    edge = torch.tensor([width - 1.0, height - 1.0]).to(video)
    for i in range(t - 1):
        moved = places[-1] + _find_shift(video[:, i], video[:, i + 1], places[-1])
        places.append(torch.minimum(moved.clamp(min=0.0), edge))
    followed: Tensor = torch.stack(places, dim=1).unflatten(2, grid.shape[:2])
    return followed


def direction_histograms(vectors: Tensor) -> Tensor:
    """Return the mean length of vectors by direction and by initial position of the block.

    A vector counts for its two neighbouring directions, with linear weights.

    Args:
        vectors: (x, y), [n, t, rows, columns, 2].

    Returns:
        [n, NUM_CELLS**2 * NUM_DIRECTIONS], cells row by row, directions clockwise from right.
    """
    length = vectors.norm(dim=-1)
    turns = torch.atan2(vectors[..., 1], vectors[..., 0]) * (NUM_DIRECTIONS / math.tau)
    lower = turns.floor()
    share = turns - lower  # of the next direction
    directions = torch.arange(NUM_DIRECTIONS, device=vectors.device)
    first = (lower.long() % NUM_DIRECTIONS)[..., None] == directions
    second = ((lower.long() + 1) % NUM_DIRECTIONS)[..., None] == directions
    weights = first * (1.0 - share)[..., None] + second * share[..., None]  # [n, t, rows, cols, 8]
    means = torch.einsum("ntrck,ntrc->nkrc", weights, length) / vectors.shape[1]
    cells = F.adaptive_avg_pool2d(means, NUM_CELLS)
    return cells.permute(0, 2, 3, 1).flatten(1)  # directions last


def _find_shift(before: Tensor, after: Tensor, places: Tensor) -> Tensor:
    """Return the shift of the blocks around positions [n, p, 2] from one frame to the next."""
    reach = MAX_SHIFT
    block = _cut(before, places, BLOCK_SIZE)  # [n, p, c, b, b]
    area = _cut(after, places, BLOCK_SIZE + 2 * reach)

    # whole pixels
    windows = area.unfold(3, BLOCK_SIZE, 1).unfold(4, BLOCK_SIZE, 1)  # [n, p, c, 9, 9, b, b]
    errors = (windows - block[:, :, :, None, None]).square().mean(dim=(2, 5, 6))  # [n, p, 9, 9]
    steps = torch.arange(-reach, reach + 1, device=places.device).to(places)
    errors = errors + STIFFNESS * (steps[:, None].square() + steps.square())
    best = errors.flatten(2).argmin(dim=2)  # [n, p]
    shift = torch.stack([steps[best % len(steps)], steps[best // len(steps)]], dim=-1)

    # a fraction: least squares of what is left on both gradients
    found = _cut(after, places + shift, BLOCK_SIZE + 2)
    inner = found[..., 1:-1, 1:-1]
    slopes = torch.stack(
        [
            (found[..., 1:-1, 2:] - found[..., 1:-1, :-2]) / 2,
            (found[..., 2:, 1:-1] - found[..., :-2, 1:-1]) / 2,
        ],
        dim=2,
    ).flatten(3)  # [n, p, 2, c*b*b]
    rest = (block - inner).flatten(2)[..., None]  # [n, p, c*b*b, 1]
    damping = STIFFNESS * rest.shape[2] * torch.eye(2, device=places.device).to(places)
    step: Tensor = torch.linalg.solve(slopes @ slopes.mT + damping, slopes @ rest)[..., 0]
    return shift + step.clamp(-1.0, 1.0)


def _cut(frames: Tensor, places: Tensor, size: int) -> Tensor:
    """Crop squares around positions [n, p, 2] from frames [n, c, h, w]: [n, p, c, size, size].

    Bilinear, with the border pixels repeated outside the frame.
    """
    n, p = places.shape[:2]
    height, width = frames.shape[-2:]
    offsets = torch.arange(size, device=places.device).to(places) - (size - 1) / 2
    x = (places[..., 0, None] + offsets) * (2.0 / (width - 1)) - 1.0  # [n, p, size]
    y = (places[..., 1, None] + offsets) * (2.0 / (height - 1)) - 1.0
    grid = torch.stack(
        [x[:, :, None, :].expand(n, p, size, size), y[..., None].expand(n, p, size, size)], dim=-1
    )
    cut = F.grid_sample(
        frames, grid.flatten(1, 2), mode="bilinear", padding_mode="border", align_corners=True
    )  # [n, c, p*size, size]
    squares: Tensor = cut.unflatten(2, (p, size)).movedim(1, 2)
    return squares
