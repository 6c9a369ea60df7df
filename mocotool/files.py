"""Safe reading and writing of files: whole or not at all, never overwritten by surprise."""

import contextlib
import hashlib
import os
import re
import secrets
import shlex
import shutil
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from mocotool.errors import ConfigError, FileFormatError

HASH_CHUNK_BYTES = 1 << 22
MAX_STEM_BYTES = 100  # of a temporary name; file systems take 255 in all
SYSTEM_FOLDERS = (("dev",), ("proc",), ("sys",))


def to_path(place: Path | str | BinaryIO) -> Path | BinaryIO:
    """Turn a name into a path; return a path or a stream as it is."""
    return Path(place) if isinstance(place, str) else place


def check_input_file(path: Path) -> Path:
    """Return `path` if it is a file that can be read.

    Raises:
        FileFormatError: It is missing, a folder, empty, or not readable.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise _explain_absence(path, error) from None
    if stat.S_ISDIR(mode):
        raise FileFormatError(f"{path}: is a folder, expected a file")
    if not stat.S_ISREG(mode):
        raise FileFormatError(
            f"{path}: is a device or a pipe, expected a file",
            hint="only latents can come through a pipe; save it to a file first",
        )
    if not os.access(path, os.R_OK):
        raise FileFormatError(f"{path}: no permission to read it")
    if path.stat().st_size == 0:
        raise FileFormatError(f"{path}: the file is empty", hint="make or download it again")
    return path


def _explain_absence(path: Path, error: OSError | ValueError) -> FileFormatError:
    """Return the error for a path that cannot be looked at."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return FileFormatError(
            f"{path}: no such file", hint="check the path; `ls` shows what is there"
        )
    if isinstance(error, PermissionError):
        return FileFormatError(f"{path}: no permission to read it")
    return FileFormatError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}")


def is_plain_file(path: Path) -> bool:
    """Return whether a path chosen by someone else may be opened: a regular file on a disk.

    Opening a pipe waits, opening a device may do anything, and what lies in /proc and /sys are not
    files but questions to the system.
    """
    try:
        real = path.resolve()
        return stat.S_ISREG(real.stat().st_mode) and real.parts[1:2] not in SYSTEM_FOLDERS
    except (OSError, RuntimeError, ValueError):
        return False


def is_stream(path: Path) -> bool:
    """Return whether a path is a pipe, a terminal or another device: no size, no seeking."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def check_input_folder(path: Path) -> Path:
    """Return `path` if it is a folder that can be read, or a single file in place of one.

    Raises:
        FileFormatError: It is missing or not readable.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise FileFormatError(
            f"{path}: no such folder", hint="check the path; `ls` shows what is there"
        ) from None
    except (OSError, ValueError) as error:
        raise _explain_absence(path, error) from None
    if not os.access(path, os.R_OK):
        raise FileFormatError(f"{path}: no permission to read it")
    return path


def check_output_name(path: Path) -> None:
    """Check that a name is one that a file can have.

    Raises:
        ConfigError: It holds a null byte, or characters that the file system cannot store.
    """
    try:
        is_possible = b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        is_possible = False
    if not is_possible:
        raise ConfigError(
            f"{str(path)!r}: not a name that a file can have", hint="choose another name"
        )


def check_output_path(path: Path, *, force: bool) -> Path:
    """Return `path` if a file can be written there, so that nothing is computed in vain.

    Raises:
        ConfigError: Something is there already and `force` is off, it is no ordinary file, no file
            can have that name, or the folder it would go to is missing or cannot be written.
    """
    check_output_name(path)
    if path.is_dir():
        raise ConfigError(f"{path}: is a folder, expected the name of a file to write")
    if path.exists() and not path.is_file():  # a file put in its place would break the system
        raise ConfigError(f"{path}: is a device or a pipe, expected the name of a file to write")
    if path.exists() and not force:
        raise ConfigError(f"{path}: already exists", hint="choose another name, or add --force")
    folder = path.parent
    if not folder.is_dir():
        raise ConfigError(
            f"{path}: there is no folder {folder}", hint=f"mkdir -p {shlex.quote(str(folder))}"
        )
    if not os.access(folder, os.W_OK):
        raise ConfigError(f"{path}: no permission to write into {folder}")
    return path


