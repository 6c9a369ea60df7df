"""Time budgets of runs: what fits into a span of wall time, and when a run has to end."""

import time
from collections.abc import Callable, Iterable
from typing import TypeVar

C = TypeVar("C")

SHARE = 0.8  # of the time left goes to steps; saves, figures and surprises have the rest
RESERVE = 1.5  # longest stretches between two looks at the clock, kept for saving
NUM_SAVES = 8


class Deadline:
    """When a run has to end, counted from now.

    Args:
        seconds: How long it may take; `None` for no limit.
        clock: Tells seconds.
    """

    def __init__(
        self, seconds: float | None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._end = None if seconds is None else clock() + seconds
        self._looked: float | None = None
        self._longest = 0.0
        self.has_cut = False
        """Whether a run ended before its last step for want of time."""

    @property
    def left(self) -> float:
        """Seconds left; infinite where there is no end."""
        return float("inf") if self._end is None else self._end - self._clock()

    def is_near(self) -> bool:
        """Return whether another step and a save might not fit any more; asked once per step."""
        if self._end is None:
            return False
        now = self._clock()
        if self._looked is not None:
            self._longest = max(self._longest, now - self._looked)
        self._looked = now
        return now + RESERVE * self._longest > self._end

    def tell_cut(self, note: Callable[[str], None], *, reached: str) -> None:
        """Tell what a run had `reached` where the time did not allow more, and how it goes on."""
        if self.has_cut:
            note(
                f"the time is used up: saved after {reached}, the same command with --resume "
                "goes on"
            )


def choose_within(
    choices: Iterable[C],
    deadline: Deadline,
    *,
    wanted: Callable[[C], float],
    measure: Callable[[C], float],
) -> tuple[C, int]:
    """Choose the first of some sizes of which enough steps fit into the time left.

    Args:
        choices: What there is, the best first; one at least.
        deadline: Knows how much time is left; measuring takes some of it.
        wanted: Steps of a choice that are worth it.
        measure: Returns the seconds of a step of a choice.

    Returns:
        The choice, the last one where of none enough fit, and how many of its steps fit.
    """
    chosen: tuple[C, int] | None = None
    for choice in choices:
        seconds = measure(choice)
        chosen = choice, count_steps(seconds, deadline.left)
        if chosen[1] >= wanted(choice):
            break
    assert chosen is not None
    return chosen


def count_steps(seconds: float, left: float) -> int:
    """Return how many steps of some seconds fit into those left, saves and figures beside them."""
    return max(1, int(SHARE * left / max(seconds, 1e-6)))


def spread_saves(num_steps: int) -> int:
    """Return how many steps apart a handful of saves lie in a run."""
    return max(1, num_steps // NUM_SAVES)
