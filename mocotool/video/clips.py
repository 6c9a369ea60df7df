"""Training samples from videos: which clip or frame is at which position, and how it is cropped.

A sample depends only on the seed and its position. So the order is the same for any number of
workers and machines, and an interrupted run continues exactly where it stopped.
"""

import hashlib
import os
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mocotool.arrays import FramesU8
from mocotool.errors import FileFormatError, MismatchError
from mocotool.video.contents import digest_contents
from mocotool.video.cutting import Size, read_squares
from mocotool.video.decoded import DecodedFrames
from mocotool.video.listing import VideoListing

# How often another sample is tried in place of one that cannot be decoded.
MAX_REPLACEMENTS = 8

# Independent random streams of one seed, by purpose.
ORDER, START, REPLACEMENT = range(3)


class SampleDataset(Protocol):
    """An endless sequence of samples, each a pure function of its position."""

    seed: int
    """Seed of the order and of all random choices."""

    contents: dict[str, str]
    """Video -> 16 digits that change when another file takes its place."""

    @property
    def fingerprint(self) -> str:
        """Changes when a position no longer means the same sample."""

    @property
    def is_decoded(self) -> bool:
        """Whether reading is a mere copy, so that workers would not pay off."""

    def item(self, position: int) -> int:
        """Return the number of the video, or of the frame among all, at a position."""

    @property
    def is_decoding(self) -> bool:
        """Whether videos are still decoded, in threads."""

    def prepare(self, positions: Iterable[int]) -> None:
        """Have what will be read soon ready, where that takes a while."""

    def close(self) -> None:
        """Stop what goes on beside."""

    def read(self, position: int) -> FramesU8:
        """Return the sample at a position, uint8.

        Raises:
            FileFormatError: It cannot be decoded.
        """


def clip_span(num_frames: int, frame_stride: int) -> int:
    """Return how many consecutive frames a clip is taken from: 16 frames with stride 2 need 32."""
    return num_frames * frame_stride


class _VideoSamples:
    """Shared part of clips and single frames: files, size, seed, and cached decoded frames."""

    def __init__(
        self, listing: VideoListing, *, size: Size, seed: int, decoded: DecodedFrames | None
    ) -> None:
        self.entries = listing.entries
        self.size = size
        self.seed = seed
        self._decoded = decoded
        places = _place_videos(listing)
        self._listing_id = _fingerprint(listing, places)
        self.contents = dict(
            zip(_name_all(listing, places), digest_contents(listing.entries), strict=True)
        )

    @property
    def is_decoded(self) -> bool:
        """Whether samples only need to be copied."""
        return self._decoded is not None

    @property
    def is_decoding(self) -> bool:
        """Whether videos are still decoded, in threads."""
        return self._decoded is not None and self._decoded.is_decoding

    def prepare(self, positions: Iterable[int]) -> None:
        """Let the videos of these positions be decoded next, where they are not yet."""
        if self._decoded is not None and self._decoded.is_decoding:
            self._decoded.want([self.video_at(position) for position in positions])

    def close(self) -> None:
        """Stop the threads that decode."""
        if self._decoded is not None:
            self._decoded.close()

    def video_at(self, position: int) -> int:
        """Return the number of the video that the sample at a position is of."""
        raise NotImplementedError

    def _read(self, video_idx: int, frame_idx: range) -> FramesU8:
        """Return some frames of a video, uint8 [t, 3, h, w]."""
        if self._decoded is not None:
            return self._decoded.read(video_idx, frame_idx)
        return read_squares(self.entries[video_idx], frame_idx, self.size)


class ClipDataset(_VideoSamples):
    """Clips of fixed length: one per video and epoch, with a uniformly random start.

    Args:
        listing: Videos of at least `clip_span` frames (`list_videos(min_frames=...)`).
        num_frames: Frames in a clip.
        frame_stride: Take every n-th frame.
        size: Height and width of a clip in pixels, after a centre square crop.
        seed: Seed of the order of videos and of the starts.
        decoded: The same videos decoded already, or `None` to decode on demand.

    Raises:
        MismatchError: A video is shorter than a clip's span.
    """

    def __init__(
        self,
        listing: VideoListing,
        *,
        num_frames: int = 16,
        frame_stride: int = 2,
        size: int = 128,
        seed: int = 0,
        decoded: DecodedFrames | None = None,
    ) -> None:
        super().__init__(listing, size=size, seed=seed, decoded=decoded)
        self.num_frames = num_frames
        self.frame_stride = frame_stride
        for entry in listing.entries:
            if entry.num_frames < self._span:
                raise MismatchError(
                    f"{entry.path}: has {entry.num_frames} frames, a clip of {num_frames} with "
                    f"stride {frame_stride} needs {self._span}",
                    hint="list_videos(folder, min_frames=clip_span(num_frames, frame_stride))",
                )

    @property
    def fingerprint(self) -> str:
        """Changes when a position no longer means the same clip."""
        return f"{self._listing_id}-clips-{self.num_frames}-{self.frame_stride}-{self.seed}"

    def item(self, position: int) -> int:
        """Return the number of the video that the clip at a position is of."""
        return _place_in_epoch(position, len(self.entries), self.seed)

    def video_at(self, position: int) -> int:
        """Return the same as `item`."""
        return self.item(position)

    def locate(self, position: int) -> tuple[int, range]:
        """Return which video and which of its frames make up the clip at a position.

        Source:
            Official code: its data loader.
            Deviation: a clip may end at a video's last frame, and a video may be just as long as
            a clip's span; the program leaves out the last frame, and such videos.
        """
        video_idx = self.item(position)
        num_starts = self.entries[video_idx].num_frames + 1 - self._span
        start = int(_rng(self.seed, START, position).integers(num_starts))
        return video_idx, range(start, start + self._span, self.frame_stride)

    def read(self, position: int) -> FramesU8:
        """Return the clip at a position, uint8 [t, 3, size, size].

        Raises:
            FileFormatError: It cannot be decoded.
        """
        return self._read(*self.locate(position))

    @property
    def _span(self) -> int:
        return clip_span(self.num_frames, self.frame_stride)


