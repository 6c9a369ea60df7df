"""The generator that latents belong to, loaded from what they record of it."""

from collections.abc import Sequence
from pathlib import Path

import torch

from mocotool.errors import ConfigError
from mocotool.generators.base import Generator
from mocotool.generators.finding import find_recorded
from mocotool.generators.loading import load_generator
from mocotool.provenance import FileRecord


def find_generator(
    path: Path | None,
    record: FileRecord | None,
    *,
    name: str,
    device: torch.device,
    precision: torch.dtype,
) -> Generator:
    """Load the generator that was named, or else the one that latents or a motion model record.

    Args:
        path: The file that was named, if any.
        record: What the artefact says.
        name: The artefact's name: a path, "<stdin>" or "bundled:NAME".
        device: Where to put the generator.
        precision: What its convolutions compute in.

    Raises:
        ConfigError: Neither is there.
    """
    if path is not None:
        return load_generator(path, device=device, precision=precision)
    if record is None:
        raise ConfigError(
            f"{name}: does not say which generator it belongs to",
            hint="add --generator FILE, or --generator bundled:people.safetensors",
        )
    return load_recorded_generator(
        record, name=name, beside=[Path(name).parent, Path()], device=device, precision=precision
    )


def load_recorded_generator(
    record: FileRecord,
    *,
    name: str,
    beside: Sequence[Path] = (),
    device: torch.device | str = "cpu",
    precision: torch.dtype = torch.float32,
) -> Generator:
    """Load the generator an artefact was made with; see `find_recorded`.

    Args:
        record: What the artefact says of its generator.
        name: The artefact's own name, for messages.
        beside: Folders to look into as well.
        device: Where to put it.
        precision: What convolutions compute in.

    Raises:
        FileFormatError: The file is nowhere to be found.
        MismatchError: Only files with another content are there.
    """
    path = find_recorded(record, name=name, beside=beside)
    return load_generator(path, device=device, precision=precision)
