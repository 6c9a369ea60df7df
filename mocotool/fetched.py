"""Videos by their address: a folder of a store, or an archive in one, copied into the cache.

Nothing is copied unless asked (`moco fetch ADDRESS`). From then on the address stands for the
copy. Asked again, what is new or has changed is copied, and what is gone is removed.
"""

import json
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mocotool.addresses import address_of, parse_address
from mocotool.cache import FREE_SHARE, VARIABLE, kept_path, kind_bytes, limit_bytes, making
from mocotool.downloads import find_weights
from mocotool.errors import UnavailableError
from mocotool.files import atomic_path, make_folder
from mocotool.stores import StoredFile, copy_file, list_files

MAX_THREADS = 8
NOTES_ENDING = ".json"


def locate(place: Path | str) -> Path:
    """Return the path that a place stands for: of an address, where its copy is.

    Raises:
        ConfigError: It is no address that can be fetched safely.
        UnavailableError: It has not been fetched, or not to the end.
    """
    address = address_of(place)
    if address is None:
        return Path(place)
    folder = _folder_of(address)
    notes = _read_notes(folder)
    if not notes:
        return find_weights(address)
    if not notes.get("whole") or not folder.is_dir():
        raise UnavailableError(
            f"{address}: not completely fetched", hint=f"`moco fetch {address}` goes on"
        )
    single = notes.get("single")
    return folder / single if isinstance(single, str) else folder


def fetch_clips(
    address: str, *, progress: Callable[[int], None] | None = None
) -> tuple[Path, dict[str, Any]]:
    """Copy a folder of videos, or an archive of them, into the cache.

    Args:
        address: Such as "s3://bucket/clips/".
        progress: Called with the number of bytes received since the last call.

    Returns:
        Where the copy is, and what is in it: "files", "mb", and of those "copied_mb".

    Raises:
        ConfigError: It is no address of a store, or the cache cannot be written.
        UnavailableError: It cannot be reached, or is larger than the cache may become.
        FileFormatError: Names in it lead out of the folder.
    """
    parsed = parse_address(address)
    folder = _folder_of(address)
    files = list_files(parsed.url)
    if not files:
        raise UnavailableError(f"{parsed.name}: no files found", hint="check the address")
    with making(folder):
        old = _read_notes(folder).get("files", {})
        wanted = {file.name: [file.size, file.mark] for file in files}
        missing = [file for file in files if not _is_here(file, folder, old)]
        _check_room(parsed.name, folder, files, missing)

        # a copy that breaks off is marked as not whole, and the next one continues it
        make_folder(folder)
        _remove_others(folder, {name for name in wanted if name not in {f.name for f in missing}})
        is_single = len(files) == 1 and parsed.url.rstrip("/").endswith(f"/{files[0].name}")
        notes = {
            "address": parsed.name,
            "files": wanted,
            "single": files[0].name if is_single else None,
        }
        _write_notes(folder, notes | {"whole": False})
        _copy_all(parsed.url, folder, missing, progress)
        _write_notes(folder, notes | {"whole": True})
    facts = {
        "files": len(files),
        "mb": round(sum(file.size for file in files) / 1e6, 3),
        "copied_mb": round(sum(file.size for file in missing) / 1e6, 3),
    }
    return locate(address), facts


def _folder_of(address: str) -> Path:
    return kept_path("clips", parse_address(address.rstrip("/")).file_name)


def _notes_path(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}{NOTES_ENDING}")


def _read_notes(folder: Path) -> dict[str, Any]:
    """Read what was copied; empty if nothing was, or nobody knows."""
    try:
        notes = json.loads(_notes_path(folder).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    is_sound = isinstance(notes, dict) and isinstance(notes.get("files"), dict)
    return notes if is_sound else {}


def _write_notes(folder: Path, notes: dict[str, Any]) -> None:
    with atomic_path(_notes_path(folder)) as part:
        part.write_text(json.dumps(notes), encoding="utf-8")


def _is_here(file: StoredFile, folder: Path, old: dict[str, Any]) -> bool:
    try:
        size = (folder / file.name).stat().st_size
    except OSError:
        return False
    return size == file.size and old.get(file.name) == [file.size, file.mark]


def _check_room(
    name: str, folder: Path, files: list[StoredFile], missing: list[StoredFile]
) -> None:
    """Check that a copy fits into the cache and on the disk.

    Raises:
        UnavailableError: It does not.
    """
    size = sum(file.size for file in files)
    others = kind_bytes("clips", but=folder)
    limit = limit_bytes()
    if size + others > limit:
        raise UnavailableError(
            f"{name}: {size / 1e9:.3g} GB, the cache may hold {limit / 1e9:.3g} GB of clips and "
            f"has {others / 1e9:.3g}",
            hint=f"{VARIABLE}={-(-(size + others) // 10**9)}, or moco cache --clear clips",
        )
    disk = shutil.disk_usage(make_folder(folder.parent))
    free = disk.free - disk.total // FREE_SHARE
    needed = sum(file.size for file in missing)
    if needed > free:
        raise UnavailableError(
            f"{name}: {needed / 1e9:.3g} GB to copy, the disk of {folder.parent} has "
            f"{max(0, free) / 1e9:.3g} GB to spare",
            hint="MOCO_CACHE=FOLDER on a larger disk",
        )


def _remove_others(folder: Path, kept: set[str]) -> None:
    """Remove what is gone from the store, or is to be copied anew."""
    for path in folder.rglob("*"):
        if path.is_file() and path.relative_to(folder).as_posix() not in kept:
            path.unlink()


def _copy_all(
    url: str, folder: Path, files: list[StoredFile], progress: Callable[[int], None] | None
) -> None:
    """Copy files side by side: most of the time of a small one is waiting."""
    lock = threading.Lock()

    def advance(num_bytes: int) -> None:
        with lock:
            if progress is not None:
                progress(num_bytes)

    def copy(file: StoredFile) -> None:
        target = folder / file.name
        make_folder(target.parent)
        with atomic_path(target) as part:
            copy_file(url, part, place=file.place, limit_bytes=file.size, progress=advance)
            if part.stat().st_size != file.size:
                raise UnavailableError(
                    f"{url}: {file.name} changed while it was copied",
                    hint="run the same command again to copy the rest",
                )

    with ThreadPoolExecutor(max_workers=MAX_THREADS) as pool:
        try:
            for _ in pool.map(copy, files):
                pass
        finally:  # of a copy that fails or is interrupted, the rest is not begun
            pool.shutdown(cancel_futures=True)
