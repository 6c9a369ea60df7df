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
    """Where they were looked for."""
    entries: tuple[VideoEntry, ...]
    """Those that can be read and are long enough."""
    num_short: int
    """How many were skipped for having too few frames."""
    unreadable: tuple[tuple[Path, str], ...]
    """Those that cannot be read, each with the reason."""

    @property
    def num_frames(self) -> int:
        """Frames of all usable videos together."""
        return sum(entry.num_frames for entry in self.entries)

    def hold_out(
        self, share: float, *, min_frames: int = 100
    ) -> tuple["VideoListing", "VideoListing | None"]:
        """Hold out a share of the videos, evenly spread over their order.

        Args:
            share: Of the videos, 0 to 0.5.
            min_frames: Frames of them all that make them worth it.

        Returns:
            Videos to train on, and those put aside; all and `None` where those would be too few.
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

    A video is a file of a kind PyAV reads, or a folder's images that are named alike but for their
    numbers ("img_0001.png", "img_2.png"), in numerical order. Other images count as videos of one
    frame. Hidden files and folders are passed over. Zips and tars are looked into like folders,
    except that images of a tar with a text beside them ("key.jpg", "key.cls") are samples of
    WebDataset, each by itself.

    What takes a while is kept in the user's cache: the next listing looks only at files that are
    new or have changed.

    Args:
        folder: Searched to any depth; a single video or archive will do as well, several as
            "{000..009}.tar", and an address that has been fetched.
        min_frames: Videos with fewer frames are counted and left out.
        warn: Called once for each video that cannot be read, with their number, and with the number
            of videos that are too short.
        advance: Called with 1 after each video looked at.

    Returns:
        The usable videos, sorted by path.

    Raises:
        FileFormatError: The folder is missing, or no usable video is in it; the message says why.

    Source:
        Official code: its data loader.
        Deviation: files of video are read too, and frames may have any names with numbers in them;
            the program takes folders of frames whose whole names are numbers.
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
    """Hold out a share of the videos to compare motion with; two at least, or none.

    One alone cannot be compared with others, so two are taken where there are ten.

    Args:
        listing: All videos.
        share: Of them, 0 to 0.5.
        note: Called where there are too few.

    Returns:
        Videos to train on, and those put aside; all and `None` where those would be too few.
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
