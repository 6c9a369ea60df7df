"""Training on videos: `MotionTrainer` in the training loop, with its files and alarms."""

import time
from collections.abc import Callable, Mapping

from torch import Tensor

from mocotool.devices import peak_memory_mb
from mocotool.motion.generator import MotionGenerator
from mocotool.motion.trainer import Clips, MotionTrainer
from mocotool.motion.walk_figures import find_walk_alarms
from mocotool.training.best_step import BestStep
from mocotool.training.budget import Deadline
from mocotool.training.loop import Alarms, Say, Training, run_training
from mocotool.training.run_folder import RunFolder
from mocotool.training.stopping import StopRequest

FROZEN_BELOW = 0.02  # of the real clips' motion
WILD_ABOVE = 10.0
WATCH_STEPS = 50  # a new model hardly moves; let it begin


Judge = Callable[[MotionGenerator], Mapping[str, float]]


class MotionWatch:
    """Warns of motion that dies away or explodes, once until it recovers."""

    def __init__(self) -> None:
        self.ratio: float | None = None
        self.told = False

    def update(self, step: int, values: Mapping[str, float]) -> str | None:
        """Take a step's figures; return a warning where there is something new to say."""
        ratio = values["motion_generated"] / max(values["motion_real"], 1e-6)
        self.ratio = ratio if self.ratio is None else 0.9 * self.ratio + 0.1 * ratio
        is_odd = not FROZEN_BELOW <= self.ratio <= WILD_ABOVE
        is_due = is_odd and not self.told and step >= WATCH_STEPS
        self.told = is_odd and (self.told or is_due)
        if not is_due:
            return None
        is_frozen = self.ratio < FROZEN_BELOW
        what = "has almost stopped" if is_frozen else "is far too strong"
        change = "raise --step-size" if is_frozen else "lower --step-size or --learning-rate"
        return (
            f"step {step}: generated motion {what}, {self.ratio:.3g} times that of the real clips "
            f"({values['motion_generated']:.3g} against {values['motion_real']:.3g}); {change}"
        )


def train_motion(
    trainer: MotionTrainer,
    clips: Clips,
    run: RunFolder,
    *,
    save_motion: Callable[[MotionGenerator, int], None],
    save_preview: Callable[[Tensor, int], object],
    on_step: Callable[[int, dict[str, float]], None],
    warn: Callable[[str], None],
    stop: StopRequest,
    judge: Judge | None = None,
    save_best: Callable[[MotionGenerator, int], None] | None = None,
    deadline: Deadline | None = None,
) -> None:
    """Train until the configured number of steps.

    Args:
        trainer: What to train; may have been resumed.
        clips: Real clips, at the trainer's place.
        run: Where state and metrics go.
        save_motion: Writes the averaged motion model of a step.
        save_preview: Writes preview videos, uint8 [n, t, h, w, 3], of a step.
        on_step: Called with the number of steps done and their figures.
        warn: Called with what is wrong with the motion, and what to change.
        stop: Asked after each step.
        judge: Renders walks of the averaged model at each save and returns figures of them; by
            "held_out" the best step is chosen, and patience ends.
        save_best: Writes the averaged motion model of the best step so far.
        deadline: When the run has to end.

    Raises:
        StoppedError: The run was asked to stop, and saved.
        DivergedError: A loss is NaN or infinite; the last saved state stays.
    """
    training = MotionTraining(
        trainer,
        clips,
        run,
        save_motion=save_motion,
        save_preview=save_preview,
        judge=judge,
        save_best=save_best,
    )
    run_training(training, run, on_step=on_step, warn=warn, stop=stop, deadline=deadline)


class MotionTraining(Training):
    """A motion trainer, as the loop sees it; arguments as in `train_motion`."""

    def __init__(
        self,
        trainer: MotionTrainer,
        clips: Clips,
        run: RunFolder,
        *,
        save_motion: Callable[[MotionGenerator, int], None],
        save_preview: Callable[[Tensor, int], object],
        judge: Judge | None = None,
        save_best: Callable[[MotionGenerator, int], None] | None = None,
    ) -> None:
        self.trainer: MotionTrainer = trainer
        self.clips, self.run = clips, run
        self.preview_every = trainer.config.preview_every
        self._write_motion, self._write_preview = save_motion, save_preview
        self._judge = judge if run.writes else None
        self._write_best = save_best
        self._watch, self._alarms = MotionWatch(), Alarms()
        self._best, self._is_best = BestStep(run), False

    @property
    def is_over(self) -> bool:
        """Whether the held-out figure has stalled for as long as is allowed."""
        patience = self.trainer.config.patience
        # Only the first process measures; all have to end together.
        return patience is not None and self.run.processes.any(self._best.is_long_ago(patience))

    def step(self) -> dict[str, float]:
        """Take one step of the whole recipe; return its figures, time and memory."""
        self._is_best = False
        started = time.monotonic()
        values = self.trainer.step(next(self.clips))
        return values | {
            "seconds": time.monotonic() - started,
            "memory_mb": peak_memory_mb(self.trainer.device),
        }

    def watch(self, values: Mapping[str, float], warn: Say) -> None:
        """Warn of motion that dies away or explodes."""
        warning = self._watch.update(self.trainer.step_idx, values)
        if warning is not None:
            warn(warning)

    def measure(self, warn: Say) -> dict[str, float]:
        """Return what can be said of walks, and write the averaged model if none was better."""
        figures = self.trainer.measure_walks()
        if self._judge is not None:
            figures |= self._judge(self.trainer.averaged)
            self._is_best = self._best.take(self.trainer.step_idx, figures["held_out"])
            if self._is_best and self._write_best is not None:
                self._write_best(self.trainer.averaged, self.trainer.step_idx)
        for alarm in self._alarms.find_new(find_walk_alarms(figures)):
            warn(f"step {self.trainer.step_idx}: {alarm}")
        return figures

    def save_preview(self) -> None:
        """Write videos of fixed seeds."""
        self._write_preview(self.trainer.preview(), self.trainer.step_idx)

    def save(self) -> None:
        """Write the averaged motion model, then everything an exact resume needs."""
        if self.run.writes:
            self._write_motion(self.trainer.averaged, self.trainer.step_idx)
        self.trainer.save(self.run, self.clips, is_best=self._is_best)
