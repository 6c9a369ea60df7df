"""Mixing of two trajectories: blending, style mixing, and transfer of motion."""

import dataclasses

import numpy as np

from mocotool.configs.mix import MixConfig
from mocotool.errors import ConfigError, MismatchError
from mocotool.latents import Trajectory
from mocotool.steering.agreement import (
    choose_layers,
    common_labels,
    joined_meta,
    repeat_videos,
    to_layers,
)
from mocotool.steering.schedules import along_frames, make_schedule, ramp


def mix_trajectories(
    first: Trajectory,
    second: Trajectory,
    *,
    config: MixConfig | None = None,
    num_ws: int | None = None,
) -> Trajectory:
    """Blend two trajectories frame by frame, on all layers or on some.

    Args:
        first: The first trajectory, which keeps the layers left out.
        second: The trajectory to mix in; a single video or a single frame is repeated. Both are
            in one space (`agree`).
        config: Weight and layers; `None` for the defaults.
        num_ws: Number of layers of the generator, required to select layers of latents in w.

    Returns:
        As many videos and frames as the larger of the two has.

    Raises:
        ConfigError: The layers do not exist.
        MismatchError: Their numbers of frames or videos, or their classes differ.
    """
    config = MixConfig() if config is None else config
    layers = slice(None)
    if config.layers is not None:
        if num_ws is None and first.meta.space == "w":
            raise ConfigError("layers of latents in w: the generator's number of layers is unknown")
        first, second = to_layers(first, num_ws or 1), to_layers(second, num_ws or 1)
        layers = choose_layers(config.layers, first.latents.shape[2])
    first, second = _make_equal(first, second)

    curve = make_schedule(config.schedule, first.num_frames)
    share = curve * ramp(config.chosen_weight, first.num_frames)
    weight = along_frames(share, first.latents.ndim).astype(np.float32)
    # (1 - w) a + w b, not a + w (b - a): at 0 and 1 it is one of them to the last bit
    mixed = (1.0 - weight) * first.latents + weight * second.latents
    if config.layers is not None:
        kept = first.latents.copy()
        kept[:, :, layers] = mixed[:, :, layers]
        mixed = kept
    return Trajectory(
        latents=mixed, labels=common_labels([first, second]), meta=joined_meta([first, second])
    )


def carry_motion(motion: Trajectory, content: Trajectory) -> Trajectory:
    """Move the first frame of one trajectory by the steps of another.

    Args:
        motion: The trajectory of the steps.
        content: The trajectory of the first frame; a single video is repeated. Both are in one
            space (`agree`).

    Returns:
        As many frames as `motion` has.

    Raises:
        MismatchError: Their numbers of videos differ.
    """
    num_videos = max(motion.num_videos, content.num_videos)
    motion = repeat_videos(motion, num_videos, "the motion")
    content = repeat_videos(content, num_videos, "the content")
    steps = motion.latents - motion.latents[:, :1]
    meta = dataclasses.replace(
        content.meta,
        fps=motion.meta.fps,
        motion_seeds=motion.meta.motion_seeds,
        motion=motion.meta.motion,
        names=None,
        liveliness=None,
        frame_stride=None,
    )
    latents = content.latents[:, :1] + steps
    return Trajectory(latents=latents, labels=content.labels, meta=meta)


def _make_equal(first: Trajectory, second: Trajectory) -> tuple[Trajectory, Trajectory]:
    """Repeat the only video, and the only frame, of one for all of the other."""
    num_videos = max(first.num_videos, second.num_videos)
    num_frames = max(first.num_frames, second.num_frames)
    return (
        _repeat_frame(repeat_videos(first, num_videos, "the first"), num_frames),
        _repeat_frame(repeat_videos(second, num_videos, "the second"), num_frames),
    )


def _repeat_frame(trajectory: Trajectory, num_frames: int) -> Trajectory:
    if trajectory.num_frames == num_frames:
        return trajectory
    if trajectory.num_frames != 1:
        raise MismatchError(
            f"clips of {trajectory.num_frames} and {num_frames} frames, expected equally many",
            hint="`moco cut --frames` shortens, `moco cut --speed` stretches",
        )
    return dataclasses.replace(trajectory, latents=trajectory.latents.repeat(num_frames, axis=1))
