"""What comes inside the package: a people generator, its motion model and a dozen clips."""

import shutil
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
CLIPS_FOLDER = FOLDER / "clips"


def copy_clips(folder: Path) -> None:
    """Copy the bundled training clips into a new folder.

    Raises:
        OSError: The folder cannot be written.
    """
    shutil.copytree(CLIPS_FOLDER, folder)
