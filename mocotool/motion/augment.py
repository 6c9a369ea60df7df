"""Random augmentation of pictures for D_I: shifts, flips, cutouts and colour.

The numbers are drawn first and applied afterwards: the same change can be made again, to another
network's input or by a slower program. Everything is differentiable through the pictures.
"""

import dataclasses
import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from mocotool.devices import to_device

AugmentSet = Literal["reference", "paper"]

MAX_TRANSLATION = 0.1  # of the half width, which is one in the sampling grid
SCALE_RANGE = (0.95, 1.05)
MAX_SHIFT = 0.5  # of brightness or colour, in a range of [-1, 1]
REFERENCE_CUTOUT = (0.125, 0.25)  # of the width
PAPER_CUTOUT = (0.0, 0.25)
MAX_CUTOUT = 0.25


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Augmentation:
    """One augmentation per picture, for n pictures."""

    cutout: Tensor
    """int64 [n, 4]: top, bottom, left, right of the rectangle set to zero; it may be empty."""
    flip: Tensor
    """bool [n]: flip left to right."""
    shift: Tensor
    """[n, 3]: added to each channel."""
    theta: Tensor
    """[n, 2, 3]: the affine map from output to input positions, both in [-1, 1]."""
    is_affine: Tensor
    """bool [n]: whether `theta` is to be applied."""

    def rows(self, rows: slice) -> "Augmentation":
        """Return the augmentations of some of the pictures."""
        parts = {field.name: getattr(self, field.name)[rows] for field in dataclasses.fields(self)}
        return Augmentation(**parts)

    def to(self, device: torch.device) -> "Augmentation":
        """Return the same augmentations on another device, moved there in one copy."""
        if device == self.theta.device:
            return self
        n = len(self.theta)
        parts = [self.cutout, self.flip, self.shift, self.theta, self.is_affine]
        # Edges of rectangles are whole numbers far below 2**24, which float32 holds exactly.
        packed = torch.cat([part.reshape(n, -1).to(torch.float32) for part in parts], dim=1)
        cutout, flip, shift, theta, is_affine = to_device(packed, device).split(
            [4, 1, 3, 6, 1], dim=1
        )
        return Augmentation(
            cutout=cutout.long(),
            flip=flip[:, 0] > 0,
            shift=shift,
            theta=theta.unflatten(1, (2, 3)),
            is_affine=is_affine[:, 0] > 0,
        )


def draw_augmentation(
    n: int, *, size: int, augment_set: AugmentSet, rng: torch.Generator | None = None
) -> Augmentation:
    """Draw an augmentation for each of `n` square pictures.

    Args:
        n: How many.
        size: Their height and width in pixels.
        augment_set: "reference": a cutout in a band along one border, and one of flip (half the
            time), colour and affine. "paper": affine, brightness, colour, cutout and flip, all.
        rng: A random generator on the CPU.

    Source:
        Paper: Appendix A.2 (the five changes and their ranges).
        Official code: what train_func_cross_domain.py applies (the reference set).
    """
    is_reference = augment_set == "reference"
    theta = draw_affine(n, rng=rng)
    coin = torch.rand(n, generator=rng) < 0.5
    shift, single = _uniform((n, 1), -MAX_SHIFT, MAX_SHIFT, rng), _draw_colour(n, rng=rng)
    if not is_reference:
        return Augmentation(
            cutout=_draw_free_cutout(n, size=size, rng=rng),
            flip=coin,
            shift=shift.expand(-1, 3) + single,
            theta=theta,
            is_affine=torch.ones(n, dtype=torch.bool),
        )
    choice = torch.randint(3, (n,), generator=rng)
    # One colour change is the same shift for all channels, or for red, green or blue alone.
    channels = torch.cat([torch.ones(1, 3), torch.eye(3)])[torch.randint(4, (n,), generator=rng)]
    return Augmentation(
        cutout=_draw_border_cutout(n, size=size, rng=rng),
        flip=coin & (choice == 0),
        shift=shift * channels * (choice == 1)[:, None],
        theta=theta,
        is_affine=choice == 2,
    )


