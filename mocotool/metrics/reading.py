"""Reading of frames for several plans at once: each video is decoded once, in bounded memory."""

import dataclasses
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from mocotool.arrays import FramesU8
from mocotool.metrics.sampling import WorkPlan
from mocotool.metrics.sources import VideoSource

MAX_GROUP_FRAMES = 64  # read at once for several plans; 64 frames of 256 pixels are 13 MB


@dataclasses.dataclass(frozen=True, slots=True)
class Piece:
    """Some frames of one video, and the plan that requests them."""

    video_idx: int
    frame_idx: Sequence[int]
    plan_idx: int
    piece_idx: int


def read_together(
    source: VideoSource, plans: Sequence[WorkPlan], shares: Sequence[range], *, num_readers: int = 2
) -> Generator[tuple[int, int, FramesU8]]:
    """Read the frames of several plans; shared frames are decoded once.

    If the source allows it, threads prefetch a bounded number of frames.

    Args:
        source: Source of the frames.
        plans: Requested frames; videos in ascending order, and frames within each.
        shares: Range of pieces of each plan.
        num_readers: Number of threads.

    Yields:
        Plan index, piece index, and the piece's frames, uint8 [t, h, w, 3]; in order for each plan.

    Raises:
        FileFormatError: A frame cannot be decoded.
    """
    groups = group_pieces(plans, shares)
    if not source.is_threaded:
        for group in groups:
            yield from _hand_out(group, _read_group(source, group))
        return
    with ThreadPoolExecutor(num_readers, thread_name_prefix="moco-reader") as pool:
        ahead: deque[tuple[list[Piece], Future[FramesU8]]] = deque()
        try:
            for group in groups:
                ahead.append((group, pool.submit(_read_group, source, group)))
                if len(ahead) > 2 * num_readers:
                    done, future = ahead.popleft()
                    yield from _hand_out(done, future.result())
            while ahead:
                done, future = ahead.popleft()
                yield from _hand_out(done, future.result())
        finally:
            for _, future in ahead:
                future.cancel()


def group_pieces(plans: Sequence[WorkPlan], shares: Sequence[range]) -> Iterator[list[Piece]]:
    """Yield groups of overlapping pieces of one video, which are read at once.

    Pieces of a single plan overlap only if its clips do; otherwise each is its own group.
    """
    pieces = [
        Piece(*plan[piece_idx], plan_idx, piece_idx)
        for plan_idx, (plan, share) in enumerate(zip(plans, shares, strict=True))
        for piece_idx in share
    ]
    pieces.sort(key=lambda piece: (piece.video_idx, piece.frame_idx[0], piece.plan_idx))
    group: list[Piece] = []
    wanted: set[int] = set()
    for piece in pieces:
        overlaps = (
            group
            and piece.video_idx == group[0].video_idx
            and piece.frame_idx[0] <= max(wanted)
            and len(wanted | set(piece.frame_idx)) <= MAX_GROUP_FRAMES
        )
        if group and not overlaps:
            yield group
            group, wanted = [], set()
        group.append(piece)
        wanted.update(piece.frame_idx)
    if group:
        yield group


def _read_group(source: VideoSource, group: list[Piece]) -> FramesU8:
    return source.read_clip(group[0].video_idx, _list_frames(group))


def _list_frames(group: list[Piece]) -> Sequence[int]:
    if len(group) == 1:
        return group[0].frame_idx
    return sorted({idx for piece in group for idx in piece.frame_idx})


def _hand_out(group: list[Piece], frames_u8: FramesU8) -> Iterator[tuple[int, int, FramesU8]]:
    if len(group) == 1:
        yield group[0].plan_idx, group[0].piece_idx, frames_u8
        return
    wanted = np.array(_list_frames(group))
    for piece in group:
        rows = np.searchsorted(wanted, np.array(piece.frame_idx))
        yield piece.plan_idx, piece.piece_idx, frames_u8[rows]
