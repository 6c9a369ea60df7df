"""Keyframes, and the path through them."""

import dataclasses
import re
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from mocotool.configs.path import PathConfig
from mocotool.configs.sample import MAX_SEED
from mocotool.errors import ConfigError
from mocotool.interpolation import BLENDS
from mocotool.latents import LatentsMeta, Trajectory, check_room
from mocotool.provenance import FileRecord
from mocotool.steering.agreement import agree, common_labels
from mocotool.steering.schedules import ease_share

Times = npt.NDArray[np.int64]
Read = Callable[[str], tuple[Trajectory, str]]
Draw = Callable[[list[int], FileRecord | None], Trajectory]

EXPECTED = "expected seed:5, walk.npz, walk.npz#2 or walk.npz#1:2, each with @FRAME or without"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Keyframe:
    """A keyframe of a path, as typed."""

    seed: int | None = None
    """Content seed, or `None` where it comes from a file."""
    file: str = ""
    """File of latents, or "-" for stdin."""
    video_idx: int = 0
    """Which of the file's videos."""
    frame_idx: int = -1
    """Which of its frames; -1 is the last."""
    time: int | None = None
    """Frame of the path that shows it; `None` where it was left open."""


def parse_keyframe(text: str) -> Keyframe:
    """Parse a keyframe: "seed:5@12", "walk.npz#2" (frame 2) or "walk.npz#1:2" (of video 1).

    A number alone is a seed; a file of such a name is "./5".

    Raises:
        ConfigError: The text is none of them.
    """
    timed = re.fullmatch(r"(.+)@(\d{1,9})", text)
    body, time = (timed[1], int(timed[2])) if timed else (text, None)
    if body.startswith("seed:") or body.isdecimal():
        seed = body.removeprefix("seed:")
        if not seed.isdecimal() or int(seed) > MAX_SEED:
            raise ConfigError(f"{text}: not a keyframe: {EXPECTED}")
        return Keyframe(seed=int(seed), time=time)

    placed = re.fullmatch(r"(.+?)#(?:(\d{1,9}):)?(-?\d{1,9})", body)
    if placed is None:
        return Keyframe(file=body, time=time)
    return Keyframe(
        file=placed[1], video_idx=int(placed[2] or 0), frame_idx=int(placed[3]), time=time
    )


def place_keyframes(times: Sequence[int | None], config: PathConfig) -> Times:
    """Return the frame that shows each keyframe.

    Times that were left out, all of them, are spread evenly: from the first frame to the last, or
    around the loop.

    Raises:
        ConfigError: Some are given and some are not, they do not increase, or lie outside the path.
    """
    given = [time for time in times if time is not None]
    if given and len(given) != len(times):
        raise ConfigError("some keyframes have a time and some have none, expected all or none")
    num_keys, num_frames = len(times), config.num_frames
    if num_keys > num_frames:
        raise ConfigError(f"{num_keys} keyframes in {num_frames} frames, expected at least as many")
    if not given:
        steps = num_keys if config.loop else max(num_keys - 1, 1)
        length = num_frames if config.loop else num_frames - 1
        given = [round(length * key_idx / steps) for key_idx in range(num_keys)]
    if any(later <= earlier for earlier, later in zip(given, given[1:], strict=False)):
        raise ConfigError(f"times {', '.join(map(str, given))}: expected each after the one before")
    if given[-1] >= num_frames:
        raise ConfigError(
            f"time {given[-1]}: the path has frames 0 to {num_frames - 1}",
            hint=f"--num-frames {given[-1] + 1}",
        )
    return np.array(given)


