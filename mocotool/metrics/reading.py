"""Reading of frames for several plans at once: each video once, in bounded memory."""

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
    """Some frames of one video, and which plan asks for them."""

    video_idx: int
    frame_idx: Sequence[int]
    plan_idx: int
    piece_idx: int


def read_together(
    source: VideoSource, plans: Sequence[WorkPlan], shares: Sequence[range], *, num_readers: int = 2
) -> Generator[tuple[int, int, FramesU8]]:
    """Read what several plans ask for; frames that two of them share are decoded once.

    Threads read the next frames meanwhile, a bounded number of them, where the source allows it.

    Args:
        source: Where frames come from.
        plans: Requested frames; videos in rising order, and frames within each.
        shares: Which pieces of each plan.
        num_readers: Threads.

    Yields:
        Plan, piece, and the piece's frames, uint8 [t, h, w, 3]; those of each plan in its order.

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
    """Yield pieces of one video that overlap, as far as they are read at once.

    Pieces of a single plan do not overlap, unless clips do: each is a group of its own.
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
