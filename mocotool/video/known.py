"""A cache of indexed videos, so that a folder is not indexed again for every command.

Indexing a video means reading its packets and decoding a frame; for 20,000 clips that takes
minutes. The results are kept in the user's cache, for each file as long as its name, length and
times do not change. Several processes that list one folder share the work of the first.
"""

import contextlib
import dataclasses
import hashlib
import itertools
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import av
import numpy as np

from mocotool.cache import kept_path, limit_bytes, make_room, making
from mocotool.errors import FileFormatError, MocoError
from mocotool.files import atomic_path, make_folder
from mocotool.memory import garbage_ignored, num_usable_cores
from mocotool.npz import Array, from_json_array, read_npz, to_json_array, write_npz
from mocotool.video.archives import identify_source
from mocotool.video.candidates import Candidate
from mocotool.video.contents import digest_contents
from mocotool.video.limits import max_pixels
from mocotool.video.opening import VideoEntry

SCHEMA = "moco.videos/1"
MANY = 100
"""From this number of unknown videos, one process indexes them and the others wait for it."""
MIN_SECONDS = 0.5
"""Minimum indexing time worth caching."""
SETTLED_NS = 2_000_000_000
"""Files that changed more recently are not cached: another change may have the same times."""
MAX_THREADS = 8
HANDED_OUT = 64
IDENTITY_DIGITS = 32
LISTS = ("times", "keys")  # of which each video has its own number

Looked = VideoEntry | FileFormatError


def look_at_all(
    folder: Path, candidates: Sequence[Candidate], *, advance: Callable[[int], None] | None = None
) -> list[Looked]:
    """Index all candidates, in several threads, except those in the cache.

    Args:
        folder: Folder of the candidates; the key of the cache.
        candidates: Files, and images of one folder.
        advance: Called with the number of videos done since the last call.

    Returns:
        For each candidate its index, or why it is not a video.
    """
    before = time.time_ns() - SETTLED_NS
    identities = [_identify(candidate, settled_before=before) for candidate in candidates]
    name = hashlib.sha256(os.fsencode(os.path.abspath(folder))).hexdigest()[:16]
    path = kept_path("videos", f"{name}.npz")
    keeps = limit_bytes() > 0
    known = _read(path) if keeps else _Known()
    with contextlib.ExitStack() as held:
        if keeps and sum(identity not in known.rows for identity in identities) >= MANY:
            held.enter_context(making(path))
            known = _read(path)  # by another process
        started = time.monotonic()
        found = _look(candidates, identities, known, advance)
        has_new = any(
            identity is not None and identity not in known.rows and isinstance(looked, VideoEntry)
            for identity, looked in zip(identities, found, strict=True)
        )
        if keeps and has_new and time.monotonic() - started >= MIN_SECONDS:
            _write(path, identities, found)
    return found


def _look(
    candidates: Sequence[Candidate],
    identities: Sequence[str | None],
    known: "_Known",
    advance: Callable[[int], None] | None,
) -> list[Looked]:
    """Return the index of each candidate, from the cache or new."""
    with garbage_ignored():
        found: list[Any] = [
            known.make_entry(candidate, known.rows[identity]) if identity in known.rows else None
            for candidate, identity in zip(candidates, identities, strict=True)
        ]
    missing = [place for place, entry in enumerate(found) if entry is None]
    if advance is not None and len(missing) < len(found):
        advance(len(found) - len(missing))

    # PyAV reads and decodes outside the interpreter's lock, so threads are enough. Work is handed
    # out piece by piece: while a long queue shrinks, Python does not look for garbage, and PyAV's
    # frames refer to themselves.
    with ThreadPoolExecutor(max_workers=min(MAX_THREADS, max(2, num_usable_cores()))) as pool:
        for start in range(0, len(missing), HANDED_OUT):
            places = missing[start : start + HANDED_OUT]
            for place, looked in zip(
                places, pool.map(_look_at, [candidates[place] for place in places]), strict=True
            ):
                found[place] = looked
                if advance is not None:
                    advance(1)
    return found


