"""What comes inside the package: a people generator, its motion model and a dozen clips."""

import shutil
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
CLIPS_FOLDER = FOLDER / "clips"
BUNDLED_PREFIX = "bundled:"
"""Of what a file in here is called by artefacts and on the command line."""


def copy_clips(folder: Path) -> None:
    """Copy the bundled training clips into a new folder, which the user can write and remove.

    Args:
        folder: Made here.
    """
    folder.mkdir(parents=True)
    for clip in sorted(CLIPS_FOLDER.glob("*.mp4")):
        shutil.copyfile(clip, folder / clip.name)
