"""A training run's folder: configuration, state for an exact resume, losses, previews.

::

    RUN/config.json         what was asked for, from which files, on what machine
    RUN/state.pt            everything an exact resume needs; state-previous.pt is the one before
    RUN/state-best.pt       that of the best step, where something says which it is
    RUN/states/             the newest ones by their steps, where more than two are kept
    RUN/metrics.jsonl       one JSON object a logged step
    RUN/samples/            previews of fixed seeds
    RUN/tensorboard/        the same numbers, if the tensorboard package is there
    RUN/*.safetensors       the newest result, ready for the other commands

A kill at any moment leaves a folder that --resume continues from.
"""

import contextlib
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from mocotool.errors import ConfigError, FileFormatError
from mocotool.files import atomic_path, check_output_name
from mocotool.provenance import current_command
from mocotool.training.distributed import Processes
from mocotool.training.run_files import (
    CONFIG_NAME,
    LOG_NAME,
    STATES_NAME,
    read_config,
    read_log,
)
from mocotool.training.run_lock import RunLock
from mocotool.training.run_record import continue_record, make_record, name_launch
from mocotool.training.run_states import KEPT_STATES, RunStates


class RunFolder:
    """The folder of one training run.

    Args:
        path: The folder; made if it is not there.
        processes: This process among those that train together; the first one writes.
    """

    def __init__(self, path: Path | str, *, processes: Processes | None = None) -> None:
        self.path = path = Path(path)
        self.processes = processes or Processes()
        self.command = current_command()
        """The command that began the run."""
        self.keep = KEPT_STATES
        """How many states stay, the newest one among them."""
        self._record: dict[str, Any] | None = None
        self._tensorboard: Any = None
        self._states = RunStates(path)
        self._lock = RunLock(path)

    @property
    def writes(self) -> bool:
        """Whether this process writes into the folder."""
        return self.processes.is_first

    @property
    def has_state(self) -> bool:
        """Whether a state has been saved; a run killed before its first one begins anew."""
        return self._states.is_there

    def open(
        self,
        config: Any,
        *,
        resume: bool,
        inputs: Mapping[str, Mapping[str, Any] | None] | None = None,
        machine: Mapping[str, Any] | None = None,
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Prepare the folder for a new run, or check that a run can go on in it.

        Args:
            config: The command's configuration, a dataclass.
            resume: Whether to go on with the run that is there.
            inputs: Name -> what was read, `None` for nothing. Where it has a "sha256", a resumed
                run must have the same.
            machine: What the run computes on; a resumed run that differs is warned, because its
                numbers will be rounded otherwise.
            warn: Called with such differences.

        Raises:
            ConfigError: There is a run already and `resume` is off, or none and it is on; another
                process trains there; or the folder cannot be written.
            FileFormatError: The run's configuration cannot be read.
            MismatchError: The run there was made with other settings or from other files.
        """
        record = make_record(config, command=self.command, inputs=inputs, machine=machine)
        self.keep = getattr(config, "keep", KEPT_STATES)

        try:
            self.check_place(resume=resume)
            if self.writes:
                self.path.mkdir(parents=True, exist_ok=True)
                self._lock.take()
                self.check_place(resume=resume)  # another may have come first
            if resume:
                record = continue_record(
                    read_config(self.path), record, type(config), path=self.path, warn=warn
                )
                self.command = record["command"]
            if (launch := name_launch()) is not None:
                record["launch"] = launch
            self.processes.barrier()  # all have looked before the first one writes
            if self.writes:
                (self.path / "samples").mkdir(parents=True, exist_ok=True)
                self._drop_leftovers()
                self._record = record
                if not resume:  # else once `restore` has found that the run can go on
                    self._write_record()
            self.processes.barrier()
        except OSError as error:
            raise ConfigError(f"{self.path}: cannot be written: {error.strerror}") from None

    def _write_record(self) -> None:
        """Write config.json, if `open` left it to be written."""
        if self._record is not None:
            with atomic_path(self.path / CONFIG_NAME) as part:
                part.write_text(json.dumps(self._record, indent=2) + "\n", encoding="utf-8")
        self._record = None

    @property
    def is_restarted(self) -> bool:
        """Whether `torchrun` has started this run again after one of its processes died.

        All processes have to ask: on a machine that came back none has been started again.
        """
        restarts = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        is_here = (self.path / CONFIG_NAME).exists()
        return self.processes.any(is_here and (restarts != "0" or self._is_of_this_launch()))

    def _is_of_this_launch(self) -> bool:
        """Whether the run was begun under the same --rdzv-id, if that says anything."""
        with contextlib.suppress(OSError, ValueError, RecursionError):
            record = json.loads((self.path / CONFIG_NAME).read_text(encoding="utf-8"))
            launch = name_launch()
            return launch is not None and record.get("launch") == launch
        return False

    def check_place(self, *, resume: bool) -> None:
        """Check early that a run can begin here, or go on.

        Raises:
            ConfigError: There is a run already and `resume` is off, or none and it is on; or the
                place cannot hold a folder.
        """
        check_output_name(self.path)
        try:
            if self.path.exists() and not self.path.is_dir():
                raise ConfigError(f"{self.path}: is a file, expected the name of a folder")
            has_run = (self.path / CONFIG_NAME).exists()
            lowest = next(place for place in (self.path, *self.path.parents) if place.exists())
        except OSError as error:
            raise ConfigError(f"{self.path}: cannot be read: {error.strerror}") from None
        if self.writes and not os.access(lowest, os.W_OK):
            raise ConfigError(f"{self.path}: no permission to write into {lowest}")
        if resume and not has_run:
            raise ConfigError(
                f"{self.path}: no run to resume", hint="leave --resume out to start one"
            )
        if has_run and not resume:
            raise ConfigError(
                f"{self.path}: already holds a run",
                hint="add --resume to continue, or choose another folder",
            )
        if self.has_state and not resume:
            raise ConfigError(
                f"{self.path}: holds the state of a run whose {CONFIG_NAME} is missing",
                hint="choose another folder",
            )

    def _drop_leftovers(self) -> None:
        """Remove the temporary files of a process that was killed while it wrote."""
        for folder in (self.path, self.path / "samples", self.path / STATES_NAME):
            for leftover in (*folder.glob(".*.part*"), *folder.glob("*.link")):
                leftover.unlink(missing_ok=True)

    def save_state(
        self, state: dict[str, Any], *, step: int | None = None, is_best: bool = False
    ) -> None:
        """Write the state for an exact resume, if this process writes; see `RunStates.save`."""
        if self.writes:
            self._states.save(state, keep=self.keep, step=step, is_best=is_best)

    def restore(
        self, load: Callable[[dict[str, Any]], None], *, warn: Callable[[str], None]
    ) -> None:
        """Go on from the newest state, or begin anew where none was saved.

        From here on config.json says that the run was resumed.

        Args:
            load: Takes the state over.
            warn: Called with a damaged state that was skipped, or that the run begins anew.

        Raises:
            FileFormatError: There are states, but none can be read, or it is not one of this run.
            MismatchError: `load` found that it belongs to other data.
        """
        if not self.has_state:
            warn(f"{self.path}: nothing was saved yet, the run begins anew")
            self._write_record()
            return
        state = self.load_state(warn=warn)
        with self.expected_state():
            load(state)
        self._write_record()

    @contextlib.contextmanager
    def expected_state(self) -> Iterator[None]:
        """Name this folder where the block, which goes on from its state, finds something else.

        Raises:
            FileFormatError: The state lacks something, or something in it does not fit.
        """
        try:
            yield
        except torch.OutOfMemoryError:
            raise  # which says nothing against the state
        except (KeyError, RuntimeError, ValueError) as error:
            problem = str(error).splitlines()[0]
            raise FileFormatError(f"{self.path}: not a state of this run: {problem}") from None

    def load_state(self, *, warn: Callable[[str], None]) -> dict[str, Any]:
        """Return the newest state that can be read; see `RunStates.load`."""
        return self._states.load(warn=warn)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Append one line to metrics.jsonl, and to TensorBoard where it is installed.

        Infinite and missing numbers are written as null, which JSON can hold.
        """
        if not self.writes:
            return
        row = {"step": step} | {
            name: value if math.isfinite(value) else None for name, value in values.items()
        }
        path = self.path / LOG_NAME
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        except OSError as error:
            raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None
        board = self._open_tensorboard()
        if board is not None:
            for name, value in values.items():
                board.add_scalar(name, value, step)

    def drop_log_after(self, step: int) -> None:
        """Forget logged steps past `step`: a resumed run will log them again."""
        path = self.path / LOG_NAME
        if not self.writes or not path.exists():
            return
        kept = [line for logged, _, line in read_log(self.path) if logged <= step]
        with atomic_path(path) as part:
            part.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")

    def sample_path(self, step: int, suffix: str) -> Path:
        """Return where the preview of a step goes."""
        return self.path / "samples" / f"{step:08d}{suffix}"

    def close(self) -> None:
        """Write out what TensorBoard still holds; the files of the run need no closing."""
        if self._tensorboard:
            self._tensorboard.close()
        self._tensorboard = None
        self._lock.release()

    def _open_tensorboard(self) -> Any:
        if self._tensorboard is None:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                self._tensorboard = False
            else:
                self._tensorboard = SummaryWriter(self.path / "tensorboard")
        return self._tensorboard or None
