"""Handcrafted features of a clip's motion: no network, no weights, nothing to download.

They distinguish real motion from still, shuffled, slowed, noisy and blurred clips, and do not
describe appearance. Their distance is called "frechet distance (motion features)", never FVD.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from mocotool.errors import MismatchError

FRAME_SIZE = 64
COARSE_SIZE = 16
GRID_SIZE = 4
NUM_BANDS = 6
MIN_FRAMES = 5  # energy is looked at in four quarters of the steps, none of them empty

# Differences under half a grey level are rounding: logarithms are clamped there.
FLOOR = (0.5 / 255.0) ** 2

GRID_WEIGHT = 4.0  # shares of 16 cells are small beside logarithms of energies


def motion_features(video: Tensor) -> Tensor:
    """Compute features of the motion of each clip.

    Args:
        video: float32 [n, t, c, h, w] in [0, 1], t at least 5.

    Returns:
        float32 [n, 43]: log10 of the mean energy of frame differences and of their deviation over
        time (2); the spectrum over time of pixels (6) and of the energy of differences (6), as
        log10 of the power in six bands; the share of each cell of a 4x4 grid in the energy (16),
        its mean distance from the centre of motion (1) and how that centre wanders (1); log10 of
        the energy of accelerations (1) and its ratio to that of differences (1); log10 of the
        energy between first and last frame (1), and its ratio to that of all steps (1); the share
        of coarse and fine detail in differences (2); how alike successive differences are (1), and
        log10 of the energy by quarters of the clip (4).

    Raises:
        MismatchError: The clips have fewer than five frames.
    """
    n, t, _, height, width = video.shape
    if t < MIN_FRAMES:
        raise MismatchError(f"clips of {t} frames, motion features need at least {MIN_FRAMES}")
    if (height, width) != (FRAME_SIZE, FRAME_SIZE):
        flat = F.interpolate(
            video.flatten(0, 1), (FRAME_SIZE, FRAME_SIZE), mode="bilinear", antialias=True
        )
        video = flat.unflatten(0, (n, t))

    # how much changes from frame to frame, and between the ends
    steps = video.diff(dim=1)  # [n, t-1, c, h, w]
    energy = steps.square().mean(dim=(2, 3, 4))  # [n, t-1]
    mean_energy = energy.mean(dim=1, keepdim=True)  # [n, 1]
    accelerations = steps.diff(dim=1).square().mean(dim=(1, 2, 3, 4))[:, None]
    jump = (video[:, -1] - video[:, 0]).square().mean(dim=(1, 2, 3))[:, None]

    # in the order of the docstring
    parts = (
        _log(mean_energy),
        _log(energy.var(dim=1, correction=0, keepdim=True).sqrt()),
        _log(_band_power(video.flatten(2))),
        _log(_band_power(energy.sqrt()[..., None])),
        *_spread(steps, mean_energy),
        _log(accelerations),
        _log(accelerations) - _log(mean_energy),
        _log(jump),
        _log(jump) - _log(mean_energy * (t - 1)),
        _detail(steps, mean_energy),
        _likeness(steps),
        torch.cat([_log(q.mean(dim=1, keepdim=True)) for q in energy.tensor_split(4, dim=1)], 1),
    )
    return torch.cat(parts, dim=1)


def _log(energy: Tensor) -> Tensor:
    return torch.log10(energy + FLOOR)


def _band_power(signals: Tensor) -> Tensor:
    """Return the power of signals [n, t, k] over time in bands from slow to fast, [n, bands]."""
    t = signals.shape[1]
    spectrum = torch.fft.rfft(signals - signals.mean(dim=1, keepdim=True), dim=1)
    power = spectrum.abs().square().mean(dim=2)[:, 1:] / t  # [n, t // 2]; the mean is gone
    # As many bands for any clip length, so that features of long and short clips have one size.
    return F.interpolate(power[:, None], NUM_BANDS, mode="linear", align_corners=True)[:, 0]


def _spread(steps: Tensor, mean_energy: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return where motion is, [n, 16], its extent, [n, 1], and how its centre moves, [n, 1]."""
    per_step = F.adaptive_avg_pool2d(steps.square().mean(dim=2), GRID_SIZE)  # [n, t-1, 4, 4]
    cells = per_step.mean(dim=1)
    shares = cells / (cells.sum(dim=(1, 2), keepdim=True) + FLOOR * GRID_SIZE**2)
    places = torch.linspace(-1.0, 1.0, GRID_SIZE, device=steps.device)
    weights = per_step / (per_step.sum(dim=(2, 3), keepdim=True) + FLOOR * GRID_SIZE**2)
    centre = torch.stack(
        [(weights * places[:, None]).sum(dim=(2, 3)), (weights * places).sum(dim=(2, 3))], dim=-1
    )  # [n, t-1, 2]
    grid = torch.stack(torch.meshgrid(places, places, indexing="ij"), dim=-1)  # [4, 4, 2]
    mean_centre = centre.mean(dim=1)  # [n, 2]
    distance = (grid - mean_centre[:, None, None]).square().sum(dim=-1)  # [n, 4, 4]
    width = (shares * distance).sum(dim=(1, 2))[:, None].sqrt()
    wander = centre.var(dim=1, correction=0).sum(dim=1, keepdim=True).sqrt()
    moves = mean_energy / (mean_energy + FLOOR)  # a still clip has no centre of motion
    return GRID_WEIGHT * shares.flatten(1), width * moves, wander * moves


def _detail(steps: Tensor, mean_energy: Tensor) -> Tensor:
    """Return log10 of the share of coarse and of fine detail in differences, [n, 2]."""
    coarse = F.adaptive_avg_pool2d(steps.flatten(0, 1), COARSE_SIZE).unflatten(0, steps.shape[:2])
    middle = F.adaptive_avg_pool2d(steps.flatten(0, 1), 2 * COARSE_SIZE)
    energies = (
        coarse.square().mean(dim=(1, 2, 3, 4)),
        middle.unflatten(0, steps.shape[:2]).square().mean(dim=(1, 2, 3, 4)),
    )
    return torch.stack([_log(energy) for energy in energies], dim=1) - _log(mean_energy)


def _likeness(steps: Tensor) -> Tensor:
    """Return the mean cosine of successive differences, [n, 1]: 1 is steady, -1 is jitter."""
    before, after = steps[:, :-1].flatten(2), steps[:, 1:].flatten(2)
    floor = FLOOR * before.shape[2]
    product = (before * after).sum(dim=2)
    norm = (before.square().sum(dim=2) + floor).sqrt() * (after.square().sum(dim=2) + floor).sqrt()
    return (product / norm).mean(dim=1, keepdim=True)
