"""Which generator do these latents belong to? The one their record names, found again."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from mocotool.addresses import address_of
from mocotool.downloads import find_weights
from mocotool.errors import ConfigError, FileFormatError, MismatchError, UnavailableError
from mocotool.files import is_plain_file, sha256_file
from mocotool.generators.base import Generator
from mocotool.generators.loading import BUNDLED_PREFIX, load_generator
from mocotool.provenance import FileRecord

WEIGHT_SUFFIXES = frozenset({".pkl", ".pt", ".pth", ".safetensors"})
MAX_OTHERS = 32


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
            f"{name}: does not say which generator it belongs to", hint="add --generator FILE"
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
    """Load the generator an artefact was made with.

    Its path comes first; where there is no such file, or another one by now, files of that name
    and then of any name are looked for beside the artefact, and taken if their sha256 is the
    recorded one. An artefact from somebody else may name any path: only plain files are opened,
    and of addresses only what was fetched before.

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
    if record.path.startswith(BUNDLED_PREFIX):
        return load_generator(record.path, device=device, precision=precision)
    is_address = address_of(record.path) is not None
    if is_address and _is_fetched(record):
        return load_generator(record.path, device=device, precision=precision)

    # its own path, then its name beside the artefact, then any file there of the same content
    changed: Path | None = None
    for path in _named(record, beside):
        if sha256_file(path) == record.sha256:
            return load_generator(path, device=device, precision=precision)
        changed = changed or path
    for path in _others(beside):
        if sha256_file(path) == record.sha256:
            return load_generator(path, device=device, precision=precision)

    if changed is not None:
        raise MismatchError(
            f"{name}: was made with {record.path} of sha256 {record.sha256[:12]}, "
            f"{changed} has another content by now",
            hint=f"if it will do all the same, add --generator {changed}",
        )
    raise FileFormatError(
        f"{name}: was made with {record.path}, which is not there (sha256 {record.sha256[:12]})",
        hint=f"`moco fetch {record.path}`, or --generator FILE"
        if is_address
        else "say where the generator is with --generator FILE",
    )


def _is_fetched(record: FileRecord) -> bool:
    """Tell whether the cache has what an artefact says was at an address."""
    try:
        return sha256_file(find_weights(record.path)) == record.sha256
    except (ConfigError, UnavailableError):
        return False


def _named(record: FileRecord, beside: Sequence[Path]) -> Iterator[Path]:
    recorded = Path(record.path)
    for path in (recorded, *(folder / recorded.name for folder in beside)):
        if is_plain_file(path):
            yield path


def _others(beside: Sequence[Path]) -> Iterator[Path]:
    """Yield files of weights under any name; they are told by their content."""
    for folder in beside:
        try:
            paths = sorted(path for path in folder.iterdir() if path.suffix in WEIGHT_SUFFIXES)
        except OSError:
            continue
        yield from filter(is_plain_file, paths[:MAX_OTHERS])
