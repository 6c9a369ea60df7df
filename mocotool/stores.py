"""Files and folders in object stores and on servers, read through fsspec, which torch brings.

fsspec knows the protocols; what speaks each of them is a package of the user's (s3fs for s3://),
and so are names and passwords, which that package finds by itself.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mocotool.errors import FileFormatError, MocoError, UnavailableError

CHUNK_BYTES = 1 << 20
MAX_FILES = 1_000_000
MARKS = (
    *("ETag", "etag", "md5Hash", "content_md5", "LastModified", "last_modified"),
    *("updated", "mtime", "created"),
)
"""What stores say that changes with a file, the surest first."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file in a folder of a store."""

    name: str
    """Its place in the folder, parts separated by "/"; its own name where it was named itself."""
    place: str
    """What fsspec calls it."""
    size: int
    """Its length in bytes."""
    mark: str
    """What changes when another file takes its place, as far as the store says."""


def is_folder(url: str) -> bool:
    """Return whether an address stands for a folder.

    Raises:
        UnavailableError: It cannot be reached, or nothing is there.
    """
    with _failures_named(url):
        store, root = _open_store(url)
        return bool(store.info(root)["type"] == "directory")


def list_files(url: str) -> list[StoredFile]:
    """List the files of a folder, at any depth, or the one file that an address stands for.

    Hidden files are left out.

    Raises:
        UnavailableError: The address cannot be reached, or nothing is there.
        FileFormatError: A name leads out of the folder, or there are absurdly many.
    """
    with _failures_named(url):
        store, root = _open_store(url)
        found = store.find(root, detail=True)
        if len(found) > MAX_FILES:
            raise FileFormatError(f"{url}: more than {MAX_FILES:,} files")
        files = []
        for place, facts in sorted(found.items()):
            if place.endswith("/") or facts.get("type") == "directory":
                continue  # what marks an empty folder
            inner = place.removeprefix(root).strip("/")
            name = _check_name(inner or place.rpartition("/")[2], url)
            mark = next((str(facts[key]) for key in MARKS if facts.get(key)), "")
            if not any(part.startswith(".") for part in name.split("/")):
                files.append(StoredFile(name, place, int(facts["size"]), mark))
    return files


def copy_file(
    url: str,
    target: Path,
    *,
    place: str | None = None,
    begun: int = 0,
    limit_bytes: int,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Copy a file to the disk.

    Args:
        url: Its address, or that of a folder that holds it.
        target: Where to.
        place: What fsspec calls it; `None` is what the address says.
        begun: Bytes that are in `target` already, and stay.
        limit_bytes: The most that is taken.
        progress: Called with the number of bytes received since the last call.

    Raises:
        UnavailableError: The address cannot be reached, or sends more than that.
    """
    with _failures_named(url):
        store, root = _open_store(url)
        source = store.open(place or root, "rb")
    with source:
        with _failures_named(url):
            source.seek(begun)
        total = begun
        with target.open("ab" if begun else "wb") as file:
            while True:
                with _failures_named(url):
                    chunk = source.read(CHUNK_BYTES)
                if not chunk:
                    return
                total += len(chunk)
                if total > limit_bytes:
                    file.truncate(0)
                    raise UnavailableError(f"{url}: sends more than {limit_bytes:,} bytes")
                file.write(chunk)
                if progress is not None:
                    progress(len(chunk))


def _open_store(url: str) -> tuple[Any, str]:
    """Return fsspec's file system of an address, and the place in it.

    Raises:
        UnavailableError: The package for its protocol is missing.
    """
    import fsspec

    protocol = url.partition("://")[0]
    try:
        store, place = fsspec.core.url_to_fs(url)
    except ImportError as error:
        raise UnavailableError(
            f"{url}: {protocol}:// needs a package that is not installed", hint=_how_to(protocol)
        ) from error
    return store, place.rstrip("/")


def _how_to(protocol: str) -> str:
    """Say which package speaks a protocol."""
    from fsspec.registry import known_implementations

    known = known_implementations[protocol]
    package = str(known["class"]).partition(".")[0]
    if package == "fsspec":  # which needs another one itself, and says which
        return str(known.get("err", f"fsspec says nothing of {protocol}"))
    return f"pip install {package}"


@contextlib.contextmanager
def _failures_named(url: str) -> Iterator[None]:
    """Turn whatever a store's package raises into an error with the address.

    Raises:
        UnavailableError: The block raised anything that is not ours.
    """
    try:
        yield
    except (MocoError, MemoryError):
        raise
    except FileNotFoundError:
        raise UnavailableError(f"{url}: nothing is there", hint="check the address") from None
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UnavailableError(f"{url}: cannot be read: {reason}") from error


def _check_name(name: str, url: str) -> str:
    """Return a name that can be one on the disk.

    Raises:
        FileFormatError: It is not, or would lead out of the folder.
    """
    parts = name.split("/")
    if not name.isprintable() or "\\" in name or any(part in ("", ".", "..") for part in parts):
        raise FileFormatError(f"{url}: holds a file called {ascii(name)[:80]}")
    return name
