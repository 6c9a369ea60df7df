"""Reading of untrusted `.npz` files, and reproducible writing.

Reading checks what every array claims to be before anything is allocated for it, and never
unpickles. Writing leaves out times, so that the same arrays give the same bytes.
"""

import contextlib
import io
import json
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from mocotool.boundary import SPARE_BYTES, DirectoryReader, foreign_data
from mocotool.errors import FileFormatError
from mocotool.files import check_input_file

Array = npt.NDArray[Any]

MAX_RATIO = 30  # a large file may unpack to this many times its size; zeros reach 1000
MAX_MEMBERS = 64
MAX_AXES = 8
MAX_COUNT = 1 << 40
HEADER_BYTES = 1 << 10
READ_CHUNK_BYTES = 1 << 22
NPY_MAGIC = b"\x93NUMPY"
NUMBER_KINDS = "biufU"  # booleans, integers, floats, text: nothing that needs a pickle


def read_npz(source: Path | BinaryIO, name: str) -> dict[str, Array]:
    """Read all arrays of an `.npz` file.

    Args:
        source: A file's path, or a stream that can seek.
        name: Name of the file in messages.

    Returns:
        Key -> array.

    Raises:
        FileFormatError: The file is missing, not an `.npz`, damaged, holds pickles, or would
            unpack to far more than its size.
    """
    if isinstance(source, Path):
        check_input_file(source)
    hint = f"`moco info {name}` says what it is" if Path(name).exists() else None
    with (
        foreign_data(name, what="a readable .npz file", hint=hint),
        source.open("rb") if isinstance(source, Path) else contextlib.nullcontext(source) as file,
        zipfile.ZipFile(DirectoryReader(file)) as archive,
    ):
        members = _check_members(archive, name)
        return {key: _read_member(archive, info, name) for key, info in members.items()}


def _check_members(archive: zipfile.ZipFile, name: str) -> dict[str, zipfile.ZipInfo]:
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        raise FileFormatError(
            f"{name}: holds {len(members)} arrays, expected at most {MAX_MEMBERS}"
        )
    unpacked = sum(info.file_size for info in members)
    packed = sum(info.compress_size for info in members)
    if unpacked > max(SPARE_BYTES, MAX_RATIO * packed):
        raise FileFormatError(
            f"{name}: {packed} bytes would unpack to {unpacked}, far more than any file of latents"
        )
    found: dict[str, zipfile.ZipInfo] = {}
    for info in members:
        if not info.filename.endswith(".npy") or info.filename.removesuffix(".npy") in found:
            raise FileFormatError(
                f"{name}: {info.filename!r} inside is not an array of its own, "
                "so this is a zip file but not an .npz"
            )
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise FileFormatError(
                f"{name}: {info.filename!r} inside is packed in a way that numpy never uses"
            )
        found[info.filename.removesuffix(".npy")] = info
    return found


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> Array:
    with archive.open(info) as file:
        data = _read_exactly(file, info.file_size, f"{name}: {info.filename}")
        file.read(1)  # the end, where zipfile compares the checksum
    return parse_npy(data, f"{name}: {info.filename.removesuffix('.npy')}")


def _read_exactly(file: Any, size_bytes: int, name: str) -> npt.NDArray[np.uint8]:
    """Return the next bytes; memory grows with what is really there."""
    pieces = []
    left = size_bytes
    while left:
        piece = file.read(min(READ_CHUNK_BYTES, left))
        if not piece:
            raise FileFormatError(f"{name}: is truncated", hint="make or download it again")
        pieces.append(np.frombuffer(piece, np.uint8))
        left -= len(piece)
    return np.concatenate(pieces) if pieces else np.empty(0, np.uint8)


def is_npy(source: Path | BinaryIO) -> bool:
    """Return whether a file, or a stream at its beginning, is one bare array."""
    if isinstance(source, Path):
        with foreign_data(source, what="a file"), source.open("rb") as file:
            return is_npy(file)
    start = source.read(len(NPY_MAGIC))
    source.seek(0)
    return start == NPY_MAGIC


def read_npy(source: Path | BinaryIO, name: str | None = None) -> Array:
    """Read one `.npy` file of numbers.

    Args:
        source: A file's path, or a stream.
        name: Name in messages; `None` for the path.

    Raises:
        FileFormatError: The file is missing, not a `.npy`, damaged, or holds pickles.
    """
    name = str(source) if name is None else name
    if isinstance(source, Path):
        check_input_file(source)
    with foreign_data(name, what="a readable .npy file"):
        data = bytearray(source.read_bytes() if isinstance(source, Path) else source.read())
        return parse_npy(np.frombuffer(data, np.uint8), name)


def parse_npy(data: npt.NDArray[np.uint8], name: str) -> Array:
    """Return the array in the bytes of a `.npy` file; it shares their memory.

    Args:
        data: The whole file.
        name: What it is called in messages.

    Raises:
        FileFormatError: It is damaged, or holds anything but numbers or text.
    """
    stream = io.BytesIO(data[: HEADER_BYTES + 16].tobytes())
    with foreign_data(name, what="a readable .npy array"):
        shape, fortran_order, dtype = _read_header(stream)
    if dtype.kind not in NUMBER_KINDS or dtype.hasobject or not dtype.itemsize:
        raise FileFormatError(f"{name}: holds {dtype} values, expected numbers or text")
    sizes = shape if isinstance(shape, tuple) and len(shape) <= MAX_AXES else (-1,)
    if not all(type(size) is int and 0 <= size < MAX_COUNT for size in sizes):
        raise FileFormatError(f"{name}: the header's shape is not a short list of counts")
    if math.prod(size or 1 for size in sizes) >= MAX_COUNT:  # zeros hide what is beside them
        raise FileFormatError(f"{name}: the header's shape is implausibly large")
    numbers = data[stream.tell() :]
    expected = math.prod(sizes) * dtype.itemsize
    if expected > len(numbers):
        raise FileFormatError(
            f"{name}: the header says {list(shape)} of {dtype}, "
            f"which is {expected} bytes, but {len(numbers)} are present",
            hint="make or download it again",
        )
    array = numbers[:expected].view(dtype)
    return array.reshape(shape[::-1]).T if fortran_order else array.reshape(shape)


def _read_header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file, max_header_size=HEADER_BYTES)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(file, max_header_size=HEADER_BYTES)
    raise ValueError(f"version {version} of the .npy format")


def write_npz(arrays: Mapping[str, Array], file: BinaryIO) -> None:
    """Write arrays as an `.npz` file, uncompressed; the same arrays give the same bytes.

    Args:
        arrays: Key -> array, in the order to be written.
        file: Where to; it need not seek.
    """
    # numpy dates the members 1980, the zip format's zero. Row-major, so that a transposed array
    # gives the bytes of its copy.
    rows: dict[str, Any] = {key: np.asarray(array, order="C") for key, array in arrays.items()}
    if any(array.dtype.hasobject for array in rows.values()):
        raise ValueError("an .npz of objects would hold pickles")
    np.savez(file, **rows)


def to_json_array(values: Mapping[str, Any]) -> Array:
    """Return JSON metadata as the 0-d text array that an `.npz` file holds."""
    return np.array(json.dumps(values, sort_keys=True))


def from_json_array(array: Array, name: str) -> dict[str, Any]:
    """Return the metadata of an `.npz` file.

    Raises:
        FileFormatError: It is not a JSON object in a 0-d text array.
    """
    try:
        values = json.loads(str(array)) if array.ndim == 0 and array.dtype.kind == "U" else None
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise FileFormatError(f"{name}: meta is not a JSON object in a 0-d text array")
    return values
