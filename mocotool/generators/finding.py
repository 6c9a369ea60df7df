"""Resolving of names, and of the records in artefacts, to files of weights."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from mocotool.addresses import address_of, parse_address
from mocotool.bundled import BUNDLED_PREFIX, FOLDER
from mocotool.downloads import find_weights
from mocotool.errors import ConfigError, FileFormatError, MismatchError, UnavailableError
from mocotool.files import is_plain_file, sha256_file
from mocotool.provenance import FileRecord, portable_path
from mocotool.weights.folders import choose_in_folder

BUNDLED_NAME = "people.safetensors"
WEIGHT_SUFFIXES = frozenset({".pkl", ".pt", ".pth", ".safetensors"})
MAX_OTHERS = 32


def is_bundled(path: str | Path) -> bool:
    """Return whether a name is that of a file inside the package, as artefacts record it."""
    return str(path).startswith(BUNDLED_PREFIX)


def resolve_path(path: str | Path | None) -> tuple[Path, str]:
    """Return the file to open and the path to record for it."""
    if path is None:
        path = f"{BUNDLED_PREFIX}{BUNDLED_NAME}"
    if is_bundled(path):
        return FOLDER / Path(str(path).removeprefix(BUNDLED_PREFIX)).name, str(path)
    if (address := address_of(path)) is not None:
        return find_weights(address), parse_address(address).name
    file = Path(path)
    file = choose_in_folder(file) if file.is_dir() else file
    return file, portable_path(file)


def find_recorded(record: FileRecord, *, name: str, beside: Sequence[Path] = ()) -> Path | str:
    """Find the generator that an artefact was made with.

    Its path comes first; where there is no such file, or another one by now, files of that name
    and then of any name are looked for beside the artefact, and taken if their sha256 is the
    recorded one. An artefact from somebody else may name any path: only plain files are opened,
    and of addresses only what was fetched before.

    Args:
        record: What the artefact says of its generator.
        name: The artefact's own name, for messages.
        beside: Folders to look into as well.

    Returns:
        What `load_generator` takes.

    Raises:
        FileFormatError: The file is nowhere to be found.
        MismatchError: Only files with another content are there.
    """
    if is_bundled(record.path):
        return record.path
    is_address = address_of(record.path) is not None
    if is_address and _is_fetched(record):
        return record.path

    # its own path, then its name beside the artefact, then any file there of the same content
    changed: Path | None = None
    for path in _named(record, beside):
        if sha256_file(path) == record.sha256:
            return path
        changed = changed or path
    for path in _others(beside):
        if sha256_file(path) == record.sha256:
            return path

    if changed is not None:
        raise MismatchError(
            f"{name}: was made with {record.path} of sha256 {record.sha256[:12]}, "
            f"{changed} has changed since",
            hint=f"to use it anyway, add --generator {changed}",
        )
    raise FileFormatError(
        f"{name}: was made with {record.path}, which is not there (sha256 {record.sha256[:12]})",
        hint=f"`moco fetch {record.path}`, or --generator FILE"
        if is_address
        else "say where the generator is with --generator FILE",
    )


def _is_fetched(record: FileRecord) -> bool:
    """Return whether the cache has what an artefact says was at an address."""
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