def draw_affine(n: int, *, rng: torch.Generator | None = None) -> Tensor:
    """Draw rotations, translations and scales as [n, 2, 3] maps from output to input positions."""
    angle = _uniform((n,), -math.pi, math.pi, rng)
    moved = _uniform((n, 2), -MAX_TRANSLATION, MAX_TRANSLATION, rng)
    scale = _uniform((n,), *SCALE_RANGE, rng)
    cos, sin = angle.cos() * scale, angle.sin() * scale
    return torch.stack(
        [torch.stack([cos, -sin, moved[:, 0]], 1), torch.stack([sin, cos, moved[:, 1]], 1)], 1
    )


def augment(img: Tensor, augmentation: Augmentation) -> Tensor:
    """Apply one augmentation per picture to [n, c, h, w] in [-1, 1]; values are not clamped."""
    has_affine = bool(augmentation.is_affine.any())  # where it was drawn: the device need not tell
    augmentation = augmentation.to(img.device)
    img = _cut_out(img, augmentation.cutout)
    img = torch.where(augmentation.flip[:, None, None, None], img.flip(-1), img)
    img = img + augmentation.shift[:, :, None, None]
    if not has_affine:
        return img
    grid = F.affine_grid(augmentation.theta, list(img.shape), align_corners=False)
    warped = F.grid_sample(img, grid, padding_mode="reflection", align_corners=False)
    return torch.where(augmentation.is_affine[:, None, None, None], warped, img)


def _cut_out(img: Tensor, cutout: Tensor) -> Tensor:
    ys = torch.arange(img.shape[-2], device=img.device)
    xs = torch.arange(img.shape[-1], device=img.device)
    top, bottom, left, right = (edge[:, None] for edge in cutout.unbind(dim=1))
    in_rows = (ys >= top) & (ys < bottom)  # [n, h]
    in_columns = (xs >= left) & (xs < right)  # [n, w]
    hole = in_rows[:, None, :, None] & in_columns[:, None, None, :]  # [n, 1, h, w]
    return img.masked_fill(hole, 0.0)


def _draw_border_cutout(n: int, *, size: int, rng: torch.Generator | None) -> Tensor:
    """Draw squares in the quarter along one border, so that the middle stays to be seen.

    Source:
        Official code: its cutout, as measured (squares prefer the top left).
    """
    ratio = _uniform((n,), *REFERENCE_CUTOUT, rng)
    across = torch.rand(n, generator=rng) * (MAX_CUTOUT - ratio)
    along = torch.rand(n, generator=rng) * (1 - MAX_CUTOUT)
    border = torch.randint(4, (n,), generator=rng)  # top, bottom, left, right
    is_far, is_row = (border == 1) | (border == 3), border < 2
    across = torch.where(is_far, across + 1 - MAX_CUTOUT, across)

    # Starts are shares of size - 1, rounded, so squares keep away from the last row and column.
    side = (ratio * size - 0.5).round().long().clamp(min=1)
    top, left = torch.where(is_row, across, along), torch.where(is_row, along, across)
    top, left = ((x * (size - 1) - 0.5).round().long().clamp(min=0) for x in (top, left))
    return torch.stack([top, top + side, left, left + side], dim=1)


def _draw_free_cutout(n: int, *, size: int, rng: torch.Generator | None) -> Tensor:
    side = (_uniform((n,), *PAPER_CUTOUT, rng) * size).long()
    corner = (torch.rand(n, 2, generator=rng) * (size - side + 1)[:, None]).long()
    top, left = corner.unbind(dim=1)
    return torch.stack([top, top + side, left, left + side], dim=1)


def _draw_colour(n: int, *, rng: torch.Generator | None) -> Tensor:
    """Draw a shift of one random channel, [n, 3]."""
    channel = F.one_hot(torch.randint(3, (n,), generator=rng), 3)
    return _uniform((n, 1), -MAX_SHIFT, MAX_SHIFT, rng) * channel


def _uniform(size: tuple[int, ...], low: float, high: float, rng: torch.Generator | None) -> Tensor:
    return torch.rand(size, generator=rng) * (high - low) + low
