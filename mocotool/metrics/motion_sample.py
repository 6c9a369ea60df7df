"""Summaries of clips for the comparison of motion: a few kilobytes per clip of any size."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mocotool.errors import MismatchError
from mocotool.metrics.identity import identity_features
from mocotool.metrics.motion_features import motion_features
from mocotool.metrics.movement import change_maps, explain_changes
from mocotool.metrics.sampling import plan_clips
from mocotool.metrics.sources import VideoSource
from mocotool.video.cutting import square_frames

FRAME_SIZE = 64  # clips are resized to this
LOOK_SIZE = 16  # side of the thumbnails in pixels
FEWEST_CLIPS = 2


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MotionSample:
    """Summaries of clips of one kind, one row per clip."""

    video_idxs: list[int]
    """Index of the video of each."""
    features: Tensor
    """Motion features, [n, 43]."""
    looks: Tensor
    """Thumbnail of the first frame, flat, [n, 3 * LOOK_SIZE**2]."""
    maps: Tensor
    """Change map, [n, NUM_CELLS**2]; see `change_maps`."""
    curves: Tensor
    """Energy of each step, [n, t-1]."""
    changes: Tensor
    """Energy of changes, and the parts explained by movement and by colour, [n, 3]."""
    steps: Tensor
    """Mean absolute difference of consecutive frames, pixels in [-1, 1], [n]."""
    drifts: Tensor
    """Mean absolute difference of first and last frame, pixels in [-1, 1], [n]."""
    first: Tensor
    """Identity features of the first frame, [n, d]."""
    later: dict[int, Tensor]
    """Clip length -> identity features of its last frame, [n, d]; lengths that all clips have."""

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.features)


def sample_motion(
    videos: VideoSource,
    *,
    num_frames: int,
    stride: int = 1,
    lengths: Sequence[int] = (),
    count: int | None = None,
    seed: int = 0,
    anywhere: bool = False,
    movement: bool = True,
    progress: Callable[[int], None] | None = None,
) -> MotionSample:
    """Summarise one clip of each video, in memory for one clip.

    Args:
        videos: Source of the clips.
        num_frames: Frames per clip.
        stride: Take every n-th frame.
        lengths: Clip lengths at which identity is measured, including `num_frames`; lengths beyond
            the shortest video are left out.
        count: Maximum number of videos, chosen at random.
        seed: Seed of that choice and of the positions.
        anywhere: Whether clips begin at a random position or with the video.
        movement: Whether to measure what movement explains, the slowest part; NaN if not.
        progress: Called with the number of clips done since the last call.

    Raises:
        FileFormatError: All videos are too short, or one cannot be decoded.
        MismatchError: There are fewer than two clips.
    """
    plan = plan_clips(
        videos.num_frames,
        name=videos.name,
        choice="random" if anywhere else "first",
        num_frames=num_frames,
        frame_stride=stride,
        count=count,
        seed=seed,
    )
    if len(plan) < FEWEST_CLIPS:
        raise MismatchError(f"{videos.name}: {len(plan)} clip, expected at least {FEWEST_CLIPS}")
    available = videos.num_frames[plan.clips[:, 0]] - plan.clips[:, 1]
    kept = [n for n in lengths if (available > (n - 1) * stride).all()]
    rows: list[dict[str, Tensor]] = []
    for video_idx, frame_idxs in (plan[i] for i in range(len(plan))):
        further = [frame_idxs[0] + (n - 1) * stride for n in kept if n > num_frames]
        looked_at = [*frame_idxs, *further]
        rows.append(_describe(videos, video_idx, looked_at, num_frames, kept, movement=movement))
        if progress is not None:
            progress(1)

    table = {name: torch.cat([row[name] for row in rows]) for name in rows[0]}
    identities = {n: table.pop(f"later {n}") for n in kept}
    return MotionSample(video_idxs=plan.clips[:, 0].tolist(), later=identities, **table)


def _describe(
    videos: VideoSource,
    video_idx: int,
    frame_idxs: list[int],
    num_frames: int,
    lengths: list[int],
    *,
    movement: bool,
) -> dict[str, Tensor]:
    """Return one row of each summary; frames are the clip and the last ones of longer clips."""
    frames_u8 = square_frames(videos.read_clip(video_idx, frame_idxs), FRAME_SIZE)
    frames = torch.from_numpy(np.ascontiguousarray(frames_u8)).float() / 255.0  # [t, 3, 64, 64]
    video = frames[None, :num_frames]
    differences = video.diff(dim=1)
    who = identity_features(frames[[0, *range(num_frames - 1, len(frames))]])
    row = {
        "features": motion_features(video),
        "looks": F.adaptive_avg_pool2d(frames[:1], LOOK_SIZE).flatten(1),
        "maps": change_maps(video),
        "curves": differences.square().mean(dim=(2, 3, 4)),
        "changes": torch.stack(explain_changes(video), dim=1)
        if movement
        else torch.full((1, 3), torch.nan),
        # Pixels are in [0, 1] here, and reported in [-1, 1] as everywhere else.
        "steps": 2 * differences.abs().mean()[None],
        "drifts": 2 * (video[:, -1] - video[:, 0]).abs().mean()[None],
        "first": who[:1],
    }
    order = [num_frames, *(n for n in lengths if n > num_frames)]
    later = {n: who[1 + place, None] for place, n in enumerate(order)}
    return row | {f"later {n}": later[n] for n in lengths}
