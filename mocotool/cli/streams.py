"""stdin, stdout and "-": where a command's data comes from and goes to."""

import contextlib
import io
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

from mocotool.addresses import address_of
from mocotool.boundary import foreign_data
from mocotool.errors import ConfigError, FileFormatError
from mocotool.fetched import locate
from mocotool.files import check_input_file, check_output_path, is_stream

STDIN_NAME = "<stdin>"
# What a shell or a script may call the two; opening /dev/stdout anew would cut a file short.
STDIN_PATHS = frozenset({"-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"})
STDOUT_PATHS = frozenset({"-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"})
OPENED_PREFIXES = ("/dev/fd/", "/proc/self/fd/")
"""Where a shell puts what it has opened for a command, as <(...) does."""
STREAM_MAGICS = (b"PK", b"\x93N")  # .npz and .npy
READ_CHUNK_BYTES = 1 << 20
MAX_SPOOLED_BYTES = 1 << 27
"""More than this of a pipe goes to a temporary file."""
MAX_STREAM_BYTES = 1 << 32
"""The most that is read from a pipe, 4 GiB: latents of 2 million frames of 512 dimensions."""


def is_terminal(stream: TextIO | None) -> bool:
    """Whether one of the three standard streams is a terminal; a closed one (`>&-`) is not."""
    return stream is not None and stream.isatty()


def choose_input(source: str | None, *, what: str) -> str | None:
    """Choose where input comes from, before anything heavy is imported.

    Args:
        source: The argument: a path, "-" for stdin, or `None` if it was left out.
        what: What is read, for the message ("latents").

    Returns:
        A path, of an address that of its copy, or "-" for stdin; `None` if it was left out and
        stdin is a terminal.
    """
    if source is None:
        return None if sys.stdin is None or is_terminal(sys.stdin) else "-"
    if source in STDIN_PATHS:
        if is_terminal(sys.stdin):
            raise ConfigError(
                f"-: stdin is a terminal, expected {what} from a pipe or a file",
                hint="moco sample | moco interpolate -o clip.mp4",
            )
        return "-"
    if address_of(source) is not None:
        return str(locate(source))
    if not is_stream(Path(source)):
        check_input_file(Path(source))
    return source


def open_input(source: str) -> tuple[BinaryIO, str]:
    """Return a seekable stream and its name for messages.

    Raises:
        FileFormatError: The pipe is empty, or holds neither an `.npz` nor an `.npy`.
    """
    if source == "-":
        return _read_whole(sys.stdin.buffer, STDIN_NAME), STDIN_NAME
    if is_stream(Path(source)):
        with foreign_data(source, what="a pipe"), Path(source).open("rb") as stream:
            return _read_whole(stream, source), source
    return Path(source).open("rb"), source


@contextlib.contextmanager
def saved_stream(source: str, *, check: Callable[[bytes], None]) -> Iterator[tuple[Path, str]]:
    """Save stdin or a pipe as a temporary file; yield its path and its name in messages.

    Args:
        source: "-" or a pipe.
        check: Called with the first megabyte before the rest is read; raises `FileFormatError` to
            reject it.

    Raises:
        FileFormatError: The stream is empty or too long, `check` rejected it, or the block
            rejected the file.
        ConfigError: stdin is a terminal.
    """
    is_stdin = choose_input(source, what="a file") == "-"
    name = STDIN_NAME if is_stdin else source
    with tempfile.TemporaryDirectory(prefix="moco-") as folder:
        path = Path(folder) / "stream"
        with contextlib.ExitStack() as stack:
            stream = sys.stdin.buffer if is_stdin else stack.enter_context(Path(source).open("rb"))
            start = stream.read(READ_CHUNK_BYTES)
            if start:
                with foreign_data(name, what="a file"):
                    check(start)
            _copy(stream, stack.enter_context(path.open("wb")), name=name, start=start)
        try:
            yield path, name
        except FileFormatError as error:
            hint = error.hint and error.hint.replace(str(path), name)
            raise FileFormatError(str(error).replace(str(path), name), hint=hint) from None


def _read_whole(stream: BinaryIO, name: str) -> BinaryIO:
    """Return the contents of a pipe; anything but latents is refused after the first bytes."""
    start = stream.read(len(STREAM_MAGICS[0]))
    if start and start not in STREAM_MAGICS:
        raise FileFormatError(f"{name}: not a readable .npz file (it begins with {start!r})")
    whole = io.BytesIO()
    _copy(stream, whole, name=name, start=start)
    whole.seek(0)
    return whole


def _copy(stream: BinaryIO, target: BinaryIO, *, name: str, start: bytes = b"") -> None:
    """Copy the rest of a stream; `start` has been read already."""
    data = start or stream.read(READ_CHUNK_BYTES)
    if not data:
        raise FileFormatError(
            f"{name}: the pipe is empty",
            hint="look above for the error of the command before it",
        )
    while data:
        target.write(data)
        if target.tell() > MAX_STREAM_BYTES:
            raise FileFormatError(f"{name}: more than {MAX_STREAM_BYTES:,} bytes")
        data = stream.read(READ_CHUNK_BYTES)


def choose_output(
    out: str | None,
    *,
    force: bool,
    json: bool = False,
    what: str = "latents",
    takes_streams: bool = False,
) -> str:
    """Choose where output goes; fail before anything is computed.

    Args:
        out: The `-o` value: a path, "-" or `None`.
        force: Whether an existing file may be replaced.
        json: Whether stdout is reserved for a JSON object.
        what: What is written, for the message.
        takes_streams: Whether pipes and devices are written by `open_stream`.

    Returns:
        A path, or "-" for stdout.

    Raises:
        ConfigError: The file exists, cannot be written, or stdout is a terminal.
    """
    if out is not None and out not in STDOUT_PATHS:
        if not (takes_streams and is_stream(Path(out))):
            check_output_path(Path(out), force=force)
        return out
    if json:
        raise ConfigError("--json and the data both need stdout", hint="add -o FILE")
    if sys.stdout is None:
        raise ConfigError("stdout is closed", hint="add -o FILE")
    if is_terminal(sys.stdout):
        raise ConfigError(
            f"stdout is a terminal, and {what} are binary",
            hint="add -o FILE, or pipe into the next command",
        )
    return "-"


class _OneWay(io.RawIOBase):
    """A device that can only be written: some, such as /dev/null, say they could seek."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def writable(self) -> bool:
        """Say that it can be written."""
        return True

    def write(self, data: Any) -> int:
        """Pass bytes on."""
        return self._stream.write(data)


@contextlib.contextmanager
def open_stream(target: str) -> Iterator[BinaryIO]:
    """Open a stream for writing: "-" for stdout, or a pipe or a device."""
    if target == "-":
        with binary_stdout() as stream:
            yield stream
        return
    try:
        with Path(target).open("wb") as stream:
            yield cast("BinaryIO", _OneWay(stream))
    except BrokenPipeError:
        pass  # as on stdout: who read has seen enough


@contextlib.contextmanager
def binary_stdout() -> Iterator[BinaryIO]:
    """Yield stdout for bytes; a closed pipe ends the command quietly."""
    try:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        silence_stdout()


def silence_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's last flush cannot fail."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
