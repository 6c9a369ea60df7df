"""Callbacks of a run: its progress, its choices, and warnings."""

import dataclasses
from collections.abc import Callable, Mapping

from mocotool.training.distributed import Processes


def ignore(_told: object) -> None:
    """Listen to nothing."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class RunProgress:
    """Progress of one stage of a run."""

    stage: str
    """What is counted: "videos", "latents" for a basis and "frames decoded", then "steps" or
    "images"."""
    done: int
    """A resumed run begins where it was."""
    total: int | None = None
    """`None` where it is not known."""
    values: Mapping[str, float] | None = None
    """Losses and figures of the newest step; `None` before training."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Listeners:
    """The functions that a run tells things to; but for `warn_each`, the first process alone."""

    progress: Callable[[RunProgress], None]
    note: Callable[[str], None]
    warn: Callable[[str], None]
    warn_each: Callable[[str], None] | None = None
    """Told what may surprise in one process alone, such as a clip that only it reads; `None` for
    `warn`."""

    def only_of(self, processes: Processes) -> "Listeners":
        """Return these in the first process, and in the others some that ignore everything."""
        if processes.is_first:
            return self
        return Listeners(progress=ignore, note=ignore, warn=ignore, warn_each=self.warn)

    def count(self, stage: str, total: int | None = None) -> Callable[[int], None]:
        """Return a function to call with the number of things done since the last call."""
        done = 0

        def advance(number: int) -> None:
            nonlocal done
            done += number
            self.progress(RunProgress(stage=stage, done=done, total=total))

        return advance

    def follow(
        self, stage: str, total: int, *, begun: int
    ) -> Callable[[int, Mapping[str, float]], None]:
        """Return a function to call after each step, with what is done and the step's values.

        Args:
            stage: What is counted.
            total: How many in all.
            begun: How many the run begins with, which is told at once.
        """

        def tell(done: int, values: Mapping[str, float]) -> None:
            self.progress(RunProgress(stage=stage, done=done, total=total, values=values))

        tell(begun, {})
        return tell
