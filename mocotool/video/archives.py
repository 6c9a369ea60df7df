"""Zips and tars, read in place and never unpacked to disk.

A member is identified by its archive and its offset, so that any process can read it by opening the
archive again. Names are only compared and shown; nothing is written under them.
"""

import io
import os
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Literal, cast

from mocotool.boundary import (
    OPCODES_BETWEEN_LOOKS,
    SPARE_BYTES,
    DirectoryReader,
    Meter,
    foreign_data,
)
from mocotool.errors import FileFormatError

ARCHIVE_SUFFIXES = frozenset({".zip", ".tar"})
LABELS_NAME = "dataset.json"  # of the data sets of NVIDIA's programs
MAX_RATIO = 30  # an archive may hold this many times its size; zeros reach 1000
MAX_PACKED_BYTES = 1 << 28
"""Size limit of a compressed member, which is held in memory."""
ZIP_MAGICS = (b"PK\x03\x04", b"PK\x05\x06")
TAR_MAGIC_PLACE, TAR_MAGIC = 257, b"ustar"
ZIP_HEADER_BYTES = 30
ENCRYPTED = 0x1
METHODS: dict[int, Literal["stored", "deflated"]] = {
    zipfile.ZIP_STORED: "stored",
    zipfile.ZIP_DEFLATED: "deflated",
}


@dataclass(frozen=True, slots=True)
class Member:
    """One file in an archive."""

    archive: Path
    """The zip or tar."""
    name: str
    """Its path in the archive, separated by "/"."""
    start: int
    """Where it begins: in a tar its bytes, in a zip the header before them."""
    size: int
    """Its length in bytes."""
    packed: int
    """Bytes that it takes in the archive."""
    method: Literal["tar", "stored", "deflated"]
    """How it is stored."""
    checksum: int = 0
    """CRC-32 of its bytes; a tar has none."""

    @property
    def path(self) -> Path:
        """Its name in messages: the archive's path followed by its own."""
        return self.archive / self.name

    def __str__(self) -> str:
        return str(self.path)


Source = Path | Member
"""Location of the bytes of a picture or a video: a file, or a member of an archive."""


def is_archive(path: Path) -> bool:
    """Return whether a file is a zip or a tar, by its content."""
    with foreign_data(path, what="a file"), path.open("rb") as file:
        head = file.read(TAR_MAGIC_PLACE + len(TAR_MAGIC))
    return head.startswith(ZIP_MAGICS) or head[TAR_MAGIC_PLACE:] == TAR_MAGIC


def list_members(archive: Path) -> list[Member]:
    """Return the files in a zip or a tar, sorted by name, without hidden ones.

    Of two files with the same name the later one counts, as when an archive is unpacked.

    Raises:
        FileFormatError: It is damaged, encrypted or compressed as a whole, has too many members,
            would unpack to far more than its size, or has a member outside the archive.
    """
    size = archive.stat().st_size
    meter = Meter.for_file(size)
    meter.bytes = SPARE_BYTES + MAX_RATIO * size
    hint = "unpack it, and give the folder in its place"
    with foreign_data(archive, what="a zip or tar", hint=hint), archive.open("rb") as file:
        is_zip = file.read(4) in ZIP_MAGICS
        file.seek(0)
        found = _list_zip(archive, file, meter) if is_zip else _list_tar(archive, file, meter)
    return [found[name] for name in sorted(found) if not _is_hidden(name)]


def _list_zip(archive: Path, file: BinaryIO, meter: Meter) -> dict[str, Member]:
    found = {}
    with zipfile.ZipFile(DirectoryReader(file)) as directory:
        infos = directory.infolist()
        for info in _counted(infos, meter):
            if info.is_dir():
                continue
            name = _check_name(info.filename)
            if info.flag_bits & ENCRYPTED:
                raise FileFormatError(f"{name} is encrypted")
            if info.compress_type not in METHODS:
                raise FileFormatError(
                    f"{name} is compressed by method {info.compress_type}, expected 0 or 8"
                )
            meter.take_bytes(info.file_size)
            found[name] = Member(
                archive=archive,
                name=name,
                start=info.header_offset,
                size=info.file_size,
                packed=info.compress_size,
                method=METHODS[info.compress_type],
                checksum=info.CRC,
            )
    return found


def _list_tar(archive: Path, file: BinaryIO, meter: Meter) -> dict[str, Member]:
    found, end = {}, -1
    # A long name says itself how long it is, and is read at once: not without bound.
    directory: Any  # whose `members` its stub leaves out
    with tarfile.TarFile(fileobj=cast("Any", DirectoryReader(file))) as directory:
        for info in _counted(directory, meter):
            directory.members.clear()  # else every one of them is kept
            if info.size < 0 or info.offset_data <= end:  # it would be gone through for ever
                raise FileFormatError("its files overlap")
            end = info.offset_data
            if not info.isreg() or info.issparse():
                continue
            name = _check_name(info.name)
            meter.take_bytes(info.size)
            found[name] = Member(
                archive=archive,
                name=name,
                start=info.offset_data,
                size=info.size,
                packed=info.size,
                method="tar",
            )
    return found