def _look_at(candidate: Candidate) -> Looked:
    try:
        entry = candidate.open()
        return dataclasses.replace(entry, contents=digest_contents([entry])[0])
    except FileFormatError as error:
        return error


def _identify(candidate: Candidate, *, settled_before: int) -> str | None:
    """Return what changes when a video does: name, length and times of its files.

    It is `None` for files that cannot be read or have just changed.
    """
    try:
        marks = [identify_source(source) for source in candidate.sources]
    except OSError:
        return None
    if any(changed >= settled_before for *_, changed in marks):
        return None
    return hashlib.sha256(repr(marks).encode()).hexdigest()[:IDENTITY_DIGITS]


class _Known:
    """The contents of a cache file, one row per video.

    Args:
        arrays: Arrays written by `_write`; empty for an empty cache.
    """

    def __init__(self, arrays: Mapping[str, Array] | None = None) -> None:
        self.rows: dict[str | None, int] = {}
        if arrays is None:
            return
        self.rows = {identity: row for row, identity in enumerate(arrays["identity"].tolist())}
        self._contents = arrays["contents"].tolist()
        self._fps = arrays["fps"].tolist()
        self._sizes = arrays["sizes"].tolist()
        self._places = {name: _ends(arrays[f"num_{name}"]) for name in LISTS}
        self._numbers = {name: arrays[name].tolist() for name in LISTS}
        if any(len(self._numbers[name]) != self._places[name][-1] for name in LISTS):
            raise ValueError("lists of other lengths than the rows say")

    def make_entry(self, candidate: Candidate, row: int) -> VideoEntry:
        """Return the index of a candidate from its row."""
        num_frames, width, height = self._sizes[row]
        fps = self._fps[row]
        times, keys = (
            tuple(self._numbers[name][self._places[name][row] : self._places[name][row + 1]])
            for name in LISTS
        )
        return VideoEntry(
            path=candidate.path,
            kind=candidate.kind,
            num_frames=num_frames,
            fps=None if math.isnan(fps) else fps,
            width=width,
            height=height,
            times=times,
            keys=keys,
            names=candidate.names,
            members=candidate.members,
            contents=self._contents[row],
        )


def _ends(lengths: Array) -> list[int]:
    ends: list[int] = [0, *np.cumsum(lengths).tolist()]
    return ends


def _describe_reader() -> dict[str, object]:
    """Return what an index depends on besides the file: the versions of the readers."""
    return {"schema": SCHEMA, "pyav": av.__version__, "max_pixels": max_pixels()}


def _read(path: Path) -> _Known:
    """Read a cache file; empty if it is missing, damaged, or of another version."""
    try:
        arrays = read_npz(path, str(path))
        if from_json_array(arrays.pop("meta"), str(path)) != _describe_reader():
            return _Known()
        known = _Known(arrays)
        os.utime(path)  # the most recently used is evicted last
        return known
    except (MocoError, OSError, ValueError, KeyError, IndexError, TypeError):
        return _Known()


def _write(path: Path, identities: Sequence[str | None], found: Sequence[Looked]) -> None:
    """Write a cache file, if there is room."""
    kept = {
        identity: entry
        for identity, entry in zip(identities, found, strict=True)
        if identity is not None and isinstance(entry, VideoEntry)
    }
    entries = list(kept.values())
    arrays: dict[str, Array] = {
        "identity": np.array(list(kept), f"U{IDENTITY_DIGITS}"),
        "contents": np.array([entry.contents for entry in entries]),
        "fps": np.array([math.nan if e.fps is None else e.fps for e in entries], np.float64),
        "sizes": np.array([(e.num_frames, e.width, e.height) for e in entries], np.int64),
    }
    for name in LISTS:
        lists = [getattr(entry, name) for entry in entries]
        arrays[f"num_{name}"] = np.array([len(numbers) for numbers in lists], np.int64)
        arrays[name] = np.fromiter(itertools.chain.from_iterable(lists), np.int64)
    with contextlib.suppress(MocoError, OSError):
        if make_room(sum(array.nbytes for array in arrays.values())):
            make_folder(path.parent)
            with atomic_path(path) as part, part.open("wb") as file:
                write_npz(arrays | {"meta": to_json_array(_describe_reader())}, file)
