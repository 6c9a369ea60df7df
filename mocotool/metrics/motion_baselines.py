"""Baselines for motion models: trajectories from simple statistics of the latents."""

import copy
import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from mocotool.arrays import FramesU8
from mocotool.errors import MismatchError
from mocotool.generators.base import Generator
from mocotool.latents import Trajectory
from mocotool.metrics.sources import VideoSource
from mocotool.motion.generator import MotionGenerator
from mocotool.training.randomness import derive_rng, derive_seed
from mocotool.trajectory import draw_latents

Float32 = npt.NDArray[np.float32]

NUM_DRAWN = 4096  # latents from which the scale of each dimension is estimated


class HeldFirstFrame:
    """Videos whose clips are still at their first frame.

    Args:
        videos: Any videos.
    """

    def __init__(self, videos: VideoSource) -> None:
        self.videos = videos
        self.name = f"{videos.name}, first frame held"

    @property
    def num_frames(self) -> npt.NDArray[np.int64]:
        """Frames of each video, [n]."""
        return self.videos.num_frames

    @property
    def is_threaded(self) -> bool:
        """Whether several threads may read."""
        return self.videos.is_threaded

    def read_clip(self, video_idx: int, frame_idx: Sequence[int]) -> FramesU8:
        """Return the first of the frames, repeated, uint8 [t, h, w, 3]."""
        first = self.videos.read_clip(video_idx, frame_idx[:1])
        return np.repeat(first, len(frame_idx), axis=0)

    def describe_clip(self, video_idx: int, frame_idx: Sequence[int]) -> str:
        """Name a clip in a message."""
        return self.videos.describe_clip(video_idx, frame_idx)

    def fingerprint(self, video_idxs: Sequence[int]) -> str:
        """Hash the videos, with a marker that they are held."""
        return self.videos.fingerprint(video_idxs)[::-1]

    def describe(self) -> dict[str, object]:
        """Return the record of this input for a result."""
        return self.videos.describe() | {"held": True}


def walk_randomly(
    trajectory: Trajectory, generator: Generator, *, seed: int, num_frames: int | None = None
) -> Trajectory:
    """Take Gaussian steps with the latents' covariance and the trajectory's mean step energy.

    Args:
        trajectory: First latents and energy, in w or z.
        generator: Its latents give the covariance.
        seed: Seed of the steps.
        num_frames: Frames of the walks; `None` for those of the trajectory.

    Raises:
        MismatchError: The latents are in w+.
    """
    latents = _check_plain(trajectory)
    drawn = draw_latents(generator, list(range(NUM_DRAWN))).cpu().numpy()
    rng = _rng(seed, "random walk")
    n, t, d = latents.shape
    steps = _draw_gaussian(np.cov(drawn.T), (n, (num_frames or t) - 1, d), rng)
    steps *= np.sqrt(_energy(np.diff(latents, axis=1)) / max(_energy(steps), 1e-12))
    return _follow(trajectory, steps)


def walk_autoregressively(
    trajectory: Trajectory, *, seed: int, num_frames: int | None = None
) -> Trajectory:
    """Take the trajectory's mean step plus AR(1) noise, with its covariance and autocorrelation.

    It matches the first two moments, without a network and without content: a reference for what a
    model learns beyond these.

    Args:
        trajectory: First latents, mean step, covariance and correlation, in w or z.
        seed: Seed of the noise.
        num_frames: Frames of the walks; `None` for those of the trajectory.

    Raises:
        MismatchError: The latents are in w+, or have too few frames.
    """
    latents = _check_plain(trajectory)
    steps = np.diff(latents.astype(np.float64), axis=1)  # [n, t-1, d]
    n, num_steps, d = steps.shape
    if num_steps < 2:
        raise MismatchError(f"{num_steps + 1} frames, an AR(1) walk needs at least 3")
    mean = steps.mean(axis=(0, 1))
    centred = steps - mean
    memory = (centred[:, 1:] * centred[:, :-1]).sum() / max((centred[:, :-1] ** 2).sum(), 1e-12)
    memory = float(np.clip(memory, 0.0, 0.999))
    rng = _rng(seed, "autoregressive walk")
    covariance = np.cov(centred.reshape(-1, d).T)
    length = num_steps if num_frames is None else num_frames - 1
    noise = _draw_gaussian(covariance, (n, length, d), rng)
    for t in range(1, length):
        noise[:, t] = memory * noise[:, t - 1] + np.sqrt(1 - memory**2) * noise[:, t]
    return _follow(trajectory, mean + noise)


