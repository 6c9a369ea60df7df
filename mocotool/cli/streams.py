"""stdin, stdout and "-": where a command's data comes from and goes to."""

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, TextIO

from mocotool.errors import ConfigError, FileFormatError
from mocotool.files import check_input_file, check_output_path

STDIN_NAME = "<stdin>"


def is_terminal(stream: TextIO | None) -> bool:
    """Whether one of the three standard streams is a terminal; a closed one (`>&-`) is not."""
    return stream is not None and stream.isatty()


def choose_input(source: str | None, *, what: str) -> str | None:
    """Decide where input comes from before anything heavy is loaded.

    Args:
        source: The argument: a path, "-" for stdin, or `None` if it was left out.
        what: What is read, for the message ("latents").

    Returns:
        A path, or "-" for stdin; `None` if it was left out and stdin is a terminal.
    """
    if source is None:
        return None if sys.stdin is None or is_terminal(sys.stdin) else "-"
    if source == "-":
        if is_terminal(sys.stdin):
            raise ConfigError(
                f"-: stdin is a terminal, expected {what} from a pipe or a file",
                hint="moco sample | moco interpolate -o clip.mp4",
            )
        return source
    check_input_file(Path(source))
    return source


def open_input(source: str) -> tuple[BinaryIO, str]:
    """Return a seekable stream and its name for messages.

    Raises:
        FileFormatError: stdin is empty.
    """
    if source != "-":
        return Path(source).open("rb"), source
    data = sys.stdin.buffer.read()  # pipes cannot seek
    if not data:
        raise FileFormatError(
            f"{STDIN_NAME}: nothing came through the pipe",
            hint="look above for the error of the command before it",
        )
    return io.BytesIO(data), STDIN_NAME


def choose_output(
    out: str | None, *, force: bool, json: bool = False, what: str = "latents"
) -> str:
    """Decide where output goes, and fail now rather than after the work.

    Args:
        out: The `-o` value: a path, "-" or `None`.
        force: Whether an existing file may be replaced.
        json: Whether stdout is wanted for a JSON object.
        what: What is written, for the message.

    Returns:
        A path, or "-" for stdout.

    Raises:
        ConfigError: The file exists, cannot be written, or stdout is a terminal.
    """
    if out not in (None, "-"):
        assert out is not None
        check_output_path(Path(out), force=force)
        return out
    if json:
        raise ConfigError(
            "--json needs stdout for its object, and so does the data", hint="add -o FILE"
        )
    if sys.stdout is None:
        raise ConfigError("stdout is closed", hint="add -o FILE")
    if is_terminal(sys.stdout):
        raise ConfigError(
            f"stdout is a terminal, and {what} are binary",
            hint="add -o FILE, or pipe into the next command",
        )
    return "-"


@contextlib.contextmanager
def binary_stdout() -> Iterator[BinaryIO]:
    """Give stdout for bytes; a reader that went away ends the command quietly."""
    try:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        silence_stdout()


def silence_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's last flush cannot fail."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
