"""Learning to move: the loop around `MotionTrainer`, with saving, previews and warnings."""

import time
from collections.abc import Callable

from torch import Tensor

from mocotool.devices import peak_memory_mb
from mocotool.errors import StoppedError
from mocotool.motion.generator import MotionGenerator
from mocotool.motion.trainer import Clips, MotionTrainer
from mocotool.motion.walk_figures import find_walk_alarms
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

    def update(self, step: int, values: dict[str, float]) -> str | None:
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
    config, watch = trainer.config, MotionWatch()
    alarmed: set[str] = set()
    while trainer.step_idx < config.num_steps:
        started = time.monotonic()
        values = trainer.step(next(clips))
        step = trainer.step_idx
        is_last = step == config.num_steps
        values |= {
            "seconds": time.monotonic() - started,
            "memory_mb": peak_memory_mb(trainer.device),
        }
        on_step(step, values)
        warning = watch.update(step, values)
        if warning is not None:
            warn(warning)
        if step % config.save_every == 0 or is_last:
            figures = trainer.measure_walks()
            values |= figures
            for name, alarm in find_walk_alarms(figures).items():
                if name not in alarmed:
                    warn(f"step {step}: {alarm}")
            alarmed = set(find_walk_alarms(figures))
        if step % config.log_every == 0 or is_last:
            run.log(step, values)
        is_preview = config.preview_every > 0 and (step % config.preview_every == 0 or is_last)
        if run.writes and is_preview:
            save_preview(trainer.preview(), step)
        asked = trainer.processes.any(bool(stop))
        if asked or step % config.save_every == 0 or is_last:
            save_state(trainer, clips, run)
            if run.writes:
                save_motion(trainer.averaged, step)
        if asked and not is_last:
            raise StoppedError(
                f"{run.path}: stopped and saved after {step} steps",
                hint="the same command with --resume goes on",
            )


def save_state(trainer: MotionTrainer, clips: Clips, run: RunFolder) -> None:
    """Write everything an exact resume needs.

    Raises:
        DivergedError: A weight is NaN or infinite; nothing is written.
    """
    trainer.check_weights()
    run.save_state({"trainer": trainer.state_dict(), "clips": clips.state_dict()})
