"""Cutting of a trajectory by frames, direction and speed, and concatenation of several."""

import dataclasses
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from mocotool.configs.cat import CatConfig
from mocotool.configs.cut import CutConfig
from mocotool.errors import ConfigError
from mocotool.interpolation import BLENDS
from mocotool.latents import Trajectory, check_room
from mocotool.steering.agreement import common_labels, joined_meta, repeat_videos
from mocotool.steering.schedules import along_frames, ease_share

Latents = npt.NDArray[np.float32]
T = TypeVar("T")


def cut_trajectory(trajectory: Trajectory, *, config: CutConfig | None = None) -> Trajectory:
    """Select videos and frames, reverse them, and change their speed, in this order.

    At speed s, t frames become round(t / s), evenly spaced from the first to the last, which are
    kept; a loop remains a loop, with the same first frame.

    Args:
        trajectory: The input.
        config: What to select; `None` for everything.

    Raises:
        ConfigError: A video does not exist, or the range is empty.
    """
    config = CutConfig() if config is None else config
    if config.videos is not None:
        trajectory = choose_videos(trajectory, config.videos)
    latents = trajectory.latents
    if config.frames is not None:
        first, last = config.frames
        latents = latents[:, first:last]
        if not latents.shape[1]:
            chosen = ":".join("" if end is None else str(end) for end in config.frames)
            raise ConfigError(f"frames {chosen}: none of the {trajectory.num_frames} there are")
    if config.reverse:
        latents = latents[:, ::-1]
    if config.speed != 1.0:
        latents = _change_speed(latents, config)
    return dataclasses.replace(trajectory, latents=np.ascontiguousarray(latents))


def choose_videos(trajectory: Trajectory, videos: Sequence[int]) -> Trajectory:
    """Return some of the videos, in the order given.

    Raises:
        ConfigError: There is no such video.
    """
    missing = [video_idx for video_idx in videos if video_idx >= trajectory.num_videos]
    if missing:
        raise ConfigError(
            f"there is no video {missing[0]}, the last is {trajectory.num_videos - 1}"
        )
    chosen, meta = np.array(videos), trajectory.meta

    def pick(values: list[T] | None) -> list[T] | None:
        known = values is not None and len(values) == trajectory.num_videos
        return [values[video_idx] for video_idx in videos] if values and known else None

    return Trajectory(
        latents=trajectory.latents[chosen],
        labels=None if trajectory.labels is None else trajectory.labels[chosen],
        meta=dataclasses.replace(
            meta,
            seeds=pick(meta.seeds),
            motion_seeds=pick(meta.motion_seeds),
            names=pick(meta.names),
            liveliness=pick(meta.liveliness),
        ),
    )


def _change_speed(latents: Latents, config: CutConfig) -> Latents:
    num_frames, is_loop = latents.shape[1], config.ends == "periodic"
    num_new = max(round(num_frames / config.speed), 1)
    check_room(latents.shape[0], num_new, *latents.shape[2:])
    if is_loop:
        positions = np.arange(num_new) * (num_frames / num_new)
    else:
        positions = np.linspace(0.0, num_frames - 1, num_new)
    blend = BLENDS[config.mode]
    changed = np.stack([blend(video, positions, is_loop=is_loop) for video in latents])

    # a given frame stays as it is, to the last bit
    is_given = positions == np.round(positions)
    changed[:, is_given] = latents[:, positions[is_given].astype(np.int64)]
    return changed


def join_trajectories(
    trajectories: Sequence[Trajectory], *, config: CatConfig | None = None
) -> Trajectory:
    """Concatenate clips, optionally blending the last frames of each into the first of the next.

    Args:
        trajectories: At least one, in one space (`agree`); a single video is repeated.
        config: Number of blended frames; `None` for none.

    Returns:
        The sum of all frames, minus `config.blend` per joint.

    Raises:
        ConfigError: A clip is too short for its blends.
        MismatchError: Their numbers of videos or their classes differ.
    """
    config = CatConfig() if config is None else config
    blend, last = config.blend, len(trajectories) - 1
    num_videos = max(one.num_videos for one in trajectories)
    clips = []
    for clip_idx, one in enumerate(trajectories):
        num_joints = (clip_idx > 0) + (clip_idx < last)
        if num_joints * blend > one.num_frames:
            raise ConfigError(
                f"clip {clip_idx} has {one.num_frames} frames, its blends need {num_joints * blend}"
            )
        clips.append(repeat_videos(one, num_videos, f"clip {clip_idx}"))
    num_frames = sum(one.num_frames for one in clips) - last * blend
    check_room(num_videos, num_frames, *clips[0].latents.shape[2:])

    joined = clips[0].latents
    for clip in clips[1:]:
        joined = _append(joined, clip.latents, blend)
    return Trajectory(latents=joined, labels=common_labels(clips), meta=joined_meta(clips))


def _append(before: Latents, after: Latents, blend: int) -> Latents:
    if not blend:
        return np.concatenate([before, after], axis=1)
    share = ease_share(np.arange(1, blend + 1) / (blend + 1), "in-out")
    weight = along_frames(share, before.ndim).astype(np.float32)
    mixed = (1.0 - weight) * before[:, -blend:] + weight * after[:, :blend]
    return np.concatenate([before[:, :-blend], mixed, after[:, blend:]], axis=1)
