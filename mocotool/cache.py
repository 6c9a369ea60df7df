"""What is kept in the user's cache folder, how much of it, and how processes share it.

Everything in it can be made or fetched again. What programs keep for each other (features, what is
known of videos, decoded frames) takes a bounded number of bytes: the least recently used makes
room. Whatever goes wrong with the folder, the work is done without it.
"""

import contextlib
import os
import shutil
import weakref
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from mocotool.configs.option import list_choices
from mocotool.downloads import TRUSTED_NAME, cache_folder
from mocotool.errors import ConfigError
from mocotool.files import make_folder

try:
    import fcntl
except ImportError:  # Windows: processes do not wait for each other
    fcntl = None  # type: ignore[assignment]

Kind = Literal["weights", "features", "videos", "frames", "clips"]
KINDS: tuple[Kind, ...] = get_args(Kind)
BOUNDED: tuple[Kind, ...] = ("features", "videos", "frames")
"""What others than the user put there, and so makes room by itself."""
VARIABLE = "MOCO_CACHE_GB"
"""The environment variable that says how many gigabytes that may take; 0 keeps nothing new."""
DEFAULT_GB = 20.0
FREE_SHARE = 10
"""A tenth of the disk stays free, whatever the limit."""
LOCK_ENDING = ".making"


def limit_bytes() -> int:
    """Return how many bytes the cache may take beside weights.

    Raises:
        ConfigError: The environment variable holds something other than a number.
    """
    text = os.environ.get(VARIABLE) or str(DEFAULT_GB)
    try:
        gigabytes = float(text)
    except ValueError:
        gigabytes = -1.0
    if not 0 <= gigabytes < 1e9:
        raise ConfigError(f"{VARIABLE} is {text!r}, expected a number from 0", hint="unset it")
    return int(gigabytes * 1e9)


def parse_kinds(text: str) -> list[Kind]:
    """Turn "features,frames" or "all" into kinds.

    Raises:
        ConfigError: There is no such kind.
    """
    wanted = [part.strip() for part in text.split(",")]
    for word in wanted:
        if word not in (*KINDS, "all"):
            raise ConfigError(f"{word!r}: expected {list_choices((*KINDS, 'all'))}")
    return [kind for kind in KINDS if kind in wanted or "all" in wanted]


def kept_path(kind: Kind, name: str) -> Path:
    """Return the path of an entry of a kind, whether it exists or not."""
    return cache_folder() / kind / name


def describe_cache() -> dict[str, Any]:
    """Return the cache's folder, its limit, and its contents by kind."""
    return {
        "folder": str(cache_folder()),
        "limit_gb": limit_bytes() / 1e9,
        **{
            kind: {"files": len(sizes), "mb": round(sum(sizes) / 1e6, 3)}
            for kind in KINDS
            for sizes in [[item.size_bytes for item in _list_items(kind)]]
        },
    }


def kind_bytes(kind: Kind, *, but: Path | None = None) -> int:
    """Return how many bytes are kept of a kind, one of its items left out."""
    return sum(item.size_bytes for item in _list_items(kind) if item.path != but)


def clear_cache(kinds: Collection[Kind]) -> dict[str, Any]:
    """Remove what is kept of some kinds, but what another process is using.

    The hashes of weights that were trusted on first use stay, so that the same are expected again.

    Returns:
        "removed_mb", and "in_use", the number of files left alone.
    """
    num_bytes, num_used = 0, 0
    for kind in kinds:
        for item in _list_items(kind):
            if item.path.name == TRUSTED_NAME:
                continue
            if _remove(item):
                num_bytes += item.size_bytes
            else:
                num_used += 1
    return {"removed_mb": round(num_bytes / 1e6, 3), "in_use": num_used}


def make_room(size_bytes: int) -> bool:
    """Make room for a file by removing the least recently used ones.

    Returns:
        Whether there is room now. Nothing is removed for a file that is too large for the cache.
    """
    limit = limit_bytes()
    if size_bytes > limit:
        return False
    folder = cache_folder()
    try:
        disk = shutil.disk_usage(make_folder(folder))
    except (ConfigError, OSError):
        return False

    items = sorted(
        (item for kind in BOUNDED for item in _list_items(kind)), key=lambda item: item.used_at
    )
    taken = sum(item.size_bytes for item in items)
    free = disk.free - disk.total // FREE_SHARE
    if size_bytes > free + taken:
        return False
    for item in items:
        if taken + size_bytes <= limit and size_bytes <= free:
            return True
        if _remove(item):
            taken -= item.size_bytes
            free += item.size_bytes
    return taken + size_bytes <= limit and size_bytes <= free


@contextlib.contextmanager
def making(path: Path) -> Iterator[None]:
    """Let only one process at a time make a file that all look for; the others wait.

    The one that gets in checks again whether the file is there. Where the folder cannot be written,
    or cannot lock, nobody waits.
    """
    lock = path.with_name(f".{path.name}{LOCK_ENDING}")
    file = _lock(lock)
    try:
        yield
    finally:
        if file is not None:
            with contextlib.suppress(OSError):
                lock.unlink()  # while it is held, so that nobody takes it for another's
            os.close(file)


def _lock(path: Path) -> int | None:
    try:
        make_folder(path.parent)
        while True:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX)
            with contextlib.suppress(FileNotFoundError):
                if os.fstat(file).st_ino == path.stat().st_ino:
                    return file
            os.close(file)  # its last holder has removed it
    except (ConfigError, OSError):
        return None


class InUse:
    """Keeps a file of the cache from being removed to make room, until this goes or its process.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        with contextlib.suppress(OSError):
            os.utime(path)  # what was used last goes last
            file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self._close = weakref.finalize(self, os.close, file)
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_SH)


@dataclass(frozen=True, slots=True)
class _Item:
    """A file that is kept, with the notes beside it."""

    path: Path
    beside: tuple[Path, ...]
    size_bytes: int
    used_at: float


def _list_items(kind: Kind) -> list[_Item]:
    """Return what is kept of a kind; half-made files, whose names are hidden, are not."""
    try:
        names = {name for name in os.listdir(cache_folder() / kind) if not name.startswith(".")}
    except OSError:
        return []
    items = []
    for name in sorted(names):
        path = kept_path(kind, name)
        notes, has_notes = path.with_suffix(".json"), path.suffix == ".npy"
        if kind == "clips":  # folders
            notes, has_notes = path.with_name(f"{name}.json"), path.is_dir()
        if path.suffix == ".json" and {name[:-5], f"{name[:-5]}.npy"} & names:
            continue  # listed with what it is about
        beside = (notes,) if has_notes and notes.name in names else ()
        with contextlib.suppress(OSError):
            inner = path.rglob("*") if path.is_dir() else ()
            found = [file.stat() for file in (path, *beside, *inner) if not file.is_dir()]
            size = sum(file.st_size for file in found)
            items.append(_Item(path, beside, size, path.stat().st_mtime))
    return items


def _remove(item: _Item) -> bool:
    """Remove a file and its notes; return whether nobody was using it."""
    try:
        file = os.open(item.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _unlink(item.path)
        finally:
            os.close(file)
        _unlink(item.path)  # Windows refuses by itself what others have open
        for path in item.beside:
            path.unlink(missing_ok=True)
    except OSError:
        return False
    return True


def _unlink(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
