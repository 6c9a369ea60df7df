"""Plans of the clips and frames to measure, made before decoding."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mocotool.configs.evaluate import ClipChoice
from mocotool.errors import FileFormatError

Int64 = npt.NDArray[np.int64]

FRAMES_AT_ONCE = 32  # frames of one video, to avoid a seek per frame

# Independent random streams of one seed, by purpose.
START, SUBSET = range(2)


class WorkPlan(Protocol):
    """A plan of frames to read, piece by piece; a piece belongs to one video."""

    def __len__(self) -> int:
        """Number of pieces."""

    def __getitem__(self, piece_idx: int) -> tuple[int, Sequence[int]]:
        """Return a video index and its frame indices."""

    what: str
    """Kind of samples: "clips" or "frames"."""
    piece_size: int
    """Maximum number of features per piece."""

    @property
    def num_samples(self) -> int:
        """Number of features that the plan yields."""

    @property
    def video_idxs(self) -> list[int]:
        """Indices of the videos that are read, each once, in ascending order."""

    def identify(self) -> list[Any]:
        """Return a description of the plan, for the cache key."""


class ClipPlan:
    """Clips, one feature each.

    Args:
        clips: Video and first frame of each, [m, 2].
        num_frames: Frames in a clip.
        frame_stride: Take every n-th frame.
        num_short: Videos that were too short.
    """

    what = "clips"
    piece_size = 1

    def __init__(
        self, clips: Int64, *, num_frames: int, frame_stride: int, num_short: int = 0
    ) -> None:
        self.clips = clips
        self.num_short = num_short
        self._num_frames, self._stride = num_frames, frame_stride

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, piece_idx: int) -> tuple[int, range]:
        video_idx, start = self.clips[piece_idx].tolist()
        return video_idx, range(start, start + self._num_frames * self._stride, self._stride)

    @property
    def num_samples(self) -> int:
        """Number of clips."""
        return len(self.clips)

    @property
    def video_idxs(self) -> list[int]:
        """The videos that clips come from."""
        idxs: list[int] = np.unique(self.clips[:, 0]).tolist()
        return idxs

    def identify(self) -> list[Any]:
        """Return places of the clips among the videos looked at."""
        places = np.searchsorted(np.unique(self.clips[:, 0]), self.clips[:, 0])
        starts = self.clips[:, 1]
        return [self._num_frames, self._stride, places.tolist(), starts.tolist()]


class FramePlan:
    """Single frames, one feature each, read in pieces of a video.

    Args:
        frames: Video and number of each, [m, 2], in rising order.
    """

    num_short = 0
    what = "frames"
    piece_size = FRAMES_AT_ONCE

    def __init__(self, frames: Int64) -> None:
        self.frames = frames
        new_video = np.flatnonzero(np.diff(frames[:, 0])) + 1
        edges = [0, *new_video.tolist(), len(frames)]
        self._starts = [
            start
            for first, last in zip(edges, edges[1:], strict=False)
            for start in range(first, last, FRAMES_AT_ONCE)
        ]
        self._ends = [*self._starts[1:], len(frames)]

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, piece_idx: int) -> tuple[int, list[int]]:
        rows = self.frames[self._starts[piece_idx] : self._ends[piece_idx]]
        return int(rows[0, 0]), rows[:, 1].tolist()

    @property
    def num_samples(self) -> int:
        """Number of frames."""
        return len(self.frames)

    @property
    def video_idxs(self) -> list[int]:
        """The videos that frames come from."""
        idxs: list[int] = np.unique(self.frames[:, 0]).tolist()
        return idxs

    def identify(self) -> list[Any]:
        """Return places of the frames among the videos looked at."""
        places = np.searchsorted(np.unique(self.frames[:, 0]), self.frames[:, 0])
        return [places.tolist(), self.frames[:, 1].tolist()]


class FirstFramesPlan:
    """The first frames of some videos, one feature per video; short ones are used whole.

    Args:
        video_lengths: Frames of each video, [n].
        video_idxs: Which videos, in rising order.
        num_frames: Frames of each at most; `None` is all.
        frame_stride: Take every n-th frame.
    """

    num_short = 0
    what = "videos"
    piece_size = 1

    def __init__(
        self,
        video_lengths: Int64,
        video_idxs: Sequence[int],
        *,
        num_frames: int | None,
        frame_stride: int = 1,
    ) -> None:
        self.video_idxs = list(video_idxs)
        self._frames = [
            range(0, int(video_lengths[video_idx]), frame_stride)[:num_frames]
            for video_idx in self.video_idxs
        ]

    def __len__(self) -> int:
        return len(self.video_idxs)

    def __getitem__(self, piece_idx: int) -> tuple[int, range]:
        return self.video_idxs[piece_idx], self._frames[piece_idx]

    @property
    def num_samples(self) -> int:
        """Number of videos."""
        return len(self.video_idxs)

    def identify(self) -> list[Any]:
        """Return how many frames of each video, and how far apart."""
        return [[len(frames), frames.step] for frames in self._frames]


def plan_clips(
    video_lengths: Int64,
    *,
    name: str,
    choice: ClipChoice,
    num_frames: int,
    frame_stride: int = 1,
    count: int | None = None,
    seed: int = 0,
) -> ClipPlan:
    """Choose clips; the random choice for a video depends only on the seed and its index.

    Args:
        video_lengths: Frames of each video, [n].
        name: Name of the videos, for the message.
        choice: Which clips of each video.
        num_frames: Frames in a clip.
        frame_stride: Take every n-th frame.
        count: Maximum number of clips, chosen at random; `None` for all.
        seed: Seed of the random choices.

    Returns:
        The clips, in the order of the videos.

    Raises:
        FileFormatError: All videos are too short.
    """
    span = (num_frames - 1) * frame_stride + 1
    slack = video_lengths - span

    usable = np.flatnonzero(slack >= 0)
    if not len(usable):
        raise FileFormatError(
            f"{name}: no clip of {num_frames} frames at stride {frame_stride}: the longest of "
            f"{len(video_lengths)} videos has {int(video_lengths.max(initial=0))} frames, "
            f"expected {span}",
            hint="lower --num-frames or --frame-stride",
        )

    # video and first frame of each clip, [m, 2]
    if choice == "all":
        rows = [
            (video_idx, start)
            for video_idx in usable.tolist()
            for start in range(0, int(slack[video_idx]) + 1, num_frames * frame_stride)
        ]
        clips = np.array(rows, np.int64)
    else:
        starts = np.array([_start(choice, int(slack[i]), seed, int(i)) for i in usable], np.int64)
        clips = np.stack([usable.astype(np.int64), starts], axis=1)

    clips = clips[_subset(len(clips), count, seed)]
    return ClipPlan(
        clips,
        num_frames=num_frames,
        frame_stride=frame_stride,
        num_short=len(video_lengths) - len(usable),
    )


def plan_frames(
    video_lengths: Int64, *, one_each: bool = False, count: int | None = None, seed: int = 0
) -> FramePlan:
    """Choose single frames.

    Args:
        video_lengths: Frames of each video, [n].
        one_each: Take one random frame per video instead of all.
        count: Maximum number of frames, chosen at random; `None` for all.
        seed: Seed of the random choices.
    """
    idxs = np.arange(len(video_lengths), dtype=np.int64)
    if one_each:
        starts = [_start("random", int(video_lengths[i]) - 1, seed, int(i)) for i in idxs]
        frames = np.stack([idxs, np.array(starts, np.int64)], axis=1)
    else:
        numbers = np.concatenate([np.arange(length) for length in video_lengths])
        frames = np.stack([np.repeat(idxs, video_lengths), numbers], axis=1)
    return FramePlan(frames[_subset(len(frames), count, seed)])


def _start(choice: ClipChoice, slack: int, seed: int, video_idx: int) -> int:
    if choice == "random":
        return int(np.random.default_rng([seed, START, video_idx]).integers(slack + 1))
    return slack // 2 if choice == "centre" else 0


def _subset(size: int, count: int | None, seed: int) -> Int64:
    """Return a random subset of range(size), in ascending order."""
    if count is None or count >= size:
        return np.arange(size)
    drawn = np.random.default_rng([seed, SUBSET]).permutation(size)[:count]
    return np.sort(drawn)