class FrameDataset(_VideoSamples):
    """Single frames of all videos and images, each once per epoch, to train image generators.

    Args:
        listing: Videos, folders of frames and images.
        size: Side in pixels after a centre square crop; or height and width, after one of that
            shape.
        seed: Orders the frames.
        decoded: The same videos decoded already, or `None` to decode on demand.
    """

    def __init__(
        self,
        listing: VideoListing,
        *,
        size: Size,
        seed: int = 0,
        decoded: DecodedFrames | None = None,
    ) -> None:
        super().__init__(listing, size=size, seed=seed, decoded=decoded)
        self._ends = np.cumsum([entry.num_frames for entry in listing.entries])

    def __len__(self) -> int:
        """Number of frames in an epoch."""
        return int(self._ends[-1])

    @property
    def fingerprint(self) -> str:
        """Changes when a position no longer means the same frame."""
        return f"{self._listing_id}-frames-{self.seed}"

    def item(self, position: int) -> int:
        """Return the number of the frame at a position, counted through all videos."""
        return _place_in_epoch(position, len(self), self.seed)

    def video_at(self, position: int) -> int:
        """Return the number of the video that the frame at a position is of."""
        return self.locate(position)[0]

    def locate(self, position: int) -> tuple[int, int]:
        """Return which video and which of its frames stands at a position."""
        index = self.item(position)
        video_idx = int(np.searchsorted(self._ends, index, side="right"))
        return video_idx, index - int(self._ends[video_idx]) + self.entries[video_idx].num_frames

    def read(self, position: int) -> FramesU8:
        """Return the frame at a position, uint8 [3, h, w].

        Raises:
            FileFormatError: It cannot be decoded.
        """
        video_idx, frame_idx = self.locate(position)
        return self._read(video_idx, range(frame_idx, frame_idx + 1)).squeeze(0)


def read_or_replace(dataset: SampleDataset, position: int) -> tuple[FramesU8, int, list[str]]:
    """Read a sample; one that cannot be decoded is replaced by another.

    The replacement depends only on the seed and the position, so a damaged file neither ends a long
    run nor makes it irreproducible.

    Returns:
        The sample, its position, and the reasons why others could not be read.

    Raises:
        FileFormatError: All replacements are damaged too.
    """
    problems: list[str] = []
    draws = _rng(dataset.seed, REPLACEMENT, position).integers(1 << 40, size=MAX_REPLACEMENTS)
    for candidate in (position, *draws.tolist()):
        try:
            return dataset.read(candidate), candidate, problems
        except FileFormatError as error:
            problems.append(str(error))
    raise FileFormatError(f"{problems[-1]}; nor could {MAX_REPLACEMENTS} others be decoded")


def _place_in_epoch(position: int, num_samples: int, seed: int) -> int:
    epoch, place = divmod(position, num_samples)
    return int(epoch_order(num_samples, seed, epoch)[place])


@lru_cache(maxsize=4)
def epoch_order(num_samples: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the order of an epoch, a permutation of range(num_samples), int64 [num_samples]."""
    order: NDArray[np.int64] = _rng(seed, ORDER, epoch).permutation(num_samples)
    return order


def name_videos(listing: VideoListing) -> list[str]:
    """Return a unique name for each video that does not change when the folder is moved."""
    return _name_all(listing, _place_videos(listing))


def _name_all(listing: VideoListing, places: list[str]) -> list[str]:
    return [
        "/".join((place, *entry.names[:1]))
        for place, entry in zip(places, listing.entries, strict=True)
    ]


def _place_videos(listing: VideoListing) -> list[str]:
    """Return the path of each video in the folder, its parts separated by "/"."""
    lead = os.path.join(listing.folder, "")

    def place(path: Path) -> str:
        text = str(path)
        if text.startswith(lead):  # of tens of thousands, pathlib's own way takes a second
            return text[len(lead) :].replace(os.sep, "/")
        return path.relative_to(listing.folder).as_posix()

    return [place(entry.path) for entry in listing.entries]


def fingerprint_listing(listing: VideoListing) -> str:
    """Return 16 digits that depend on the videos' names and lengths, not on their location."""
    return _fingerprint(listing, _place_videos(listing))


def _fingerprint(listing: VideoListing, places: list[str]) -> str:
    digest = hashlib.sha256()
    for name, entry in zip(places, listing.entries, strict=True):
        names = (entry.names[0], entry.names[-1]) if entry.names else ()
        digest.update(repr((name, *names, entry.num_frames)).encode())
    return digest.hexdigest()[:16]


def _rng(seed: int, purpose: int, position: int) -> np.random.Generator:
    return np.random.default_rng([seed, purpose, position])
