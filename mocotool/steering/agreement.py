"""Agreement of latents from several files: checked, and brought into one space."""

import dataclasses
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from mocotool.errors import ConfigError, MismatchError
from mocotool.latents import LatentsMeta, Trajectory, check_room

Latents = npt.NDArray[np.float32]
T = TypeVar("T")


def agree(
    trajectories: Sequence[Trajectory], names: Sequence[str]
) -> tuple[list[Trajectory], str | None]:
    """Bring latents into one space: w together with w+ is converted to w+, equal in every layer.

    Args:
        trajectories: At least one.
        names: Names in messages.

    Returns:
        The latents, and a warning if they were made for different generators, else `None`.

    Raises:
        MismatchError: They have different sizes, layers or spaces.
    """
    widest = max(trajectories, key=lambda one: one.latents.ndim)
    name = names[list(map(id, trajectories)).index(id(widest))]
    shape, space = widest.latents.shape, widest.meta.space
    agreed = []
    for one, own_name in zip(trajectories, names, strict=True):
        if one.meta.space.rstrip("+") != space.rstrip("+"):
            raise MismatchError(
                f"{own_name}: latents in {one.meta.space}, those of {name} are in {space}"
            )
        layered = to_layers(one, shape[2]) if space == "w+" else one
        if layered.latents.shape[2:] != shape[2:]:
            raise MismatchError(
                f"{own_name}: latents of shape {list(layered.latents.shape[2:])}, "
                f"those of {name} have {list(shape[2:])}",
                hint="they belong to different generators",
            )
        agreed.append(layered)
    return agreed, _compare_generators(trajectories, names)


def common_labels(trajectories: Sequence[Trajectory]) -> npt.NDArray[np.int64] | None:
    """Return the classes that latents have in common, [n] of as many videos as the first has.

    Raises:
        MismatchError: They are of different classes, which one video cannot show.
    """
    first = trajectories[0]
    for one in trajectories[1:]:
        if (one.labels is None) != (first.labels is None):
            raise MismatchError("some latents have classes and some have none")
        if one.labels is not None and (one.labels != first.labels).any():
            raise MismatchError(
                f"latents of different classes ({first.labels} and {one.labels}), "
                "and a video has one class"
            )
    return first.labels


def _compare_generators(trajectories: Sequence[Trajectory], names: Sequence[str]) -> str | None:
    known = [
        (one.meta.generator, name)
        for one, name in zip(trajectories, names, strict=True)
        if one.meta.generator is not None
    ]
    for record, name in known[1:]:
        first, first_name = known[0]
        if record.sha256 != first.sha256:
            return (
                f"{name}: made for {record.path} ({record.sha256[:12]}), "
                f"{first_name} for {first.path} ({first.sha256[:12]})"
            )
    return None


def to_layers(trajectory: Trajectory, num_ws: int) -> Trajectory:
    """Return latents of w in w+: the same latent in each of `num_ws` layers.

    Raises:
        MismatchError: They are in z, which has no layers.
    """
    if trajectory.meta.space == "w+":
        return trajectory
    if trajectory.meta.space == "z":
        raise MismatchError("latents in z have no layers", hint="leave --layers out")
    latents = trajectory.latents
    check_room(*latents.shape[:2], num_ws, latents.shape[2])
    layered = np.repeat(latents[:, :, None], num_ws, axis=2)  # [n, t, num_ws, latent_dim]
    meta = dataclasses.replace(trajectory.meta, space="w+")
    return dataclasses.replace(trajectory, latents=layered, meta=meta)


def choose_layers(layers: tuple[int, int], num_ws: int) -> slice:
    """Return the layers of a range as a slice.

    Raises:
        ConfigError: The range exceeds the number of layers.
    """
    first, last = layers
    if last >= num_ws:
        raise ConfigError(
            f"layers {first}-{last}: the generator has layers 0-{num_ws - 1}",
        )
    return slice(first, last + 1)


def repeat_videos(trajectory: Trajectory, num_videos: int, name: str) -> Trajectory:
    """Return `num_videos` videos; a single one is repeated.

    Raises:
        MismatchError: There are neither 1 nor `num_videos`.
    """
    if trajectory.num_videos == num_videos:
        return trajectory
    if trajectory.num_videos != 1:
        raise MismatchError(
            f"{name}: {trajectory.num_videos} videos, expected 1 or {num_videos}",
        )
    check_room(num_videos, *trajectory.latents.shape[1:])
    meta = trajectory.meta
    return Trajectory(
        latents=trajectory.latents.repeat(num_videos, axis=0),
        labels=None if trajectory.labels is None else trajectory.labels.repeat(num_videos),
        meta=dataclasses.replace(
            meta,
            seeds=_repeat(meta.seeds, num_videos),
            motion_seeds=_repeat(meta.motion_seeds, num_videos),
            names=_repeat(meta.names, num_videos),
            liveliness=_repeat(meta.liveliness, num_videos),
        ),
    )


def _repeat(values: list[T] | None, num_videos: int) -> list[T] | None:
    return None if values is None else values * num_videos


def joined_meta(trajectories: Sequence[Trajectory]) -> LatentsMeta:
    """Return the metadata of latents that combine several: no seeds, one history."""
    first = trajectories[0].meta
    generator = next((one.meta.generator for one in trajectories if one.meta.generator), None)
    return dataclasses.replace(
        first,
        generator=generator,
        seeds=None,
        motion_seeds=None,
        names=None,
        liveliness=None,
        frame_stride=None,
    )
