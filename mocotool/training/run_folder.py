"""A training run's folder: configuration, state for an exact resume, losses, previews.

::

    RUN/config.json         what was asked for
    RUN/state.pt            everything an exact resume needs; state-previous.pt is the one before
    RUN/metrics.jsonl       one JSON object a logged step
    RUN/samples/            previews of fixed seeds
    RUN/tensorboard/        the same numbers, if the tensorboard package is there
    RUN/*.safetensors       the newest result, ready for the other commands
"""

import dataclasses
import json
import math
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from mocotool.errors import ConfigError, FileFormatError, MismatchError
from mocotool.files import atomic_path
from mocotool.provenance import current_command, tool_version

STATE_NAME = "state.pt"
PREVIOUS_STATE_NAME = "state-previous.pt"

# Settings that may change between a run and its continuation: they do not touch the mathematics.
FREE_ON_RESUME = frozenset({"num_steps", "num_images", "save_every", "preview_every", "log_every"})


class RunFolder:
    """The folder of one training run.

    Args:
        path: The folder; made if it is not there.
        writes: Whether this process writes (the first of several does).
    """

    def __init__(self, path: Path, *, writes: bool = True) -> None:
        self.path = path
        self.writes = writes
        self._tensorboard: Any = None

    def open(self, config: Any, *, resume: bool) -> None:
        """Prepare the folder for a new run, or check that a run can go on in it.

        Args:
            config: The command's configuration, a dataclass.
            resume: Whether to go on with the run that is there.

        Raises:
            ConfigError: There is a run already and `resume` is off, or none and it is on.
            MismatchError: The run there was made with other settings.
        """
        has_run = (self.path / "config.json").exists()
        if has_run and not resume:
            raise ConfigError(
                f"{self.path}: holds a run already",
                hint="add --resume to go on, or choose another folder",
            )
        if resume and not has_run:
            raise ConfigError(
                f"{self.path}: no run to resume", hint="leave --resume out to start one"
            )
        if has_run:
            self._check_same(config)
        if self.writes:
            try:
                (self.path / "samples").mkdir(parents=True, exist_ok=True)
                self._write_config(config)
            except OSError as error:
                raise ConfigError(f"{self.path}: cannot be written: {error.strerror}") from None

    def _write_config(self, config: Any) -> None:
        record = {
            "version": tool_version(),
            "command": current_command(),
            "config": dataclasses.asdict(config),
        }
        with atomic_path(self.path / "config.json") as part:
            part.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")

    def _check_same(self, config: Any) -> None:
        path = self.path / "config.json"
        try:
            old = json.loads(path.read_text(encoding="utf-8"))["config"]
        except (OSError, ValueError, KeyError, TypeError):
            raise FileFormatError(f"{path}: not a run's configuration") from None
        new = json.loads(json.dumps(dataclasses.asdict(config)))
        changed = [
            f"{name} was {old.get(name)!r}, now {value!r}"
            for name, value in new.items()
            if name not in FREE_ON_RESUME and old.get(name) != value
        ]
        if changed:
            raise MismatchError(
                f"{self.path}: the run was started with other settings: {'; '.join(changed)}",
                hint="resume with the same options, or start another run",
            )

    def save_state(self, state: dict[str, Any]) -> None:
        """Write the state for an exact resume; the one before stays as state-previous.pt.

        A kill at any moment leaves at least one whole state.
        """
        if not self.writes:
            return
        newest, previous = self.path / STATE_NAME, self.path / PREVIOUS_STATE_NAME
        with atomic_path(newest) as part:
            torch.save(state, part)
            if newest.exists():
                # A second name, not a rename: state.pt is never missing.
                link = previous.with_suffix(".link")
                link.unlink(missing_ok=True)
                os.link(newest, link)
                link.replace(previous)

    def load_state(self, *, warn: Callable[[str], None]) -> dict[str, Any]:
        """Return the newest state that can be read.

        Args:
            warn: Told of a torn state that was skipped.

        Raises:
            FileFormatError: None can be read.
        """
        for name in (STATE_NAME, PREVIOUS_STATE_NAME):
            path = self.path / name
            if not path.exists():
                continue
            try:
                state = torch.load(path, map_location="cpu", weights_only=True)
            except (
                OSError,
                RuntimeError,
                EOFError,
                pickle.UnpicklingError,
                zipfile.BadZipFile,
            ) as error:
                warn(f"{path}: torn or damaged ({type(error).__name__}), skipped")
                continue
            if isinstance(state, dict):
                return state
            warn(f"{path}: not a training state, skipped")
        raise FileFormatError(
            f"{self.path}: no state to resume from", hint="start another run; this one never saved"
        )

    def log(self, step: int, values: dict[str, float]) -> None:
        """Append one line to metrics.jsonl, and to TensorBoard where it is installed.

        Infinite and missing numbers are written as null, which JSON can hold.
        """
        if not self.writes:
            return
        row = {"step": step} | {
            name: value if math.isfinite(value) else None for name, value in values.items()
        }
        with (self.path / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        board = self._open_tensorboard()
        if board is not None:
            for name, value in values.items():
                board.add_scalar(name, value, step)

    def drop_log_after(self, step: int) -> None:
        """Forget logged steps past `step`: a resumed run will log them again."""
        path = self.path / "metrics.jsonl"
        if not self.writes or not path.exists():
            return
        kept = []
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                if json.loads(line)["step"] <= step:
                    kept.append(line)
            except (ValueError, KeyError, TypeError):
                continue  # the line a kill tore
        with atomic_path(path) as part:
            part.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")

    def sample_path(self, step: int, suffix: str) -> Path:
        """Return where the preview of a step goes."""
        return self.path / "samples" / f"{step:08d}{suffix}"

    def _open_tensorboard(self) -> Any:
        if self._tensorboard is None:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                self._tensorboard = False
            else:
                self._tensorboard = SummaryWriter(self.path / "tensorboard")
        return self._tensorboard or None
