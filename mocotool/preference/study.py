"""Plans of blind studies: sides, order and videos of every question, drawn beforehand."""

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mocotool.configs.compare import CompareConfig
from mocotool.errors import ConfigError, FileFormatError
from mocotool.gallery import PICTURE_ENDINGS, VIDEO_ENDINGS

SCHEMA = "moco.study/1"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """One question: two sides, and what is shown of each."""

    sides: tuple[int, int]
    """The side on the left and the one on the right, by their places in the study."""
    videos: tuple[tuple[int, ...], tuple[int, ...]]
    """Which videos of each, by their places in its folder."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """A blind comparison: its sides, and the questions in the order they are asked."""

    names: tuple[str, ...]
    """What each side is called, in no page's text but in its votes."""
    files: tuple[tuple[Path, ...], ...]
    """The videos of each side."""
    trials: tuple[Trial, ...]
    question: str

    @property
    def mark(self) -> str:
        """Identifier of the study, sixteen hexadecimal digits."""
        plan = [self.names, [[path.name for path in paths] for paths in self.files], self.question]
        trials = [dataclasses.asdict(trial) for trial in self.trials]
        text = json.dumps([plan, trials], sort_keys=True)
        return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def plan_study(sides: Sequence[Path | str], *, config: CompareConfig | None = None) -> Study:
    """Draw the questions of a blind comparison.

    Every pair of sides is asked about equally often, give or take one. Which of the two stands on
    the left is drawn, as are the order of the questions and the videos; none of a side is shown a
    second time before all have been shown.

    Args:
        sides: Two or more folders of what a browser plays, or single files.
        config: How many questions, what is asked and how; `None` for the defaults.

    Raises:
        ConfigError: There are fewer than two sides, or one has too few videos for its square.
        FileFormatError: A side is missing, or holds nothing that a browser plays.
    """
    config = CompareConfig() if config is None else config
    if len(sides) < 2:
        raise ConfigError("nothing to compare: expected at least 2 sides")
    folders = [Path(side) for side in sides]
    files = tuple(list_shown(folder) for folder in folders)
    per_side = config.grid**2
    for side, paths in zip(sides, files, strict=True):
        if len(paths) < per_side:
            raise ConfigError(
                f"{side}: {len(paths)} videos, a square of {config.grid} by {config.grid} "
                f"needs {per_side}",
                hint="lower --grid",
            )

    # whole rounds of all pairs, each in an order of its own, cut to the number of trials
    rng = np.random.default_rng(config.seed)
    pairs = list(itertools.combinations(range(len(sides)), 2))
    rounds = -(-config.num_trials // len(pairs))
    order = [pairs[idx] for _ in range(rounds) for idx in rng.permutation(len(pairs))]

    decks = [_Deck(len(paths), rng) for paths in files]
    trials = []
    for pair in order[: config.num_trials]:
        left, right = pair if rng.random() < 0.5 else pair[::-1]
        shown = (decks[left].draw(per_side), decks[right].draw(per_side))
        trials.append(Trial(sides=(left, right), videos=shown))
    return Study(
        names=name_sides(folders), files=files, trials=tuple(trials), question=config.question
    )


class _Deck:
    """Numbers drawn without replacement until all have been drawn, then anew."""

    def __init__(self, size: int, rng: np.random.Generator) -> None:
        self._size, self._rng = size, rng
        self._left: list[int] = []

    def draw(self, count: int) -> tuple[int, ...]:
        """Return `count` numbers, no two of them alike."""
        drawn: list[int] = []
        while len(drawn) < count:
            if not self._left:
                fresh = self._rng.permutation(self._size).tolist()
                self._left = [number for number in fresh if number not in drawn]
            drawn.append(self._left.pop())
        return tuple(drawn)


def list_shown(side: Path) -> tuple[Path, ...]:
    """Return the files of a side that a browser plays, in the order of their names.

    Raises:
        FileFormatError: The side is missing, or there are none.
    """
    if not side.exists():
        raise FileFormatError(f"{side}: no such file or folder", hint="check the path of the side")
    found = [side] if side.is_file() else sorted(side.iterdir())
    endings = VIDEO_ENDINGS | PICTURE_ENDINGS
    shown = tuple(
        path
        for path in found
        if path.suffix.lower() in endings and path.is_file() and not path.name.startswith(".")
    )
    if not shown:
        raise FileFormatError(
            f"{side}: nothing to show, expected .mp4, .webm, .gif, .apng, .png or .jpg files",
            hint="moco render walk.npz -o FOLDER/clip.mp4",
        )
    return shown


def name_sides(sides: Sequence[Path]) -> tuple[str, ...]:
    """Return a name for each side: its own, with a number where another has it too."""
    names: list[str] = []
    for side in sides:
        own = (side.resolve().name if side.is_dir() else side.stem) or str(side)
        own = own.encode("utf-8", "replace").decode()
        name, number = own, 2
        while name in names:
            name, number = f"{own} ({number})", number + 1
        names.append(name)
    return tuple(names)


def describe_study(study: Study) -> dict[str, Any]:
    """Return what a result says of a study."""
    return {
        "study": study.mark,
        "sides": list(study.names),
        "trials": len(study.trials),
        "videos": [len(paths) for paths in study.files],
    }
