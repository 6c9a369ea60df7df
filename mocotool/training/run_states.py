"""The states that a training run keeps for an exact resume, so that a kill leaves a whole one.

::

    RUN/state.pt            the newest; state-previous.pt is the one before
    RUN/state-best.pt       that of the best step, where something says which it is
    RUN/states/             the newest ones by their steps, where more than two are kept
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from mocotool.errors import ConfigError, FileFormatError
from mocotool.files import atomic_path
from mocotool.training.run_files import (
    BEST_STATE_NAME,
    PREVIOUS_STATE_NAME,
    STATE_NAME,
    STATES_NAME,
)
from mocotool.weights.reading import read_checkpoint

KEPT_STATES = 2


class RunStates:
    """The states of one training run.

    Args:
        path: The run's folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def is_there(self) -> bool:
        """Whether one has been saved."""
        return any((self.path / name).exists() for name in (STATE_NAME, PREVIOUS_STATE_NAME))

    def save(
        self, state: dict[str, Any], *, keep: int, step: int | None = None, is_best: bool = False
    ) -> None:
        """Write a state, and remove those that are older than `keep` says.

        The one before stays as state-previous.pt. A kill at any moment leaves at least one whole
        state.

        Args:
            state: Everything an exact resume needs.
            keep: How many states stay, the newest one among them.
            step: Of the state, where older ones are kept by their steps.
            is_best: Whether to keep it as state-best.pt, however old it gets.

        Raises:
            ConfigError: It cannot be written, as on a full disk; the state before stays.
        """
        newest, previous = self.path / STATE_NAME, self.path / PREVIOUS_STATE_NAME
        with atomic_path(newest) as part:
            try:
                torch.save(state, part)
            except RuntimeError as error:  # how torch says that the disk is full
                raise ConfigError(
                    f"{newest}: cannot be written: {str(error).splitlines()[0]}",
                    hint=f"free some space; {self._tell_state_before(newest)}",
                ) from None
            if newest.exists() and keep > 1:
                _give_second_name(newest, previous)
        if keep == 1:
            previous.unlink(missing_ok=True)
        if is_best:
            _give_second_name(newest, self.path / BEST_STATE_NAME)
        self._keep_by_step(newest, step, keep=keep)

    def load(self, *, warn: Callable[[str], None]) -> dict[str, Any]:
        """Return the newest state that can be read.

        Args:
            warn: Called with a torn state that was skipped.

        Raises:
            FileFormatError: None can be read.
        """
        named = [self.path / name for name in (STATE_NAME, PREVIOUS_STATE_NAME)]
        for path in (*named, *self._list_by_step()):
            if not path.exists():
                continue
            state, problem = _read_state(path)
            if state is not None:
                return state
            warn(f"{path}: {problem}, skipped")
        raise FileFormatError(
            f"{self.path}: no state to resume from", hint="start another run in another folder"
        )

    def _keep_by_step(self, newest: Path, step: int | None, *, keep: int) -> None:
        """Give the newest state a name by its step, and remove those that are too old."""
        folder = self.path / STATES_NAME
        is_wanted = keep > KEPT_STATES and step is not None
        if is_wanted:
            folder.mkdir(exist_ok=True)
            _give_second_name(newest, folder / f"{step:08d}.pt")
        kept = keep if is_wanted else 0
        for path in self._list_by_step()[kept:]:
            path.unlink(missing_ok=True)

    def _list_by_step(self) -> list[Path]:
        """Return the states that are kept by their steps, newest first."""
        return sorted((self.path / STATES_NAME).glob("*.pt"), reverse=True)

    def _tell_state_before(self, newest: Path) -> str:
        if newest.exists():
            return "the state before is whole, and --resume continues from it"
        return "no state had been saved yet, and --resume begins anew"


def _give_second_name(path: Path, name: Path) -> None:
    """Let a file have another name too, in place of what had it; never a rename."""
    link = name.with_suffix(".link")
    link.unlink(missing_ok=True)
    try:
        os.link(path, link)
    except OSError:  # a file system without second names
        shutil.copyfile(path, link)
    link.replace(name)
    link.unlink(missing_ok=True)  # renaming onto the same file does nothing


def _read_state(path: Path) -> tuple[dict[str, Any] | None, str]:
    """Return the state in a file, or `None` and what is wrong with the file."""
    try:
        state = read_checkpoint(path)
    except FileFormatError as error:
        return None, str(error).removeprefix(f"{path}: ")
    return (state, "") if isinstance(state, dict) else (None, "not a training state")
