"""Edits of latents: along directions, towards the mean, or smoothed, scheduled over time."""

import dataclasses

import numpy as np
import numpy.typing as npt

from mocotool.basis import PCABasis
from mocotool.configs.edit import EditConfig
from mocotool.errors import ConfigError, MismatchError
from mocotool.latents import Trajectory
from mocotool.steering.agreement import choose_layers, to_layers
from mocotool.steering.directions import find_direction
from mocotool.steering.schedules import along_frames, make_schedule, ramp

Latents = npt.NDArray[np.float32]

SMOOTH_REACH = 4.0  # standard deviations; what lies beyond weighs less than 1e-4


def edit_trajectory(
    trajectory: Trajectory,
    *,
    config: EditConfig,
    basis: PCABasis | None = None,
    num_ws: int | None = None,
) -> Trajectory:
    """Smooth, truncate, and move along directions, in this order.

    Args:
        trajectory: The input.
        config: The edits, their schedule over time, and layers.
        basis: For truncation and for components; see `EditConfig.needs_basis`.
        num_ws: Number of layers of the generator, required for `config.layers` with latents in w.

    Returns:
        The same number of frames; in w+ if layers were selected or a direction has one per layer.

    Raises:
        ConfigError: A basis or the number of layers is missing, or there is no such direction.
        FileFormatError: A file of directions or of a schedule cannot be read.
        MismatchError: Basis, directions or schedule do not fit the latents.
    """
    latent_dim, layers = trajectory.latents.shape[-1], slice(None)
    if config.needs_basis and basis is None:
        raise ConfigError(
            "truncation and components need a basis, but none was given", hint="--pca pca.npz"
        )
    if basis is not None and basis.latent_dim != latent_dim:
        raise MismatchError(
            f"the basis is for latents of {basis.latent_dim} dimensions, these have {latent_dim}",
            hint="`moco pca` makes the basis for a generator",
        )
    if config.layers is not None:
        if num_ws is None and trajectory.meta.space == "w":
            raise ConfigError("layers of latents in w: the generator's number of layers is unknown")
        trajectory = to_layers(trajectory, num_ws or 1)
        layers = choose_layers(config.layers, trajectory.latents.shape[2])

    # each vector is [latent_dim] or [num_ws, latent_dim]
    has_layers = trajectory.meta.space == "w+"
    vectors = [
        move.strength
        * find_direction(
            move,
            basis=basis,
            latent_dim=latent_dim,
            num_ws=trajectory.latents.shape[2] if has_layers else num_ws,
        )
        for move in config.directions
    ]
    for vector in vectors:
        if vector.ndim == 2:
            trajectory = to_layers(trajectory, len(vector))
            _check_layers(vector, trajectory)

    edited = smooth_frames(trajectory.latents, config.smooth, is_loop=config.ends == "periodic")
    curve = make_schedule(config.schedule, trajectory.num_frames)
    weight = along_frames(curve, edited.ndim).astype(np.float32)
    if config.truncation_psi is not None:
        psi = along_frames(ramp(config.truncation_psi, trajectory.num_frames), edited.ndim)
        assert basis is not None
        edited = edited + weight * (psi.astype(np.float32) - 1.0) * (edited - _mean_of(basis))
    for vector in vectors:
        edited = edited + weight * vector

    if trajectory.meta.space == "w+" and config.layers is not None:
        kept = trajectory.latents.copy()
        kept[:, :, layers] = edited[:, :, layers]
        edited = kept
    return dataclasses.replace(trajectory, latents=edited.astype(np.float32, copy=False))


def _mean_of(basis: PCABasis) -> npt.NDArray[np.float32]:
    if basis.mean is None:
        raise ConfigError(
            "the basis does not contain the mean, which truncation needs",
            hint="make one that does: `moco pca GENERATOR -o pca.npz`",
        )
    return basis.mean


def _check_layers(vector: npt.NDArray[np.float32], trajectory: Trajectory) -> None:
    if len(vector) != trajectory.latents.shape[2]:
        raise MismatchError(
            f"a direction of {len(vector)} layers, the latents have {trajectory.latents.shape[2]}"
        )


def smooth_frames(latents: Latents, sigma: float, *, is_loop: bool = False) -> Latents:
    """Smooth over time with a Gaussian; the first and last frame are kept, unless it is a loop.

    Clips are extended beyond their ends by point reflection at the end frame, which is why that
    frame does not change.

    Args:
        latents: [n, t, ...].
        sigma: Standard deviation in frames; 0 changes nothing.
        is_loop: Whether the first frame follows the last.

    Returns:
        float32, the same shape.
    """
    if sigma == 0.0 or latents.shape[1] == 1:
        return latents
    from scipy.ndimage import gaussian_filter1d

    exact = latents.astype(np.float64)
    if is_loop:
        around = gaussian_filter1d(exact, sigma, axis=1, mode="wrap", truncate=SMOOTH_REACH)
        return np.asarray(around, np.float32)
    reach = int(np.ceil(SMOOTH_REACH * sigma)) + 1
    widths = [(reach, reach) if axis == 1 else (0, 0) for axis in range(latents.ndim)]
    padded = np.pad(exact, widths, mode="reflect", reflect_type="odd")
    smooth = gaussian_filter1d(padded, sigma, axis=1, mode="nearest", truncate=SMOOTH_REACH)
    smoothed: Latents = smooth[:, reach:-reach].astype(np.float32)
    smoothed[:, [0, -1]] = latents[:, [0, -1]]  # to the last bit
    return smoothed
