"""Seamless loops: clips that end where they begin."""

import dataclasses

import numpy as np
import numpy.typing as npt

from mocotool.configs.loop import LoopConfig
from mocotool.latents import Trajectory, check_room
from mocotool.steering.schedules import ease_share

Latents = npt.NDArray[np.float32]


def close_trajectory(trajectory: Trajectory, *, config: LoopConfig | None = None) -> Trajectory:
    """Turn each video into a loop, whose first frame follows the last without a seam.

    "drift" repeats the last step once, and distributes the remaining difference between end and
    beginning evenly over all steps: N frames, with the same first one. "back" plays forwards and
    backwards, 2 N - 2 given frames. "blend" blends the last frames into the first ones, N -
    `config.blend` frames.

    Args:
        trajectory: The clips, t frames each.
        config: The mode; `None` for the defaults.

    Raises:
        ConfigError: The clips are shorter than the blend needs.
    """
    config = LoopConfig() if config is None else config
    num_frames = config.count_frames(trajectory.num_frames)
    check_room(trajectory.num_videos, num_frames, *trajectory.latents.shape[2:])

    latents = trajectory.latents
    if config.mode == "back":
        closed = np.concatenate([latents, latents[:, -2:0:-1]], axis=1)
    elif config.mode == "blend":
        closed = _blend_ends(latents, config.blend)
    else:
        step = latents[:, -1:] - latents[:, -2:-1] if latents.shape[1] > 1 else 0.0
        closed = remove_drift(np.concatenate([latents, latents[:, -1:] + step], axis=1))
    return dataclasses.replace(trajectory, latents=closed)


def remove_drift(latents: Latents) -> Latents:
    """Make the last frame equal the first, by the same small correction of every step.

    All steps change equally, including the one across the seam, so there is no visible seam; a
    correction with easing would leave the steps at the ends unchanged and enlarge the others.

    Args:
        latents: [n, t+1, ...]; the last frame is to be the first one again.

    Returns:
        float32 [n, t, ...]: without the last frame. The first one stays as it is.
    """
    num_steps = latents.shape[1] - 1
    drift = latents[:, -1:].astype(np.float64) - latents[:, :1]
    share = np.arange(num_steps).reshape(1, -1, *[1] * (latents.ndim - 2)) / max(num_steps, 1)
    return np.asarray(latents[:, :-1] - share * drift, np.float32)


def _blend_ends(latents: Latents, num_blended: int) -> Latents:
    """Return [n, t - num_blended, ...]: first frames that come out of the last ones."""
    first, last = latents[:, :num_blended], latents[:, -num_blended:]
    share = ease_share(np.arange(num_blended) / num_blended, "in-out")
    weight = share.reshape(1, -1, *[1] * (latents.ndim - 2))
    mixed = (1.0 - weight) * last + weight * first
    return np.concatenate([mixed.astype(np.float32), latents[:, num_blended:-num_blended]], axis=1)


def pull_back(latents: Latents, pull: float) -> Latents:
    """Take the same steps, but move each frame back towards the first by a fraction of the way.

    A walk of independent steps then stays within sqrt(1 / (2 pull)) steps of its start, however
    long it is.

    Args:
        latents: [n, t, ...].
        pull: The fraction, from 0 (nothing changes) to 1 (the first frame, and one step from it).

    Returns:
        float32, the same shape; the first frame stays.
    """
    if pull == 0.0:
        return latents
    steps = np.diff(latents.astype(np.float64), axis=1)
    away = np.zeros_like(latents, dtype=np.float64)  # from the first frame
    for frame_idx in range(1, latents.shape[1]):
        away[:, frame_idx] = (1.0 - pull) * away[:, frame_idx - 1] + steps[:, frame_idx - 1]
    return np.asarray(latents[:, :1] + away, np.float32)
