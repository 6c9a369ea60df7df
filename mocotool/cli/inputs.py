"""Latents that come in, and the generator and motion model that go with them."""

from pathlib import Path
from typing import TYPE_CHECKING

from mocotool.cli.streams import choose_input, open_input
from mocotool.errors import ConfigError
from mocotool.files import check_input_file

if TYPE_CHECKING:
    import torch

    from mocotool.generators.base import Generator
    from mocotool.latents import Trajectory
    from mocotool.provenance import FileRecord


def choose_latents(source: str | None, *, command: str) -> str:
    """Decide where latents come from before anything heavy is loaded.

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
    """Return `path` if it was left out or can be read."""
    return None if path is None else check_input_file(path)


def read_trajectory(source: str) -> "tuple[Trajectory, str]":
    """Read latents from a file or stdin; return them with the name they have in messages."""
    from mocotool.latents import read_latents

    stream, name = open_input(source)
    with stream:
        return read_latents(stream, name), name


def find_generator(
    path: Path | None,
    record: "FileRecord | None",
    *,
    name: str,
    device: "torch.device",
    precision: "torch.dtype",
) -> "Generator":
    """Load the generator that was named, or else the one that latents or a motion model record.

    Args:
        path: The `--generator` value.
        record: What the artefact says.
        name: The artefact's name: a path, "<stdin>" or "bundled:NAME".
        device: Where to put the generator.
        precision: What its convolutions compute in.

    Raises:
        ConfigError: Neither is there.
    """
    from mocotool.generators.loading import load_generator
    from mocotool.generators.recorded import load_recorded_generator

    if path is not None:
        return load_generator(path, device=device, precision=precision)
    if record is None:
        raise ConfigError(
            f"{name}: does not say which generator it belongs to", hint="add --generator FILE"
        )
    return load_recorded_generator(
        record, name=name, beside=[Path(name).parent, Path()], device=device, precision=precision
    )
