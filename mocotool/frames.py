"""Rendering of latents to frames by the frozen generator, chunk by chunk, in bounded memory."""

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mocotool.arrays import FramesU8
from mocotool.configs.render import RenderConfig
from mocotool.devices import to_device
from mocotool.errors import DivergedError
from mocotool.generators.base import Generator
from mocotool.generators.chunks import ChunkSize
from mocotool.layouts import to_frames_u8
from mocotool.training.randomness import derive_rng


class LatentVideos(Protocol):
    """Input of rendering: a `mocotool.latents.Trajectory`, or anything with these attributes."""

    @property
    def latents(self) -> npt.NDArray[np.float32]:
        """[n, t, latent_dim] or [n, t, num_ws, latent_dim]."""

    @property
    def labels(self) -> npt.NDArray[np.int64] | None:
        """Class of each video [n], or `None`."""


def render_frames(
    generator: Generator,
    trajectory: LatentVideos,
    *,
    config: RenderConfig | None = None,
    progress: Callable[[int], None] | None = None,
) -> Iterator[tuple[int, FramesU8]]:
    """Render videos one by one, in memory for one chunk of frames.

    Args:
        generator: The generator.
        trajectory: Latents of n videos, t frames each.
        config: Noise, seed and chunk size; `None` for the defaults.
        progress: Called with the number of frames done since the last call.

    Yields:
        The video's index and its next frames, uint8 [t_chunk, h, w, 3].

    Raises:
        MismatchError: The latents do not fit the generator.
        DivergedError: A picture holds NaN or infinity.

    Source:
        Official code: evaluate.py.
        Deviation: the generator's own noise unless told otherwise, and 12 frames per second; the
            program draws noise for each video or takes none, and writes 10 per second.
    """
    for video_idx in range(len(trajectory.latents)):
        for frames_u8 in render_video(generator, trajectory, video_idx, config=config):
            yield video_idx, frames_u8
            if progress is not None:
                progress(len(frames_u8))


def render_video(
    generator: Generator,
    trajectory: LatentVideos,
    video_idx: int,
    *,
    config: RenderConfig | None = None,
    frame_idxs: npt.NDArray[np.int64] | None = None,
    noise_idx: int | None = None,
    keep_alpha: bool = False,
) -> Iterator[FramesU8]:
    """Render one video of a trajectory.

    Args:
        generator: The generator.
        trajectory: Latents of n videos, t frames each.
        video_idx: Which of the videos.
        config: Noise, seed and chunk size; `None` for the defaults.
        frame_idxs: Frame indices, in this order; `None` for all.
        noise_idx: Index of the video whose pixel noise is drawn; `None` is `video_idx`.
        keep_alpha: Whether transparent pictures stay so, where the generator makes them; if not,
            they are composited on white.

    Yields:
        The next frames, uint8 [t_chunk, h, w, 3], or [t_chunk, h, w, 4] with straight alpha.

    Raises:
        MismatchError: The latents do not fit the generator.
        DivergedError: A picture holds NaN or infinity.
    """
    config = RenderConfig() if config is None else config
    latents = trajectory.latents[video_idx]
    idxs = np.arange(len(latents)) if frame_idxs is None else frame_idxs
    label = None if trajectory.labels is None else int(trajectory.labels[video_idx])
    noise = draw_video_noise(
        generator, video_idx if noise_idx is None else noise_idx, config=config
    )

    def render_rows(start: int, stop: int) -> FramesU8:
        chunk = torch.from_numpy(latents[idxs[start:stop]])
        with torch.inference_mode():
            img = generator.synthesis(
                to_device(chunk, generator.device),
                labels=None if label is None else torch.full((len(chunk),), label),
                noise_mode=config.noise,
                noise=noise,
            )
            if img.shape[1] == 1:  # grey
                img = img.expand(-1, 3, -1, -1)
            is_finite = img.isfinite().all()
            frames_u8: FramesU8 = to_frames_u8(img).cpu().numpy()
        if not is_finite:  # asked after the copy, when there is nothing left to wait for
            raise DivergedError(
                f"the pictures of video {video_idx} became NaN or infinite",
                hint="take latents nearer to the mean, or another generator",
            )
        return put_on_white(frames_u8) if img.shape[1] == 4 and not keep_alpha else frames_u8

    yield from ChunkSize(config.chunk_size).run(render_rows, len(idxs))


def put_on_white(rgba_u8: FramesU8) -> FramesU8:
    """Composite transparent pictures on white.

    Args:
        rgba_u8: uint8 [..., 4], straight alpha.

    Returns:
        uint8 [..., 3].
    """
    alpha = rgba_u8[..., 3:].astype(np.uint16)
    colours = rgba_u8[..., :3].astype(np.uint16)
    # 255 * 255 fits into 16 bits; half of 255 rounds.
    on_white: FramesU8 = ((colours * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    return on_white


def draw_video_noise(
    generator: Generator, video_idx: int, *, config: RenderConfig
) -> list[Tensor] | None:
    """Draw the noise maps that a video keeps for all its frames, so that texture does not flicker.

    Returns:
        One [1, 1, h, w] map per noisy layer, or `None` where the noise mode says it all.
    """
    if config.noise != "random":
        return None
    rng = derive_rng(config.seed, "pixel noise", video_idx, device=generator.device)
    return generator.draw_noise(1, rng=rng) or None