def gather_keyframes(
    keyframes: Sequence[Keyframe], *, read: Read, draw: Draw
) -> tuple[Trajectory, str | None]:
    """Collect the latents of keyframes, from files first and then from seeds.

    Args:
        keyframes: At least one.
        read: Returns the latents of a file, and its name for messages; called once per file.
        draw: Returns a video of one frame per seed, with the generator that the files record.

    Returns:
        One video whose frames are the keyframes, and a warning if they were made for different
        generators, else `None`.

    Raises:
        ConfigError: A file has no such video or frame.
        MismatchError: The latents do not belong together.
    """
    if not keyframes:
        raise ConfigError("no keyframes", hint="moco path seed:1 seed:2 -o clip.mp4")
    files = {key.file: read(key.file) for key in keyframes if key.seed is None}
    record = next((one.meta.generator for one, _ in files.values() if one.meta.generator), None)
    seeds = list(dict.fromkeys(key.seed for key in keyframes if key.seed is not None))
    drawn = draw(seeds, record) if seeds else None

    parts, names = [], []
    for key in keyframes:
        if key.seed is None:
            trajectory, name = files[key.file]
        else:
            assert drawn is not None
            trajectory, name = drawn, f"seed:{key.seed}"
        video_idx = key.video_idx if key.seed is None else seeds.index(key.seed)
        parts.append(_take_frame(trajectory, video_idx, key.frame_idx, name))
        names.append(name)
    agreed, warning = agree(parts, names)
    meta = LatentsMeta(
        space=agreed[0].meta.space,
        generator=next((one.meta.generator for one in parts if one.meta.generator), None),
    )
    latents = np.concatenate([one.latents for one in agreed], axis=1)  # [1, k, ...]
    return Trajectory(latents=latents, labels=common_labels(parts), meta=meta), warning


def _take_frame(trajectory: Trajectory, video_idx: int, frame_idx: int, name: str) -> Trajectory:
    if video_idx >= trajectory.num_videos:
        raise ConfigError(
            f"{name}: there is no video {video_idx}, the last is {trajectory.num_videos - 1}"
        )
    num_frames = trajectory.num_frames
    if not -num_frames <= frame_idx < num_frames:
        raise ConfigError(f"{name}: there is no frame {frame_idx}, the last is {num_frames - 1}")
    labels = trajectory.labels
    return Trajectory(
        latents=trajectory.latents[video_idx, frame_idx][None, None],
        labels=None if labels is None else labels[video_idx : video_idx + 1],
        meta=trajectory.meta,
    )


def make_path(
    keyframes: Trajectory,
    *,
    times: Sequence[int | None] | None = None,
    config: PathConfig | None = None,
) -> Trajectory:
    """Interpolate between keyframes; each is shown exactly, at its time.

    Args:
        keyframes: Videos whose frames are the keyframes, [n, k, ...].
        times: Frame of the path that shows each of them, all increasing; before the first and
            after the last the video is still, unless it is a loop. `None` for even spacing.
        config: Length, mode, ease and whether it is a loop; `None` for the defaults.

    Returns:
        [n, config.num_frames, ...].

    Raises:
        ConfigError: The times do not fit the path.
    """
    config = PathConfig() if config is None else config
    places = place_keyframes([None] * keyframes.num_frames if times is None else times, config)
    check_room(keyframes.num_videos, config.num_frames, *keyframes.latents.shape[2:])

    # where each frame of the path lies between the keyframes
    frames = np.arange(config.num_frames, dtype=np.float64)
    knots = places.astype(np.float64)
    if config.loop:
        knots = np.append(knots, knots[0] + config.num_frames)
        frames = np.where(frames < knots[0], frames + config.num_frames, frames)
    positions = _ease_between(np.clip(frames, knots[0], knots[-1]), knots, config)

    blend = BLENDS[config.mode]
    latents = np.stack(
        [blend(video, positions, is_loop=config.loop, knots=knots) for video in keyframes.latents]
    )
    latents[:, places] = keyframes.latents  # to the last bit
    meta = dataclasses.replace(keyframes.meta, fps=config.fps)
    return dataclasses.replace(keyframes, latents=latents, meta=meta)


def _ease_between(
    positions: npt.NDArray[np.float64], knots: npt.NDArray[np.float64], config: PathConfig
) -> npt.NDArray[np.float64]:
    if config.ease == "none" or len(knots) == 1:
        return positions
    before = np.clip(np.searchsorted(knots, positions, side="right") - 1, 0, len(knots) - 2)
    length = knots[before + 1] - knots[before]
    share = ease_share((positions - knots[before]) / length, config.ease)
    return knots[before] + share * length
