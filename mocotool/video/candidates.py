"""Candidates for videos in a folder or an archive: files, and numbered images."""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mocotool.errors import FileFormatError
from mocotool.files import is_plain_file
from mocotool.video.archives import ARCHIVE_SUFFIXES, Member, Source, is_archive, list_members
from mocotool.video.opening import (
    VideoEntry,
    is_image_name,
    list_sources,
    natural_key,
    open_frames,
    open_source_video,
    open_video,
)
from mocotool.video.pictures import IMAGE_SUFFIXES

VIDEO_SUFFIXES = frozenset(
    f".{ending}"
    for ending in (
        *("mp4", "m4v", "mov", "qt", "webm", "mkv", "avi", "divx", "gif", "apng", "mpg", "mpeg"),
        *(
            "m2v",
            "vob",
            "ts",
            "mts",
            "m2ts",
            "wmv",
            "asf",
            "flv",
            "f4v",
            "ogv",
            "ogg",
            "3gp",
            "3g2",
        ),
        *("mxf", "y4m", "mjpeg", "mjpg", "h264", "264", "hevc", "265", "ivf", "nut", "dv", "rmvb"),
    )
)
MEDIA_SUFFIXES = VIDEO_SUFFIXES | IMAGE_SUFFIXES
SAMPLE_SUFFIXES = frozenset({".cls", ".txt", ".json", ".csv"})
"""Text files of a sample in WebDataset's tars, next to its picture or video."""


Refuse = Callable[[Path, str], None]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A possible video: a file, or images of one folder."""

    path: Path
    """The file, or the folder of the images."""
    names: tuple[str, ...] = ()
    """The images, in order."""
    members: tuple[Member, ...] = ()
    """Their location, if that is in an archive."""

    @property
    def kind(self) -> Literal["file", "frames", "image"]:
        """The kind of video it is, if it can be read."""
        if self.names:
            return "frames"
        return "image" if is_image_name(self.path.name) else "file"

    @property
    def sources(self) -> tuple[Source, ...]:
        """Location of its bytes: the file, or that of each frame."""
        return list_sources(self.path, self.names, self.members)

    def open(self) -> VideoEntry:
        """Open it as a video.

        Raises:
            FileFormatError: It is not a video, or cannot be decoded.
        """
        if self.names:
            return open_frames(self.path, self.names, self.members)
        return open_source_video(self.members[0]) if self.members else open_video(self.path)


def find_candidates(folder: Path, ignored: Counter[str], refuse: Refuse) -> Iterator[Candidate]:
    """Yield all possible videos under a folder, at any depth, or in an archive.

    Symbolic links are followed; each target is yielded once, under the first name that reaches it.

    Args:
        folder: The folder, the archive, or a video.
        ignored: Counts the suffixes of all other files.
        refuse: Called with each file that cannot be read, and the reason.

    Raises:
        FileFormatError: `folder` is an archive that is damaged or hostile.
    """
    if folder.is_file():
        if is_plain_file(folder) and is_archive(folder):
            yield from _in_archive(folder, ignored)
        else:
            yield Candidate(folder)
        return

    # links can form cycles, or reach a file twice
    seen: set[str] = set()

    def is_new(real: str) -> bool:
        is_first = real not in seen
        seen.add(real)
        return is_first

    def complain(error: OSError) -> None:
        refuse(Path(error.filename), f"{error.filename}: cannot be read: {error.strerror}")

    for place, folders, files in os.walk(folder, followlinks=True, onerror=complain):
        real_place = os.path.realpath(place)
        if not is_new(real_place):
            folders.clear()  # os.walk descends no further
            continue
        folders[:] = sorted((name for name in folders if not name.startswith(".")), key=natural_key)
        known = _drop_others(files, MEDIA_SUFFIXES | ARCHIVE_SUFFIXES, ignored)
        new = [name for name in known if is_new(_real_path(real_place, name))]

        # single files at once, images once all of the folder are known: a clip may be many of them
        base, images = Path(place), []
        for name in new:
            suffix = os.path.splitext(name)[1].lower()
            if suffix in ARCHIVE_SUFFIXES:
                yield from _in_archive_or_refused(base / name, ignored, refuse)
            elif suffix in IMAGE_SUFFIXES:
                images.append(name)
            else:
                yield Candidate(base / name)
        for names in _group_alike(images):
            single = len(names) == 1
            yield Candidate(base / names[0]) if single else Candidate(base, names)


def _real_path(real_place: str, name: str) -> str:
    """Return the real path of a file in a folder; only links are resolved, which is slow."""
    path = os.path.join(real_place, name)
    return os.path.realpath(path) if os.path.islink(path) else path


def _in_archive_or_refused(
    archive: Path, ignored: Counter[str], refuse: Refuse
) -> Iterator[Candidate]:
    """Yield the videos of an archive in a folder; a damaged one is reported and skipped."""
    try:
        yield from _in_archive(archive, ignored)
    except FileFormatError as error:
        refuse(archive, str(error))


def _in_archive(archive: Path, ignored: Counter[str]) -> Iterator[Candidate]:
    """Yield the possible videos in a zip or a tar, folder by folder.

    Raises:
        FileFormatError: The archive is damaged or hostile; see `list_members`.
    """
    places: defaultdict[str, dict[str, Member]] = defaultdict(dict)
    for member in list_members(archive):
        place, _, name = member.name.rpartition("/")
        places[place][name] = member

    for place in sorted(places, key=natural_key):
        members = places[place]
        # one sample of a WebDataset: 0001.mp4, or 0001.jpg beside 0001.txt, which makes it no frame
        texts = {
            sample_key(name) for name in members if Path(name).suffix.lower() in SAMPLE_SUFFIXES
        }
        names = _drop_others(
            (name for name in members if Path(name).suffix.lower() not in SAMPLE_SUFFIXES),
            MEDIA_SUFFIXES,
            ignored,
        )
        alone = {
            name
            for name in names
            if not is_image_name(name)
            or (members[name].method == "tar" and sample_key(name) in texts)
        }
        groups: list[tuple[str, ...]] = [(name,) for name in names if name in alone]
        groups += _group_alike(name for name in names if name not in alone)
        for group in groups:
            found = tuple(members[name] for name in group)
            if len(group) == 1:
                yield Candidate(found[0].path, members=found)
            else:
                yield Candidate(archive / place, group, found)


def _drop_others(
    names: Iterable[str], suffixes: frozenset[str], ignored: Counter[str]
) -> list[str]:
    """Return the names with given suffixes in natural order; count the suffixes of the others."""
    kept = []
    for name in sorted(names, key=natural_key):
        suffix = os.path.splitext(name)[1].lower()
        if name.startswith("."):
            continue
        if suffix in suffixes:
            kept.append(name)
        else:
            ignored[suffix or "no ending"] += 1
    return kept


def _group_alike(images: Iterable[str]) -> list[tuple[str, ...]]:
    """Group names that differ only in their numbers, keeping their order."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for name in images:
        groups[re.sub(r"\d+", "#", Path(name).stem)].append(name)
    return [tuple(names) for names in groups.values()]


def sample_key(name: str) -> str:
    """Return the WebDataset key of a file: its name up to the first dot."""
    return name.partition(".")[0]
