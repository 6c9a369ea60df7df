"""The one way in for data of unknown origin: no exception but ours, and no work without bound."""

import contextlib
import dataclasses
import io
import time
from collections.abc import Iterator
from typing import Any, BinaryIO

from mocotool.errors import FileFormatError, MocoError

MIB = 1 << 20
SPARE_BYTES = 64 * MIB
"""What any file may unpack to, however small it is."""
MAX_DIRECTORY_BYTES = 16 * MIB
MAX_OPCODES = 500_000
OPCODES_BETWEEN_LOOKS = 500
MAX_ITEMS = 1_000_000
SPARE_SECONDS = 30.0
"""What any file may take of a processor, however small it is."""
SECONDS_PER_BYTE = 1e-4  # video at 10 kB/s, less than a still screen's, decoded in real time


@contextlib.contextmanager
def foreign_data(name: object, *, what: str, hint: str | None = None) -> Iterator[None]:
    """Turn any exception that foreign bytes cause in the block into an error that names the file.

    The block should hold the reading alone: a bug of ours in it would look like a damaged file.

    Args:
        name: The file, as it is called in messages.
        what: What was expected of it: "an .npz file".
        hint: What to do where the bytes are not that.

    Raises:
        FileFormatError: The block raised that, or any exception that is neither ours nor about
            memory.
    """
    try:
        yield
    except FileFormatError as error:
        if str(error).startswith(f"{name}:"):
            raise
        raise FileFormatError(f"{name}: {error}", hint=error.hint or hint) from None
    except (MocoError, MemoryError):
        raise
    except OSError as error:
        raise FileFormatError(f"{name}: cannot be read: {error.strerror or error}") from error
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise FileFormatError(f"{name}: not {what}, or damaged ({reason})", hint=hint) from error


@dataclasses.dataclass(slots=True)
class Meter:
    """The budget of work that one file may still cause, shared by everything nested in it."""

    bytes: int = SPARE_BYTES
    """Bytes that may still be produced beyond those in the file."""
    items: int = MAX_ITEMS
    """Entries of lists and tables that may still be built."""
    opcodes: int = MAX_OPCODES
    """Pickle opcodes that may still be interpreted."""
    seconds: float = SPARE_SECONDS
    """CPU time that may still be spent, in seconds; waiting for a slow disk costs none."""
    _last_look: float = dataclasses.field(default_factory=time.thread_time, init=False)

    @classmethod
    def for_file(cls, size_bytes: int) -> "Meter":
        """Return the budget of a file of `size_bytes`."""
        return cls(
            bytes=SPARE_BYTES + 2 * size_bytes,
            seconds=SPARE_SECONDS + SECONDS_PER_BYTE * size_bytes,
        )

    def take_bytes(self, count: int) -> None:
        """Charge bytes to the budget.

        Raises:
            FileFormatError: There are not so many left.
        """
        self.bytes -= count
        if self.bytes < 0:
            raise FileFormatError("it would unpack to far more bytes than the file has")

    def take_items(self, count: int) -> None:
        """Charge entries to the budget.

        Raises:
            FileFormatError: There are not so many left.
        """
        self.items -= count
        if self.items < 0:
            raise FileFormatError(f"it builds more than {MAX_ITEMS:,} entries of tables and lists")

    def take_opcode(self) -> None:
        """Charge one opcode to the budget, and check the clock from time to time.

        Raises:
            FileFormatError: There is none left, or no time.
        """
        self.opcodes -= 1
        if self.opcodes < 0:
            raise FileFormatError(f"the pickle has more than {MAX_OPCODES:,} opcodes")
        if self.opcodes % OPCODES_BETWEEN_LOOKS == 0:
            self.take_time()

    def take_time(self) -> None:
        """Charge the CPU time of this thread since the last look at the clock.

        Raises:
            FileFormatError: There is not so much left.
        """
        since = self._last_look
        self.skip_time()
        self.seconds -= self._last_look - since
        if self.seconds < 0:
            raise FileFormatError("reading it takes far more time than a file of its size should")

    def skip_time(self) -> None:
        """Look at the clock after work that the file did not cause."""
        self._last_look = time.thread_time()


class DirectoryReader(io.RawIOBase):
    """A zip file that refuses to give its directory where that is implausibly long.

    `zipfile` reads the directory whole and builds an object for each of its entries.

    Args:
        file: The zip file, open and able to seek.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def seekable(self) -> bool:
        """Return `True`: the file can seek."""
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """Seek to a position; return it."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the current position."""
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes.

        Raises:
            FileFormatError: More bytes are requested than a directory can have.
        """
        data = self._file.read(min(size % (1 << 62), MAX_DIRECTORY_BYTES + 1))
        if len(data) > MAX_DIRECTORY_BYTES:
            raise FileFormatError("the zip's directory is damaged or implausibly long")
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
