"""Class labels of a dataset, for training class-conditional generators."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from mocotool.boundary import foreign_data
from mocotool.errors import FileFormatError
from mocotool.video.archives import (
    ARCHIVE_SUFFIXES,
    LABELS_NAME,
    Member,
    Source,
    list_members,
    read_source,
    source_path,
    source_size,
)
from mocotool.video.candidates import sample_key
from mocotool.video.listing import VideoListing
from mocotool.video.opening import VideoEntry

MAX_LABELS_BYTES = 1 << 28
MAX_LABEL_BYTES = 64
"""Of one sample's .cls, a number in digits."""
MAX_CLASSES = 100_000


@dataclass(frozen=True, slots=True)
class Classes:
    """The classes of a data set."""

    names: tuple[str, ...]
    """Name of each class: that of its folder, or the index if labels are numbers."""
    _of_entry: Mapping[VideoEntry, npt.NDArray[np.int64]]

    def label(self, listing: VideoListing) -> npt.NDArray[np.int64]:
        """Return the class of every frame of a listing, or of a part of it, [num_frames]."""
        return np.concatenate([self._of_entry[entry] for entry in listing.entries])

    def count(self, listing: VideoListing) -> list[int]:
        """Return how many frames of a listing, or of a part of it, each class has."""
        counts = np.bincount(self.label(listing), minlength=len(self.names))
        return [int(count) for count in counts]


def find_classes(listing: VideoListing) -> Classes:
    """Find the classes of a dataset.

    They are the labels of a `dataset.json`, per file or per video folder; else the numbers in
    WebDataset's `.cls` files; else the folders, sorted by name, at the first level at which the
    pictures are in different ones.

    Args:
        listing: All pictures and videos, before any are held out.

    Raises:
        FileFormatError: There are fewer than two classes, a picture has none, or labels are
            vectors that are not one-hot.

    Source:
        Official code: none; NVIDIA's stylegan3 and universome's stylegan-v (`dataset.json`),
            eps696's stylegan2ada (folders).
    """
    labels = _find_labels(listing)
    if labels is None:
        names, found = _by_folder(listing)
    else:
        found = {
            entry: np.array([labels[source] for source in _sources(entry)], np.int64)
            for entry in listing.entries
        }
        highest = max(int(part.max()) for part in found.values())
        if highest >= MAX_CLASSES:
            raise FileFormatError(
                f"{listing.folder}: a label is {highest}, expected less than {MAX_CLASSES:,}"
            )
        names = tuple(map(str, range(highest + 1)))
    if len(names) < 2:
        raise FileFormatError(
            f"{listing.folder}: all its pictures have the same class",
            hint="put those of each class into a folder of their own, or leave out --cond",
        )
    spread = {
        entry: np.resize(part, entry.num_frames) if len(part) == 1 else part
        for entry, part in found.items()
    }
    return Classes(names, spread)


def fingerprint_labels(labels: npt.NDArray[np.int64]) -> str:
    """Return 16 digits that change when a label does."""
    return hashlib.sha256(np.ascontiguousarray(labels, "<i8").tobytes()).hexdigest()[:16]


def _sources(entry: VideoEntry) -> tuple[Path, ...]:
    """Return what each picture of an entry is called, or the one file of a video."""
    return tuple(source_path(source) for source in entry.sources)


# Folders


def _by_folder(
    listing: VideoListing,
) -> tuple[tuple[str, ...], dict[VideoEntry, npt.NDArray[np.int64]]]:
    """Take the folders at the first level at which pictures differ for classes."""
    parts = {
        entry: _sources(entry)[0].relative_to(listing.folder).parts[:-1]
        for entry in listing.entries
    }
    level = 0
    while len({place[level : level + 1] for place in parts.values()}) == 1 and any(
        place[level:] for place in parts.values()
    ):
        level += 1
    for entry, place in parts.items():
        if len(place) <= level:
            first = "/".join((*place, _sources(entry)[0].name))
            raise FileFormatError(
                f"{listing.folder}: {first} is in no class folder, and there are no labels",
                hint="put the pictures of each class into a folder of their own, or make a "
                f"{LABELS_NAME}",
            )
    names = sorted({place[level] for place in parts.values()})
    index = {name: i for i, name in enumerate(names)}
    found = {entry: np.array([index[place[level]]], np.int64) for entry, place in parts.items()}
    return tuple(map(_without_suffix, names)), found


def _without_suffix(name: str) -> str:
    path = PurePosixPath(name)
    return path.stem if path.suffix.lower() in ARCHIVE_SUFFIXES else name


# Labels


