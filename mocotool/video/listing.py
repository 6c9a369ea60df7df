"""Listings of the videos in a folder: which can be used, and why the others cannot."""

import dataclasses
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mocotool.errors import FileFormatError
from mocotool.fetched import locate
from mocotool.memory import garbage_ignored
from mocotool.video.braces import expand_braces
from mocotool.video.candidates import find_candidates
from mocotool.video.known import look_at_all
from mocotool.video.opening import VideoEntry

SOME_VIDEOS = 10  # of which two can be spared


@dataclass(frozen=True, slots=True)
class VideoListing:
    """The usable videos of a folder, in an order that never changes."""

    folder: Path
    """The folder that was searched."""
    entries: tuple[VideoEntry, ...]
    """Videos that can be read and are long enough."""
    num_short: int
    """Number of videos skipped because they are too short."""
    unreadable: tuple[tuple[Path, str], ...]
    """Files that cannot be read, each with the reason."""

    @property
    def num_frames(self) -> int:
        """Frames of all usable videos together."""
        return sum(entry.num_frames for entry in self.entries)

    def hold_out(
        self, share: float, *, min_frames: int = 100
    ) -> tuple["VideoListing", "VideoListing | None"]:
        """Hold out a share of the videos, evenly spread over their order.

        Args:
            share: Fraction of the videos, 0 to 0.5.
            min_frames: Least number of frames of the listing; smaller ones are not split.

        Returns:
            Training videos and held-out ones; all and `None` if there are too few.
        """
        num_held = int(len(self.entries) * share)
        held = {(2 * i + 1) * len(self.entries) // (2 * num_held) for i in range(num_held)}
        kept = tuple(entry for i, entry in enumerate(self.entries) if i not in held)
        aside = tuple(entry for i, entry in enumerate(self.entries) if i in held)
        if not aside or sum(entry.num_frames for entry in aside) < min_frames:
            return self, None
        return dataclasses.replace(self, entries=kept), dataclasses.replace(self, entries=aside)


def list_videos(
    folder: Path | str,
    *,
    min_frames: int = 1,
    warn: Callable[[str], None] | None = None,
    advance: Callable[[int], None] | None = None,
) -> VideoListing:
    """Find every video under a folder.

    A video is a file that PyAV reads, or the images of a folder whose names differ only in their
    numbers ("img_0001.png", "img_2.png"), in numerical order. Other images are videos of one
    frame. Hidden files and folders are skipped. Zips and tars are searched like folders, except
    that an image in a tar with a text file of the same key ("key.jpg", "key.cls") is a sample of
    WebDataset on its own.

    The index is kept in the user's cache: the next listing reads only new or changed files.

    Args:
        folder: Folder, searched to any depth; or a video, an archive, several archives
            ("{000..009}.tar"), or an address that has been fetched.
        min_frames: Videos with fewer frames are counted and left out.
        warn: Called once for each video that cannot be read, with their number, and with the number
            of videos that are too short.
        advance: Called with 1 after each video looked at.

    Returns:
        The usable videos, sorted by path.

    Raises:
        FileFormatError: The folder is missing or has no usable video; the message says why.

    Source:
        Official code: its data loader.
        Deviation: video files are read too, and names of frames only need to contain a number; the
            official program reads only folders of frames named by numbers alone.
    """
    named = locate(folder)
    places = expand_braces(named)
    for place in places:
        if not place.exists():
            raise FileFormatError(f"{place}: no such folder", hint="check the path of the videos")
    folder = named if places == [named] else named.parent
    entries: list[VideoEntry] = []
    unreadable: list[tuple[Path, str]] = []
    ignored: Counter[str] = Counter()
    hint: str | None = None
    num_short = 0

    def refuse(path: Path, reason: str) -> None:
        unreadable.append((path, reason))
        if warn is not None:
            warn(f"{reason}; skipped")

    with garbage_ignored():
        candidates = [
            candidate for place in places for candidate in find_candidates(place, ignored, refuse)
        ]
    for candidate, found in zip(
        candidates, look_at_all(named, candidates, advance=advance), strict=True
    ):
        if isinstance(found, FileFormatError):
            refuse(candidate.path, str(found))
            hint = hint or found.hint
            continue
        num_short += found.num_frames < min_frames
        if found.num_frames >= min_frames:
            entries.append(found)
    listing = VideoListing(folder, tuple(entries), num_short, tuple(unreadable))
    if not entries:
        raise FileFormatError(_why_none(listing, min_frames, ignored), hint=hint)
    if warn is not None and len(unreadable) > 1:  # one has been named, which is count enough
        warn(f"{folder}: {len(unreadable)} unreadable videos skipped")
    if warn is not None and num_short:
        warn(f"{folder}: {_count(num_short, 'video')} shorter than {min_frames} frames skipped")
    return listing


def hold_out_clips(
    listing: VideoListing, share: float, *, note: Callable[[str], None]
) -> tuple[VideoListing, VideoListing | None]:
    """Hold out a share of the videos for the comparison of motion: at least two, or none.

    A comparison needs at least two, which are taken if there are ten videos or more.

    Args:
        listing: All videos.
        share: Fraction to hold out, 0 to 0.5.
        note: Called if there are too few.

    Returns:
        Training videos and held-out ones; all and `None` if there are too few.
    """
    num_videos = len(listing.entries)
    if share > 0 and num_videos >= SOME_VIDEOS:
        share = max(share, 2.01 / num_videos)
    kept, aside = listing.hold_out(share, min_frames=1)
    if aside is not None and len(aside.entries) > 1:
        return kept, aside
    if share > 0:
        note(
            f"{share:.0%} of {_count(num_videos, 'video')} is not enough to hold out: "
            "motion is compared with the clips that it learns from"
        )
    return listing, None


def _why_none(listing: VideoListing, min_frames: int, ignored: Counter[str]) -> str:
    reasons = []
    if listing.num_short:
        reasons.append(f"{listing.num_short} shorter than {min_frames} frames")
    if listing.unreadable:
        first = listing.unreadable[0][1].removeprefix(f"{listing.folder}{os.sep}")
        reasons.append(f"{len(listing.unreadable)} unreadable (the first: {first})")
    if ignored:
        kinds = ", ".join(f"{count} {suffix}" for suffix, count in ignored.most_common(5))
        reasons.append(f"other files: {kinds}")
    found = "; ".join(reasons) or "it is empty"
    return f"{listing.folder}: no usable video ({found})"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
