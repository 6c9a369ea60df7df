"""Input files and latents."""

from pathlib import Path
from typing import TYPE_CHECKING

from mocotool.addresses import address_of
from mocotool.bundled import BUNDLED_PREFIX, FOLDER
from mocotool.cli.streams import choose_input, open_input
from mocotool.errors import ConfigError
from mocotool.fetched import locate
from mocotool.files import check_input_file, check_input_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from mocotool.generators.base import Generator
    from mocotool.latents import Trajectory


def choose_latents(source: str | None, *, command: str) -> str:
    """Choose where latents come from, before anything heavy is imported.

    Raises:
        ConfigError: None were named, and stdin is a terminal.
        FileFormatError: The file is missing.
    """
    chosen = choose_input(source, what="latents")
    if chosen is None:
        raise ConfigError(
            "no latents: stdin is a terminal and no file was named",
            hint=f"moco sample | moco {command}, or moco {command} walk.npz",
        )
    return chosen


def check_optional_file(path: Path | None) -> Path | None:
    """Return `path` if it was left out or can be read; an address if its file has been fetched.

    Files inside the package may be named as well, "bundled:NAME".
    """
    if path is not None and str(path).startswith(BUNDLED_PREFIX):
        check_input_file(FOLDER / str(path).removeprefix(BUNDLED_PREFIX))
        return path
    if (address := address_of(path)) is not None:
        locate(address)
        return path
    return None if path is None else check_input_file(path)


def check_videos(place: Path) -> Path:
    """Check that a folder, a file or a set of archives can be read; return it.

    Raises:
        FileFormatError: It is missing or not readable.
        UnavailableError: It is an address that has not been fetched.
    """
    from mocotool.video.braces import expand_braces

    for path in expand_braces(locate(place)):
        check_input_folder(path)
    return place


def read_trajectory(
    source: str, *, find_generator: "Callable[[], Generator] | None" = None
) -> "tuple[Trajectory, str]":
    """Read latents from a file or stdin; return them with the name they have in messages.

    Args:
        source: A path, or "-" for stdin.
        find_generator: Returns the named generator; called only for a bare array, whose axes it
            identifies.
    """
    from mocotool.latents import read_latents
    from mocotool.npz import is_npy

    stream, name = open_input(source)
    with stream:
        is_bare = find_generator is not None and is_npy(stream)
        generator = find_generator() if find_generator is not None and is_bare else None
        return read_latents(stream, name, generator=generator), name
