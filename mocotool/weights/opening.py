"""Open a file of weights: its bytes and their sha256."""

import hashlib
import mmap
from pathlib import Path
from typing import BinaryIO

from mocotool.errors import FileFormatError
from mocotool.files import HASH_CHUNK_BYTES, check_input_file

MAX_FILE_BYTES = 1 << 34
"""The largest file that is opened, 16 GiB."""


class WeightFile:
    """An open file of weights: its bytes, mapped rather than read, and their sha256.

    Raises:
        FileFormatError: The file is missing, empty or too large.
    """

    def __init__(self, path: Path) -> None:
        check_input_file(path)
        self.path = path
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise FileFormatError(f"{path}: {size:,} bytes, more than {MAX_FILE_BYTES:,}")
        with path.open("rb") as file:
            self._mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.data = memoryview(self._mapping)

    def sha256(self) -> str:
        """Return the sha256 of the mapped bytes."""
        digest = hashlib.sha256()
        for start in range(0, len(self.data), HASH_CHUNK_BYTES):
            digest.update(self.data[start : start + HASH_CHUNK_BYTES])
        if hasattr(mmap, "MADV_DONTNEED"):
            self._mapping.madvise(
                mmap.MADV_DONTNEED
            )  # give the pages back before tensors are copied
        return digest.hexdigest()

    def open(self) -> BinaryIO:
        """Return the file as a stream, for readers that seek."""
        return self.path.open("rb")