def walk_with_return(
    trajectory: Trajectory, *, seed: int, num_frames: int | None = None
) -> Trajectory:
    """Take AR(1) steps with a pull back to the first latent, fitted to the trajectory.

    A step is a constant plus a fraction of the previous step, minus a fraction of the displacement
    so far, plus noise; constant, fractions and covariance are fitted by least squares. It matches
    a walk that stays near its start only because it is pulled back.

    Args:
        trajectory: First latents and data of the fit, in w or z.
        seed: Seed of the noise.
        num_frames: Frames of the walks; `None` for those of the trajectory.

    Raises:
        MismatchError: The latents are in w+, or have too few frames.
    """
    latents = _check_plain(trajectory).astype(np.float64)
    n, t, d = latents.shape
    if t < 4:
        raise MismatchError(f"{t} frames, an AR(1) walk that returns needs at least 4")
    steps, gone = np.diff(latents, axis=1), latents[:, 1:-1] - latents[:, :1]
    before, after = steps[:, :-1], steps[:, 1:]

    # after = constant + memory * before - pull * gone + noise
    parts = [x - x.mean(axis=(0, 1)) for x in (before, -gone, after)]
    columns = np.stack([x.ravel() for x in parts], axis=1)
    (memory, pull), *_ = np.linalg.lstsq(columns[:, :2], columns[:, 2])
    memory, pull = float(np.clip(memory, 0.0, 0.999)), float(np.clip(pull, 0.0, 1.0))
    constant = (after - memory * before + pull * gone).mean(axis=(0, 1))
    rest = after - memory * before + pull * gone - constant

    rng = _rng(seed, "autoregressive walk that returns")
    length = t - 1 if num_frames is None else num_frames - 1
    first = steps[:, 0]
    walk = first.mean(axis=0) + _draw_gaussian(np.cov(first.T), (n, length, d), rng)
    noise = constant + _draw_gaussian(np.cov(rest.reshape(-1, d).T), (n, length, d), rng)
    displacement = np.zeros((n, d))
    for i in range(1, length):
        displacement += walk[:, i - 1]
        walk[:, i] = memory * walk[:, i - 1] - pull * displacement + noise[:, i]
    return _follow(trajectory, walk)


def move_untrained(
    trajectory: Trajectory, motion: MotionGenerator, *, seed: int, num_frames: int
) -> Trajectory:
    """Move first latents by an untrained motion model of the same architecture."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "untrained"))
        untrained = copy.deepcopy(motion)
        untrained.reset_parameters()
    first = torch.from_numpy(trajectory.latents[:, 0]).to(motion.device)
    noise = untrained.draw_noise(len(first), num_frames, rng=derive_rng(seed, "untrained noise"))
    with torch.inference_mode():
        latents = untrained(first, noise).cpu().numpy()
    return dataclasses.replace(trajectory, latents=latents)


def borrow_steps(
    trajectory: Trajectory, real: Trajectory, generator: Generator, *, stride: int, num_frames: int
) -> Trajectory:
    """Move each content by the steps of the real clip whose first frame is most like it.

    Args:
        trajectory: First latents, in w or z.
        real: Latents of real clips, as from `moco invert`, frame by frame.
        generator: Its latents give the scale of each dimension.
        stride: Take every n-th frame of the real clips.
        num_frames: Frames of the result; the real clips must have as many.

    Raises:
        MismatchError: Latents are in w+, or the real clips are too short.
    """
    first, clips = _check_plain(trajectory)[:, 0], _check_plain(real)[:, ::stride]
    if clips.shape[1] < num_frames:
        raise MismatchError(
            f"inverted clips of {real.num_frames} frames give {clips.shape[1]} at stride {stride}, "
            f"expected at least {num_frames}"
        )
    scale = draw_latents(generator, list(range(NUM_DRAWN))).std(dim=0).cpu()
    a, b = torch.from_numpy(first) / scale, torch.from_numpy(clips[:, 0].copy()) / scale
    nearest = torch.cdist(a, b).argmin(dim=1).numpy()
    return _follow(trajectory, np.diff(clips[nearest, :num_frames], axis=1))


def choose_others(n: int, *, seed: int) -> npt.NDArray[np.int64]:
    """Return a random permutation [n] without fixed points."""
    circle = _rng(seed, "other contents").permutation(n)
    others = np.empty(n, np.int64)
    others[circle] = np.roll(circle, 1)
    return others


def take_steps_of(trajectory: Trajectory, others: Trajectory) -> Trajectory:
    """Move each video from its own first latent by the steps of another trajectory.

    Args:
        trajectory: First latents, in w or z.
        others: Steps, for as many videos.

    Raises:
        MismatchError: Latents are in w+.
    """
    _check_plain(trajectory)
    return _follow(trajectory, np.diff(_check_plain(others).astype(np.float64), axis=1))


def _check_plain(trajectory: Trajectory) -> Float32:
    if trajectory.latents.ndim != 3:
        raise MismatchError("latents in w+ have no baselines here, expected one latent per frame")
    return trajectory.latents


def _follow(trajectory: Trajectory, steps: npt.NDArray[np.floating]) -> Trajectory:
    """Walk from the first latents by `steps` [n, t-1, d]."""
    first = trajectory.latents[:, :1]
    latents = np.concatenate([first, first + np.cumsum(steps, axis=1)], axis=1)
    return dataclasses.replace(trajectory, latents=latents.astype(np.float32))


def _draw_gaussian(
    covariance: npt.NDArray[np.float64], shape: tuple[int, ...], rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(values.clip(min=0.0))
    drawn: npt.NDArray[np.float64] = rng.standard_normal(shape) @ root.T
    return drawn


def _energy(steps: npt.NDArray[np.floating]) -> float:
    return float(np.square(steps, dtype=np.float64).mean())


def _rng(seed: int, use: str) -> np.random.Generator:
    return np.random.default_rng(derive_seed(seed, use))
