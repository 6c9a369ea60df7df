"""Training on videos: `MotionTrainer` in the loop, with its files and what it watches for."""

import time
from collections.abc import Callable, Mapping

from torch import Tensor

from mocotool.devices import peak_memory_mb
from mocotool.motion.generator import MotionGenerator
from mocotool.motion.trainer import Clips, MotionTrainer
from mocotool.motion.walk_figures import find_walk_alarms
from mocotool.training.loop import Alarms, Say, Training, run_training
from mocotool.training.run_folder import RunFolder
from mocotool.training.stopping import StopRequest

FROZEN_BELOW = 0.02  # of the real clips' motion
WILD_ABOVE = 10.0
WATCH_STEPS = 50  # a new model hardly moves; let it begin


class MotionWatch:
    """Notices motion that dies away or explodes; says it once until it recovers."""

    def __init__(self) -> None:
        self.ratio: float | None = None
        self.told = False

    def update(self, step: int, values: Mapping[str, float]) -> str | None:
        """Take a step's figures; return a warning where there is something new to say."""
        ratio = values["motion_generated"] / max(values["motion_real"], 1e-6)
        self.ratio = ratio if self.ratio is None else 0.9 * self.ratio + 0.1 * ratio
        is_odd = not FROZEN_BELOW <= self.ratio <= WILD_ABOVE
        is_news = is_odd and not self.told and step >= WATCH_STEPS
        self.told = is_odd and (self.told or is_news)
        if not is_news:
            return None
        what = "has almost stopped" if self.ratio < FROZEN_BELOW else "is far too strong"
        return (
            f"step {step}: generated motion {what}, {self.ratio:.3g} times that of the real clips "
            f"({values['motion_generated']:.3g} against {values['motion_real']:.3g})"
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
) -> None:
    """Train until the configured number of steps.

    Args:
        trainer: What to train; may have been resumed.
        clips: Real clips, at the trainer's place.
        run: Where state and metrics go.
        save_motion: Writes the averaged motion model of a step.
        save_preview: Writes preview videos, uint8 [n, t, h, w, 3], of a step.
        on_step: Told the number of steps done and their figures.
        warn: Told of motion that dies away or explodes.
        stop: Asked after each step.

    Raises:
        StoppedError: The run was asked to stop, and saved.
        DivergedError: A loss is NaN or infinite; the last saved state stays.
    """
    training = MotionTraining(
        trainer, clips, run, save_motion=save_motion, save_preview=save_preview
    )
    run_training(training, run, on_step=on_step, warn=warn, stop=stop)


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
    ) -> None:
        self.trainer: MotionTrainer = trainer
        self.clips, self.run = clips, run
        self.preview_every = trainer.config.preview_every
        self._write_motion, self._write_preview = save_motion, save_preview
        self._watch, self._alarms = MotionWatch(), Alarms()

    def step(self) -> dict[str, float]:
        """Take one step of the whole recipe; return its figures, time and memory."""
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
        """Return what can be said of walks without rendering."""
        figures = self.trainer.measure_walks()
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
        self.trainer.save(self.run, self.clips)
