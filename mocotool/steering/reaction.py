"""Audio-reactive latents: a sound controls how fast, when and how far they move."""

import dataclasses

import numpy as np
import numpy.typing as npt

from mocotool.arrays import FramesU8
from mocotool.basis import PCABasis
from mocotool.configs.react import ReactConfig
from mocotool.errors import ConfigError
from mocotool.interpolation import BLENDS
from mocotool.latents import Trajectory, check_room
from mocotool.plots import Series, draw_line_chart
from mocotool.steering.agreement import to_layers
from mocotool.steering.directions import find_direction
from mocotool.steering.hearing import Hearing
from mocotool.steering.schedules import along_frames, ease_share

Curve = npt.NDArray[np.float64]


def react_trajectory(
    trajectory: Trajectory,
    hearing: Hearing,
    *,
    config: ReactConfig | None = None,
    basis: PCABasis | None = None,
) -> Trajectory:
    """Move through each video's latents at a speed controlled by a sound.

    Args:
        trajectory: The latents, t frames.
        hearing: The sound, at `config.fps`.
        config: The mapping from sound to motion; `None` for the defaults.
        basis: For components; see `ReactConfig.needs_basis`.

    Returns:
        As many frames as the sound has. By energy or evenly, from the first frame to the last; by
        onsets, exactly the next frame at each onset, starting again after the last one.

    Raises:
        ConfigError: A basis is missing, or there is no such direction.
        MismatchError: A direction does not fit the latents.
    """
    config = ReactConfig() if config is None else config
    if config.needs_basis and basis is None:
        raise ConfigError("components need a basis, but none was given", hint="--pca pca.npz")
    check_room(trajectory.num_videos, hearing.num_frames, *trajectory.latents.shape[2:])

    positions = travel(hearing, trajectory.num_frames, config)
    blend, is_loop = BLENDS[config.mode], config.by == "onset"
    latents = np.stack([blend(video, positions, is_loop=is_loop) for video in trajectory.latents])
    # a blend of one frame alone may differ from it by rounding
    is_given = positions == np.round(positions)
    latents[:, is_given] = trajectory.latents[:, positions[is_given].astype(np.int64)]

    # each direction is added as strongly as its band is loud
    meta = dataclasses.replace(trajectory.meta, fps=config.fps)
    moved = dataclasses.replace(trajectory, latents=latents, meta=meta)
    for move, band in config.directions:
        vector = find_direction(
            move,
            basis=basis,
            latent_dim=latents.shape[-1],
            num_ws=latents.shape[2] if meta.space == "w+" else None,
        )
        moved = to_layers(moved, len(vector)) if vector.ndim == 2 else moved
        curve = move.strength * hearing.drive(band, decay_frames=config.decay * config.fps)
        weight = along_frames(curve, moved.latents.ndim).astype(np.float32)
        moved = dataclasses.replace(moved, latents=moved.latents + weight * vector)
    return moved


def travel(hearing: Hearing, num_given: int, config: ReactConfig) -> Curve:
    """Return where among the given frames each frame of the sound is, [t].

    By energy or evenly from 0 to num_given - 1; by onsets in [0, num_given), a whole number at
    each onset.
    """
    num_frames = hearing.num_frames
    if num_frames == 1 or num_given == 1:
        return np.zeros(num_frames)
    if config.by == "onset":
        return np.asarray(_arrive(hearing.onsets, num_frames) % num_given)
    speed = np.ones(num_frames - 1)
    if config.by == "energy":
        speed = config.calm + (1.0 - config.calm) * hearing.loudness[1:]
    way = np.concatenate([[0.0], np.cumsum(speed)])
    if way[-1] == 0.0:  # silence, and no speed in it
        return np.zeros(num_frames)
    return np.asarray(np.minimum(way / way[-1], 1.0) * (num_given - 1))


def _arrive(onsets: npt.NDArray[np.int64], num_frames: int) -> Curve:
    """Return how many onsets are over at each frame, with a slow way from one to the next."""
    times = np.concatenate([[0], onsets[onsets > 0]])
    frames = np.arange(num_frames)
    before = np.searchsorted(times, frames, side="right") - 1
    after = np.minimum(before + 1, len(times) - 1)
    length = np.maximum(times[after] - times[before], 1)
    share = np.where(after > before, (frames - times[before]) / length, 0.0)
    return before + ease_share(share, "in-out")


def draw_reaction(hearing: Hearing, num_given: int, config: ReactConfig) -> FramesU8:
    """Plot the analysed sound, and the position in the latents, over time.

    Returns:
        uint8 [h, w, 3] RGB.
    """
    seconds = np.arange(hearing.num_frames) / config.fps
    onsets = hearing.drive("onset", decay_frames=config.decay * config.fps)
    way = travel(hearing, num_given, config) / max(num_given - 1, 1)
    curves = {
        "bass": hearing.bass,
        "mid": hearing.mid,
        "high": hearing.high,
        "onset": onsets,
        "way through the latents": np.minimum(way, 1.0),
    }
    return draw_line_chart(
        [Series(name=name, x=seconds, y=curve) for name, curve in curves.items()],
        title="What was heard, and what it moved",
        x_label="seconds",
        y_label="share of the largest",
        y_range=(0.0, 1.05),
    )
