"""What each artefact says of its origin: version, commands so far, generator, seeds."""

import dataclasses
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from mocotool import __version__


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class FileRecord:
    """A file another artefact was made with, so that it can be found and checked again."""

    path: str
    """Absolute path when it was used, or "bundled:NAME" for a file inside the package."""
    sha256: str
    """Of the whole file, 64 hexadecimal digits."""
    kind: str
    """What it is: "stylegan2", "dcgan", "motion", ..."""

    def as_json(self) -> dict[str, Any]:
        """Return the record as it is stored in an artefact's metadata."""
        return dataclasses.asdict(self)


def tool_version() -> str:
    """Return "mocotool X.Y.Z", as stored in artefacts."""
    return f"mocotool {__version__}"


def current_command() -> str:
    """Return the running command as it could be typed, for an artefact's history."""
    program = Path(sys.argv[0]).name
    if program == "__main__.py":
        program = "python -m mocotool"
    return f"{program} {shlex.join(sys.argv[1:])}".strip()


def portable_path(path: Path) -> str:
    """Return the absolute path to store in an artefact; symbolic links are kept as they are."""
    return os.path.abspath(path)