def _counted(members: Iterable[Any], meter: Meter) -> Iterator[Any]:
    for number, member in enumerate(members):
        meter.take_items(1)
        if number % OPCODES_BETWEEN_LOOKS == 0:
            meter.take_time()
        yield member


def _check_name(name: str) -> str:
    """Return a member's name with "/" between its parts.

    Raises:
        FileFormatError: It is absolute, leads out of the archive, or is no text.
    """
    plain = name.replace("\\", "/")
    parts = [part for part in plain.split("/") if part not in ("", ".")]
    is_absolute = plain.startswith("/") or re.match("[A-Za-z]:", plain) is not None
    if is_absolute or ".." in parts or not parts or not plain.isprintable():
        raise FileFormatError(f"holds a file called {ascii(name)[:80]}, which leads out of it")
    return "/".join(parts)


def _is_hidden(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return "__MACOSX" in parts or any(part.startswith(".") for part in parts)


def source_path(source: Source) -> Path:
    """Return the path of a source for messages; its suffix identifies the format."""
    return source if isinstance(source, Path) else source.path


def source_size(source: Source) -> int:
    """Return the length of a source in bytes."""
    return source.stat().st_size if isinstance(source, Path) else source.size


def identify_source(source: Source) -> tuple[str, int, int, int]:
    """Return what changes when a source does: path, offset, size, and two times of its file.

    The times, in nanoseconds, are mtime and ctime; the latter cannot be set back.

    Raises:
        OSError: It cannot be read.
    """
    if isinstance(source, Path):
        seen = source.stat()
        return str(source.absolute()), seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns
    seen = source.archive.stat()
    place = f"{source.path.absolute()}@{source.start}"
    return place, source.size, seen.st_mtime_ns, seen.st_ctime_ns


def read_source(source: Source) -> bytes:
    """Read a whole file or member; the caller checks the size before.

    Raises:
        FileFormatError: The archive is truncated, or the member fails its checksum.
    """
    if isinstance(source, Path):
        return source.read_bytes()
    with foreign_data(source, what="in a sound archive"):
        with source.archive.open("rb") as file:
            file.seek(_data_start(source, file))
            data = file.read(source.packed)
        if source.method == "deflated":
            unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
            data = unpacker.decompress(data, source.size + 1)
        if len(data) != source.size:
            raise FileFormatError("is truncated, or longer than the archive says")
        if source.method != "tar" and zlib.crc32(data) != source.checksum:
            raise FileFormatError("damaged: its checksum does not match")
    return data


def open_source(source: Source) -> BinaryIO:
    """Open a file or a member for reading and seeking; compressed members are held in memory.

    Raises:
        FileFormatError: It is compressed and too large for that, or damaged.
    """
    if isinstance(source, Path):
        return source.open("rb")
    if source.method != "deflated":
        with source.archive.open("rb") as file:
            start = _data_start(source, file)
        return io.BufferedReader(MemberReader(source.archive, start, source.size))
    if source.size > MAX_PACKED_BYTES:
        raise FileFormatError(
            f"{source}: compressed, and more than {MAX_PACKED_BYTES:,} bytes of it would be held",
            hint="make the zip without compression (zip -0), or unpack it",
        )
    return io.BytesIO(read_source(source))


def _data_start(member: Member, file: BinaryIO) -> int:
    if member.method == "tar":
        return member.start
    file.seek(member.start)
    header = file.read(ZIP_HEADER_BYTES)
    if len(header) < ZIP_HEADER_BYTES or not header.startswith(ZIP_MAGICS[0]):
        raise FileFormatError(f"{member}: is not where the zip says")
    lengths = (int.from_bytes(header[place : place + 2], "little") for place in (26, 28))
    return member.start + ZIP_HEADER_BYTES + sum(lengths)


class MemberReader(io.RawIOBase):
    """A byte range of a file as a file of its own; it is open only while it is read.

    Args:
        path: The file.
        start: Where the part begins.
        size: Its length in bytes.
    """

    def __init__(self, path: Path, start: int, size: int) -> None:
        self._path, self._start, self._size, self._place = path, start, size, 0

    def readable(self) -> bool:
        """Return `True`: it can be read."""
        return True

    def seekable(self) -> bool:
        """Return `True`: it can seek."""
        return True

    def tell(self) -> int:
        """Return the current position."""
        return self._place

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Seek to a position; return it."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        self._place = max(0, base + offset)
        return self._place

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer with the next bytes."""
        wanted = min(len(buffer), max(0, self._size - self._place))
        with self._path.open("rb", buffering=0) as file:
            file.seek(self._start + self._place)
            data = file.read(wanted) if wanted else b""
        buffer[: len(data)] = data
        self._place += len(data)
        return len(data)
