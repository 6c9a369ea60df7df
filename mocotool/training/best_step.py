"""Tracking of the best saved step, for early stopping."""

import math

from mocotool.training.run_files import LOG_NAME, read_log
from mocotool.training.run_folder import RunFolder


class BestStep:
    """Tracks which saved step has the lowest figure, those of a resumed run included.

    Args:
        run: The folder, whose metrics say how earlier steps did.
        figure: What is compared, such as "held_out".
    """

    def __init__(self, run: RunFolder, *, figure: str = "held_out") -> None:
        self.error = math.inf
        self.num_worse = 0
        """Saved steps since the best one."""
        rows = read_log(run.path) if (run.path / LOG_NAME).exists() else ()
        for step, row, _ in rows:
            if figure in row:
                self.take(step, row[figure])

    def take(self, step: int, error: float) -> bool:
        """Take a saved step's figure; tell whether it is the lowest so far.

        Where there is none, it is NaN, and the newest step counts as the best.
        """
        is_best = math.isnan(error) or error < self.error
        if is_best:
            self.error, self.num_worse = error if not math.isnan(error) else math.inf, 0
        else:
            self.num_worse += 1
        return is_best

    def is_long_ago(self, patience: int | None) -> bool:
        """Return whether the best step lies `patience` saves back; never where that is `None`."""
        return patience is not None and self.num_worse >= patience
