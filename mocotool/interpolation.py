"""Interpolation of trajectories in time, in NumPy, and in SciPy for curves."""

import dataclasses

import numpy as np
import numpy.typing as npt

from mocotool.configs.interpolate import InterpolateConfig
from mocotool.latents import Trajectory, check_room

Latents = npt.NDArray[np.float32]
Positions = npt.NDArray[np.float64]

PCHIP_REACH = 2  # frames to each side that a slope of pchip and its interval depend on


def interpolate_trajectory(
    trajectory: Trajectory, *, config: InterpolateConfig | None = None
) -> Trajectory:
    """Interpolate between the frames: t frames become exactly factor * t.

    With natural ends the new frames are evenly spaced from the first frame to the last, which are
    kept. With periodic ends the video is a loop: all given frames are kept, and the last new frames
    lead from the last given one back to the first. The duration stays the same: the frame rate is
    multiplied by the factor.

    Args:
        trajectory: What to interpolate.
        config: Factor, mode and ends; `None` for the defaults.

    Source:
        Paper: Sec. 4 (16 frames become 32).
        Official code: evaluate.py.
        Follows: the paper's count.
        Deviation: new frames are evenly spaced, so 16 frames give 32; the program inserts
            midpoints, which gives 31.
    """
    config = InterpolateConfig() if config is None else config
    num_frames, is_loop = trajectory.num_frames, config.ends == "periodic"
    check_room(trajectory.num_videos, config.factor * num_frames, *trajectory.latents.shape[2:])

    # where the new frames are, in given frames
    if is_loop:
        positions = np.arange(config.factor * num_frames) / config.factor
    else:
        positions = np.linspace(0.0, num_frames - 1, config.factor * num_frames)

    blend = BLENDS[config.mode]
    latents = np.stack([blend(video, positions, is_loop=is_loop) for video in trajectory.latents])

    # a given frame stays as it is, to the last bit
    is_given = positions == np.round(positions)
    latents[:, is_given] = trajectory.latents[:, positions[is_given].astype(np.int64)]

    fps, stride = trajectory.meta.fps, trajectory.meta.frame_stride
    is_known = stride is not None and stride % config.factor == 0
    meta = dataclasses.replace(
        trajectory.meta,
        fps=None if fps is None else fps * config.factor,
        frame_stride=stride // config.factor if stride and is_known else None,
    )
    return dataclasses.replace(trajectory, latents=latents, meta=meta)


def blend_linear(
    video: Latents,
    positions: Positions,
    *,
    is_loop: bool = False,
    knots: Positions | None = None,
) -> Latents:
    """Interpolate linearly.

    Args:
        video: [t, ..., latent_dim].
        positions: Where the new frames are, [m], from the first knot to the last.
        is_loop: Whether the first frame follows the last.
        knots: Where the given frames are, increasing: [t], of a loop [t+1], whose last is where
            the first frame comes again; `None` is 0, 1, 2...

    Returns:
        float32 [m, ..., latent_dim].
    """
    left, right, weight = _neighbours(video, positions, _find_knots(video, is_loop, knots))
    return (1.0 - weight) * left + weight * right


def blend_cubic(
    video: Latents,
    positions: Positions,
    *,
    is_loop: bool = False,
    knots: Positions | None = None,
) -> Latents:
    """Interpolate by cubic splines, smooth up to the second derivative.

    See `blend_linear` for the arguments. At both ends the second derivative is 0 (a natural
    spline); a loop is as smooth there as anywhere.
    """
    from scipy.interpolate import CubicSpline

    if len(video) == 1:
        return video.repeat(len(positions), axis=0)
    closed = np.concatenate([video, video[:1]]) if is_loop else video
    spline = CubicSpline(
        _find_knots(video, is_loop, knots),
        closed.astype(np.float64),
        bc_type="periodic" if is_loop else "natural",
    )
    return np.asarray(spline(positions), np.float32)


def blend_pchip(
    video: Latents,
    positions: Positions,
    *,
    is_loop: bool = False,
    knots: Positions | None = None,
) -> Latents:
    """Interpolate by monotone cubics, which never overshoot the two frames around them.

    See `blend_linear` for the arguments.

    Source:
        Paper: Fritsch and Butland, SIAM J. Sci. Stat. Comput. 5(2), 1984, as in SciPy.
    """
    from scipy.interpolate import PchipInterpolator

    if len(video) == 1:
        return video.repeat(len(positions), axis=0)
    num_frames, places = len(video), _find_knots(video, is_loop, knots)
    frames = np.arange(num_frames)
    if is_loop:  # the frames around both ends, beyond them
        frames = np.arange(-PCHIP_REACH, num_frames + 1 + PCHIP_REACH)
        rounds, period = frames // num_frames, places[-1] - places[0]
        places = places[frames % num_frames] + rounds * period
    curve = PchipInterpolator(places, video[frames % num_frames].astype(np.float64))
    return np.asarray(curve(positions), np.float32)


def blend_slerp(
    video: Latents,
    positions: Positions,
    *,
    is_loop: bool = False,
    knots: Positions | None = None,
) -> Latents:
    """Interpolate along arcs around the origin, linearly if two latents have no defined angle.

    See `blend_linear` for the arguments. Latents of equal length stay of that length, as suits z.
    """
    left, right, weight = _neighbours(video, positions, _find_knots(video, is_loop, knots))
    norms = np.linalg.norm(left, axis=-1, keepdims=True) * np.linalg.norm(
        right, axis=-1, keepdims=True
    )
    dots = np.sum(left * right, axis=-1, keepdims=True)
    cosine = np.clip(np.divide(dots, norms, out=np.ones_like(dots), where=norms > 0), -1.0, 1.0)
    angle = np.arccos(cosine)
    sine = np.sin(angle)
    curved = sine > 1e-4  # below, arc and line agree to float32; opposite latents have no one arc
    safe = np.where(curved, sine, 1.0)
    left_weight = np.where(curved, np.sin((1.0 - weight) * angle) / safe, 1.0 - weight)
    right_weight = np.where(curved, np.sin(weight * angle) / safe, weight)
    return (left_weight * left + right_weight * right).astype(np.float32, copy=False)


BLENDS = {
    "linear": blend_linear,
    "cubic": blend_cubic,
    "pchip": blend_pchip,
    "slerp": blend_slerp,
}


def _find_knots(video: Latents, is_loop: bool, knots: Positions | None) -> Positions:
    return np.arange(len(video) + is_loop, dtype=np.float64) if knots is None else knots


def _neighbours(
    video: Latents, positions: Positions, knots: Positions
) -> tuple[Latents, Latents, Latents]:
    """Return the frames before and after each position, and its fraction of the way."""
    before = np.searchsorted(knots, positions, side="right") - 1
    before = np.clip(before, 0, max(len(knots) - 2, 0))
    after = np.minimum(before + 1, len(knots) - 1)

    distance = np.maximum(knots[after] - knots[before], np.finfo(np.float64).tiny)
    share = ((positions - knots[before]) / distance).astype(np.float32)
    weight = share.reshape(-1, *[1] * (video.ndim - 1))  # [m, 1, ...]
    return video[before % len(video)], video[after % len(video)], weight