def _find_labels(listing: VideoListing) -> dict[Path, int] | None:
    """Return the label of each picture, or `None` if there are no labels at all.

    Raises:
        FileFormatError: Only some pictures have one.
    """
    found: dict[Path, int] = {}
    tables = _read_tables(listing)
    samples = _read_samples(listing) if not tables else {}
    if not tables and not samples:
        return None
    for entry in listing.entries:
        paths = _sources(entry)
        if samples:
            labels = [samples.get(path.parent / sample_key(path.name)) for path in paths]
        else:
            labels = [_look_up(path, tables) for path in paths]
        # Of a video a table may name other files than its frames: the folder decides.
        if entry.kind == "frames" and not any(label is not None for label in labels):
            labels = [_look_up(paths[0].parent, tables)] * len(paths)
        for path, label in zip(paths, labels, strict=True):
            if label is None:
                raise FileFormatError(f"{path}: has no label, and other pictures have one")
            found[path] = label
    return found


def _look_up(path: Path, tables: Mapping[Path, Mapping[str, int]]) -> int | None:
    """Return the label of a file or a folder, from the table nearest to it that has one."""
    for base in sorted(tables, key=lambda base: -len(base.parts)):
        if path.is_relative_to(base):
            label = tables[base].get(path.relative_to(base).as_posix())
            if label is not None:
                return label
    return None


def _read_tables(listing: VideoListing) -> dict[Path, dict[str, int]]:
    """Return the labels of every `dataset.json` by the folder that it lies in."""
    tables = {}
    for source in _list_beside(listing):
        if source_path(source).name == LABELS_NAME:
            table = _read_table(source)
            if table:
                tables[source_path(source).parent] = table
    return tables


def _list_beside(listing: VideoListing) -> Iterable[Source]:
    """Yield what may hold labels: all that archives hold, and files beside and above pictures."""
    archives = sorted({m.archive for entry in listing.entries for m in entry.members})
    for archive in archives:
        yield from list_members(archive)
    folders = {
        folder
        for entry in listing.entries
        for folder in entry.path.parents
        if not entry.members and folder.is_relative_to(listing.folder)
    }
    folders |= {e.path for e in listing.entries if e.names and not e.members}
    for folder in sorted(folders):
        if (path := folder / LABELS_NAME).is_file():
            yield path


def _read_table(source: Source) -> dict[str, int]:
    """Return the labels of a `dataset.json`, and those of folders whose files all have one.

    Raises:
        FileFormatError: It is damaged, or its labels are not classes.
    """
    path = source_path(source)
    if source_size(source) > MAX_LABELS_BYTES:
        raise FileFormatError(f"{path}: more than {MAX_LABELS_BYTES:,} bytes")
    with foreign_data(path, what="a table of labels"):
        record = json.loads(read_source(source))
        labels = dict(record["labels"] or {}) if isinstance(record, dict) else {}
        table = {str(name).replace("\\", "/"): _to_class(path, x) for name, x in labels.items()}
    folders: dict[str, set[int]] = {}
    for name, label in table.items():
        folders.setdefault(PurePosixPath(name).parent.as_posix(), set()).add(label)
    return {name: min(found) for name, found in folders.items() if len(found) == 1} | table


def _to_class(path: Path, label: Any) -> int:
    """Return the class of one label: a number, or a vector that is 1 at one place."""
    if isinstance(label, list):
        places = [i for i, value in enumerate(label) if value == 1]
        if len(places) == 1 and all(value in (0, 1) for value in label):
            return places[0]
        raise FileFormatError(
            f"{path}: its labels are vectors of {len(label)} numbers, expected classes",
            hint="continuous labels such as camera poses are not supported",
        )
    if isinstance(label, bool) or not isinstance(label, int) or label < 0:
        raise FileFormatError(f"{path}: holds the label {label!r:.40}, expected a whole number")
    return label


def _read_samples(listing: VideoListing) -> dict[Path, int]:
    """Return the classes in `.cls` files of tars by the path of their sample, without endings."""
    found = {}
    archives = sorted(
        {m.archive for entry in listing.entries for m in entry.members if m.method == "tar"}
    )
    for member in (m for archive in archives for m in list_members(archive)):
        if member.path.suffix.lower() == ".cls":
            found[member.path.parent / sample_key(member.path.name)] = _read_class(member)
    return found


def _read_class(member: Member) -> int:
    if member.size > MAX_LABEL_BYTES:
        raise FileFormatError(f"{member}: {member.size} bytes, expected a number")
    text = read_source(member).decode("ascii", "replace").strip()
    if not text.isdecimal():
        raise FileFormatError(f"{member}: holds {text!r:.40}, expected the number of a class")
    return int(text)