def check_output_folder(path: Path, *, force: bool) -> Path:
    """Return `path` if it is a folder to fill: one that is not there yet, or is empty.

    Raises:
        ConfigError: It is a file, or holds something and `force` is off, or no folder can have
            that name.
    """
    check_output_name(path)
    if path.exists() and not path.is_dir():
        raise ConfigError(f"{path}: a file, expected the name of a folder")
    if not force and path.is_dir() and any(path.iterdir()):
        raise ConfigError(f"{path}: is not empty", hint="name another folder, or add --force")
    return path


def make_folder(folder: Path) -> Path:
    """Make a folder and those that it lies in, unless they are there, and return it.

    Raises:
        ConfigError: It cannot be made.
    """
    check_output_name(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ConfigError(f"{folder}: a file is in the way, expected a folder") from None
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be created: {error.strerror or error}") from None
    return folder


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`, and rename it to `path` once the block ends well.

    The temporary name keeps the ending of `path`, because encoders choose by it. If the block
    raises, the temporary file is removed and whatever was at `path` stays.

    Raises:
        ConfigError: The file cannot be written.
    """
    check_output_name(path)
    prefix = f".{_cut(path.stem, MAX_STEM_BYTES)}."
    suffix = path.suffix if len(os.fsencode(path.suffix)) <= MAX_STEM_BYTES else ""
    _drop_leftovers(path.parent, prefix, suffix)
    part = path.with_name(
        f"{prefix}{_host_mark()}-{os.getpid()}-{secrets.token_hex(4)}.part{suffix}"
    )
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        if path.exists():  # what others may do with the file does not change with its content
            part.chmod(stat.S_IMODE(path.stat().st_mode))
        part.replace(path)
    except OSError as error:
        # A writer that failed inside the block says so itself; this is a full or vanished disk.
        if error.filename is None or str(part) in str(error.filename):
            raise ConfigError(f"{path}: cannot be written: {error.strerror or error}") from error
        raise
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def open_target(target: Path | str | BinaryIO) -> Iterator[BinaryIO]:
    """Open what is to be written: a path whole or not at all, a stream as it is."""
    place = to_path(target)
    if not isinstance(place, Path):
        yield place
        return
    with atomic_path(place) as part, part.open("wb") as file:
        yield file


@contextlib.contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Give a temporary folder, whose files are in `folder` once the block ends well.

    A folder that is not there yet comes to be by one renaming. Into one that is there, files are
    moved one after the other, which an interruption does not stop halfway. If the block raises,
    nothing is left of it.

    Raises:
        ConfigError: The folder cannot be written.
    """
    check_output_name(folder)
    is_there = folder.is_dir()
    place = folder if is_there else folder.parent
    prefix = f".{_cut(folder.name, MAX_STEM_BYTES)}."
    _drop_leftovers(place, prefix, "")
    part = place / f"{prefix}{_host_mark()}-{os.getpid()}-{secrets.token_hex(4)}.part"
    try:
        part.mkdir()
        yield part
        if is_there:
            _move_all(part, folder)
        else:
            part.replace(folder)
    except OSError as error:
        if error.filename is None or str(part) in str(error.filename):
            raise ConfigError(f"{folder}: cannot be written: {error.strerror or error}") from error
        raise
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _move_all(source: Path, target: Path) -> None:
    """Move every file of a folder into another; Ctrl-C waits until all are there."""
    interruption: KeyboardInterrupt | None = None
    for name in sorted(os.listdir(source)):
        while (source / name).exists():
            try:
                (source / name).replace(target / name)
            except KeyboardInterrupt as error:
                interruption = error
    if interruption is not None:
        raise interruption


def _cut(name: str, size_bytes: int) -> str:
    return os.fsdecode(os.fsencode(name)[:size_bytes])


def _host_mark() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:6]


def _drop_leftovers(folder: Path, prefix: str, suffix: str) -> None:
    """Remove temporary files of this machine's processes that were killed while they wrote."""
    pattern = re.compile(
        f"{re.escape(prefix)}{_host_mark()}-(\\d+)-[0-9a-f]{{8}}\\.part{re.escape(suffix)}"
    )
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            match = pattern.fullmatch(name)
            if match and not _is_running(int(match[1])):
                left = folder / name
                shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass  # somebody else's, or not to be told
    return True


def sha256_file(path: Path) -> str:
    """Return the sha256 of a file's bytes as 64 hexadecimal digits, in constant memory."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(HASH_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
