"""Run the recipes of docs/cookbook.md and make their pictures, with the bundled models.

    python docs/cookbook.py            all of them
    python docs/cookbook.py a-song     one

A recipe is a heading, its first block of shell, and a picture named after the heading. The picture
shows four frames of the last file that the block writes.
"""

import re
import shlex
import subprocess
import sys
import tempfile
import wave
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "cookbook.md"
PICTURES = ROOT / "docs" / "pictures" / "cookbook"
NUM_SHOWN = 4
MAX_WIDTH, MAX_HEIGHT = 1000, 264
SONG_BEATS_S = (0.5, 1.0, 1.5, 2.0, 2.5)


def read_recipes() -> dict[str, str]:
    """Return name of the picture -> shell, of every recipe on the page."""
    sections = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    recipes = {}
    for section in sections:
        title, _, text = section.partition("\n")
        name = "-".join(re.findall(r"\w+", title.lower()))
        found = re.search(r"```sh[^\n]*\n(.*?)```", text, re.DOTALL)
        assert found is not None, title
        recipes[name] = found[1]
    return recipes


def prepare_inputs(folder: Path) -> None:
    """Put the reader's own files into a folder: a photo of a person and a song."""
    from mocotool import bundled
    from mocotool.video.opening import open_video
    from mocotool.video.pictures import write_png
    from mocotool.video.reading import read_frames

    clip = open_video(sorted(bundled.CLIPS_FOLDER.glob("*.mp4"))[1])
    write_png(folder / "photo.png", read_frames(clip, [0])[0])

    rate = 22_050
    seconds = np.arange(3 * rate) / rate
    song = np.zeros(len(seconds))
    for beat, start in enumerate(SONG_BEATS_S):
        since = seconds - start
        tone = np.sin(2 * np.pi * (110, 220)[beat % 2] * since) * np.exp(-6 * since)
        song += np.where(since >= 0, 0.5 * tone, 0.0)
    with wave.open(str(folder / "song.wav"), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes((np.clip(song, -1, 1) * 32767).astype("<i2").tobytes())


def run_recipe(shell: str, folder: Path, moco: str | None = None) -> Path:
    """Run a recipe in a folder that has the reader's files; return the last file it writes.

    Args:
        shell: The recipe.
        folder: Where it runs.
        moco: The program that stands for `moco`; `None` is this Python's.

    Raises:
        subprocess.CalledProcessError: One of its commands fails.
    """
    own = moco or f"{shlex.quote(sys.executable)} -m mocotool"
    command = re.sub(r"(?<![\w-])moco ", f"{own} ", shell)
    subprocess.run(["bash", "-e", "-o", "pipefail", "-c", command], cwd=folder, check=True)
    return folder / re.findall(r"-o (\S+)", shell)[-1]


def draw_strip(film: Path, target: Path) -> None:
    """Draw four frames of a film side by side, or one where it shows many people at once."""
    from mocotool.export import reduce_frames
    from mocotool.video.opening import open_video
    from mocotool.video.pictures import tile_frames, write_png
    from mocotool.video.reading import read_frames

    video = open_video(film)
    num_shown = 1 if video.height > 4 * 64 else min(NUM_SHOWN, video.num_frames)
    idxs = [round(i * (video.num_frames - 1) / max(num_shown - 1, 1)) for i in range(num_shown)]
    frames = np.stack(list(read_frames(video, idxs)))
    factor = max(-(-frames.shape[1] // MAX_HEIGHT), -(-frames.shape[2] * num_shown // MAX_WIDTH))
    write_png(target, tile_frames(list(reduce_frames(frames, factor)), columns=num_shown))


def main() -> None:
    """Make the pictures."""
    PICTURES.mkdir(exist_ok=True)
    for name, shell in read_recipes().items():
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        with tempfile.TemporaryDirectory() as folder:
            prepare_inputs(Path(folder))
            draw_strip(run_recipe(shell, Path(folder)), PICTURES / f"{name}.png")
        sys.stdout.write(f"{name}\n")


if __name__ == "__main__":
    main()
