"""How `.npz` files are read without trust and written without chance.

Reading checks what every array claims to be before anything is allocated for it, and never
unpickles. Writing leaves out times, so that the same arrays give the same bytes.
"""

import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from mocotool.errors import FileFormatError
from mocotool.files import check_input_file

Array = npt.NDArray[Any]

MAX_SUSPECT_BYTES = 1 << 30  # up to here any compression ratio is fine
MAX_RATIO = 30  # beyond, a file may unpack to this many times its size; zeros reach 1000
MAX_MEMBERS = 64
HEADER_BYTES = 1 << 16
READ_CHUNK_BYTES = 1 << 22
NUMBER_KINDS = "biufU"  # booleans, integers, floats, text: nothing that needs a pickle


def read_npz(source: Path | BinaryIO, name: str) -> dict[str, Array]:
    """Read all arrays of an `.npz` file.

    Args:
        source: A file's path, or a stream that can seek.
        name: What the file is called in messages.

    Returns:
        Key -> array.

    Raises:
        FileFormatError: The file is missing, not an `.npz`, damaged, holds pickles, or would
            unpack to far more than its size.
    """
    if isinstance(source, Path):
        check_input_file(source)
    try:
        with zipfile.ZipFile(source) as archive:
            members = _check_members(archive, name)
            return {key: _read_member(archive, info, name) for key, info in members.items()}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise FileFormatError(
            f"{name}: not a readable .npz file ({error})",
            hint=f"`moco info {name}` says what it is" if Path(name).exists() else None,
        ) from None
    except OSError as error:
        raise FileFormatError(f"{name}: cannot be read: {error.strerror or error}") from error


def _check_members(archive: zipfile.ZipFile, name: str) -> dict[str, zipfile.ZipInfo]:
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        raise FileFormatError(
            f"{name}: holds {len(members)} arrays, expected {MAX_MEMBERS} at most"
        )
    unpacked = sum(info.file_size for info in members)
    packed = sum(info.compress_size for info in members)
    if unpacked > max(MAX_SUSPECT_BYTES, MAX_RATIO * packed):
        raise FileFormatError(
            f"{name}: {packed} bytes would unpack to {unpacked}, which no file of latents does"
        )
    found: dict[str, zipfile.ZipInfo] = {}
    for info in members:
        if not info.filename.endswith(".npy") or info.filename.removesuffix(".npy") in found:
            raise FileFormatError(
                f"{name}: {info.filename!r} inside is not an array of its own, "
                "so this is a zip file but no .npz"
            )
        found[info.filename.removesuffix(".npy")] = info
    return found


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> Array:
    with archive.open(info) as file:
        return read_npy_stream(
            file, info.file_size, f"{name}: {info.filename.removesuffix('.npy')}"
        )


def read_npy(path: Path) -> Array:
    """Read one `.npy` file of numbers.

    Raises:
        FileFormatError: The file is missing, not a `.npy`, damaged, or holds pickles.
    """
    check_input_file(path)
    with path.open("rb") as file:
        return read_npy_stream(file, path.stat().st_size, str(path))


def read_npy_stream(file: Any, size_bytes: int, name: str) -> Array:
    """Read one array of `size_bytes` in all; see `read_npy`."""
    try:
        shape, fortran_order, dtype = _read_header(file)
    except ValueError as error:
        raise FileFormatError(f"{name}: not a readable .npy array ({error})") from None
    if dtype.kind not in NUMBER_KINDS or dtype.hasobject:
        raise FileFormatError(f"{name}: holds {dtype} values, expected numbers or text")
    count = int(np.prod(shape, dtype=object)) if shape else 1
    if count * dtype.itemsize > size_bytes:  # before allocating what a damaged header asks for
        raise FileFormatError(
            f"{name}: the header says {list(shape)} of {dtype}, the file holds {size_bytes} bytes"
        )
    array = np.empty(count, dtype=dtype)
    buffer = array.view(np.uint8) if array.nbytes else np.empty(0, np.uint8)
    filled = 0
    while filled < array.nbytes:
        piece = file.read(min(READ_CHUNK_BYTES, array.nbytes - filled))
        if not piece:
            raise FileFormatError(
                f"{name}: the array is cut short", hint="make or download it again"
            )
        buffer[filled : filled + len(piece)] = np.frombuffer(piece, np.uint8)
        filled += len(piece)
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
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for key, array in arrays.items():
            info = zipfile.ZipInfo(f"{key}.npy")  # dated 1980, the zip format's zero
            info.external_attr = 0o644 << 16
            with archive.open(info, "w", force_zip64=array.nbytes > (1 << 30)) as member:
                np.lib.format.write_array(member, np.asarray(array, order="C"), allow_pickle=False)


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
