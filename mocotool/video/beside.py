"""Videos that are decoded in threads while a run goes on, each of them before it is first read.

Whoever reads waits until the whole video is decoded, as where all videos are decoded first. So
what is read, and which frames of a damaged video are given up, does not depend on how fast threads
are, and a resumed run is the uninterrupted one.
"""

import threading
from collections.abc import Iterable

from mocotool.errors import StoppedError


class Decoding:
    """Numbers of videos that threads take one by one, those that are wanted first.

    Args:
        num_videos: How many there are, taken in their order where none is wanted.
    """

    def __init__(self, num_videos: int) -> None:
        self._changed = threading.Condition()
        self._left: dict[int, None] = dict.fromkeys(range(num_videos))
        self._done: set[int] = set()
        self._num_videos = num_videos
        self._error: BaseException | None = None

    @property
    def is_over(self) -> bool:
        """Whether all are decoded."""
        return len(self._done) == self._num_videos

    def take(self) -> int | None:
        """Return the number of the next video to decode; `None` where none is left."""
        with self._changed:
            if not self._left or self._error is not None:
                return None
            video_idx = next(iter(self._left))
            del self._left[video_idx]
            return video_idx

    def finish(self, video_idx: int) -> None:
        """Let a video be read."""
        with self._changed:
            self._done.add(video_idx)
            self._changed.notify_all()

    def want(self, videos: Iterable[int]) -> None:
        """Take some videos next, in this order, where they are still to be taken."""
        with self._changed:
            first = {idx: None for idx in videos if idx in self._left}
            if first:
                self._left = first | self._left

    def wait(self, video_idx: int) -> None:
        """Wait until a video is decoded.

        Raises:
            BaseException: What ended the decoding before.
        """
        if video_idx in self._done:
            return
        with self._changed:
            self._changed.wait_for(lambda: video_idx in self._done or self._error is not None)
            if video_idx not in self._done and self._error is not None:
                raise self._error

    def fail(self, error: BaseException) -> None:
        """Decode no more; whoever waits is told why."""
        with self._changed:
            self._error = self._error or error
            self._changed.notify_all()

    def stop(self) -> None:
        """Decode no more, where not all is done."""
        if not self.is_over:
            self.fail(StoppedError("the decoding of videos was stopped"))

    def check(self) -> None:
        """Raise what `fail` was told, so that a thread ends within a video."""
        if self._error is not None:
            raise self._error
