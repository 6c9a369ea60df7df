"""The training loop that all trainings share: steps, log, previews, saves, stop and resume."""

from collections.abc import Callable, Mapping
from typing import Protocol

from mocotool.errors import StoppedError
from mocotool.training.budget import Deadline
from mocotool.training.run_folder import RunFolder
from mocotool.training.stopping import Agreement, StopRequest

Say = Callable[[str], None]


class Schedule(Protocol):
    """The settings that the loop goes by."""

    @property
    def num_steps(self) -> int:
        """Steps in all."""

    @property
    def save_every(self) -> int:
        """Steps between saved states."""

    @property
    def log_every(self) -> int:
        """Steps between lines of metrics."""


class Trainer(Protocol):
    """Anything that takes training steps."""

    @property
    def config(self) -> Schedule:
        """Settings."""

    @property
    def step_idx(self) -> int:
        """Steps taken so far, those of the run that is resumed included."""

    def check_weights(self) -> None:
        """Raise `DivergedError` where weights are not worth saving."""


class Training:
    """A kind of training, as the loop sees it. What not every kind has does nothing here."""

    trainer: Trainer
    preview_every: int = 0
    """Steps between previews; 0 for none."""

    def step(self) -> dict[str, float]:
        """Take one step; return what to log of it."""
        raise NotImplementedError

    def save(self) -> None:
        """Write the result, then the state.

        In this order a kill between the two costs nothing: the resumed run writes both again.
        """
        raise NotImplementedError

    def watch(self, values: Mapping[str, float], warn: Say) -> None:
        """Warn of what a step's values say."""

    def measure(self, warn: Say) -> dict[str, float]:
        """Return figures that are worth their time when a save is due; warn of what they say."""
        return {}

    def save_preview(self) -> None:
        """Write pictures of the training so far; asked of the process that writes."""

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to learn before the last step."""
        return False

    @property
    def progress(self) -> str:
        """Progress of training, in words."""
        return f"{self.trainer.step_idx} steps"


def run_training(
    training: Training,
    run: RunFolder,
    *,
    on_step: Callable[[int, dict[str, float]], None],
    warn: Say,
    stop: StopRequest | None = None,
    deadline: Deadline | None = None,
) -> None:
    """Train until the configured number of steps.

    A run that is asked to stop saves at once, but measures nothing: what it logs, and which of its
    results is the best, is what an uninterrupted run would say.

    Args:
        training: What to train; may have been resumed.
        run: Where results, state and metrics go; opened.
        on_step: Called with the number of steps done and their values, beside the newest figures.
        warn: Called with what goes wrong.
        stop: Asked after each step, or where several processes train every second or fifth step.
        deadline: When the run has to end; it is saved then, and told that it was cut short.

    Raises:
        StoppedError: The run was asked to stop, and saved.
        DivergedError: A loss or a weight is NaN or infinite; the last saved state stays.
    """
    trainer, config = training.trainer, training.trainer.config
    figures: dict[str, float] = {}
    deadline = deadline or Deadline(None)
    agreement = Agreement(run.processes)
    while trainer.step_idx < config.num_steps and not training.is_over:
        values = training.step()
        step = trainer.step_idx
        on_step(step, figures | values)
        training.watch(values, warn)

        # processes agree on stopping, so that all of them save at the same step
        is_last = step >= config.num_steps
        is_due = is_last or step % config.save_every == 0
        is_asked, is_late = agreement.find_any(bool(stop), deadline.is_near())
        is_saved = is_due or is_asked or is_late
        if is_saved:
            trainer.check_weights()
        # a stop between two saves measures nothing: an uninterrupted run would not either
        if is_due:
            figures = training.measure(warn)
            values |= figures

        if is_due or step % config.log_every == 0:
            run.log(step, values)
        preview_every = training.preview_every
        if run.writes and preview_every and (is_last or step % preview_every == 0):
            training.save_preview()
        if is_saved:
            training.save()
        if is_asked and not is_last:
            raise StoppedError(
                f"{run.path}: stopped and saved after {training.progress}",
                hint="run the same command with --resume to continue",
            )
        if is_late and not is_last:
            deadline.has_cut = True
            return


class Alarms:
    """Says what is wrong once, and again only after it was right in between."""

    def __init__(self) -> None:
        self._standing: frozenset[str] = frozenset()

    def find_new(self, alarms: Mapping[str, str]) -> list[str]:
        """Take what is wrong now, name -> text; return the texts that were not there before."""
        new = [text for name, text in alarms.items() if name not in self._standing]
        self._standing = frozenset(alarms)
        return new
