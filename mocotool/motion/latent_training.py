"""Training on trajectories: `LatentMotionTrainer` in the training loop, with its alarms."""

import time
from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Tensor

from mocotool.generators.base import Generator
from mocotool.motion.guided import GuidedMotion
from mocotool.motion.latent_clips import LatentWindows
from mocotool.motion.latent_game import LatentMotionTrainer
from mocotool.motion.walk_figures import NUM_CONTENTS, find_walk_alarms, measure_walks
from mocotool.training.best_step import BestStep
from mocotool.training.budget import Deadline
from mocotool.training.loop import Alarms, Say, Training, run_training
from mocotool.training.randomness import derive_rng
from mocotool.training.run_folder import RunFolder
from mocotool.training.stopping import StopRequest

FROZEN_BELOW, WILD_ABOVE = 0.3, 3.0  # of the real steps' energy
NUM_RENDERED, NUM_FRAMES = 64, 4  # clips, and frames of each, that say how lively motion is
RENDER_BATCH = 32
LEAST_CHANGE = 1e-4  # of a clip that stands still, in units of [-1, 1]
CALM, SEE_CONTENT = "raise --set pull", "train for longer, or on more clips"
NUM_TRIES = 4
NUM_SHIFTS = 10
GAIN_RANGE = (0.2, 5.0)


Judge = Callable[[GuidedMotion], Mapping[str, float]]


class SaveMotion(Protocol):
    """Writes a motion model."""

    def __call__(self, motion: GuidedMotion, step: int, *, is_best: bool) -> None:
        """Write the model of a step."""


def train_latent_motion(
    trainer: LatentMotionTrainer,
    run: RunFolder,
    *,
    save_motion: SaveMotion,
    on_step: Callable[[int, dict[str, float]], None],
    warn: Callable[[str], None],
    stop: StopRequest,
    judge: Judge | None = None,
    deadline: Deadline | None = None,
) -> None:
    """Train until the configured number of steps.

    Args:
        trainer: What to train; may have been resumed.
        run: Where state and metrics go.
        save_motion: Writes the averaged motion model of a step, and is told whether it is the best.
        on_step: Called with the number of steps done and their figures.
        warn: Called at each save with what is wrong with the motion, and what to change.
        stop: Asked after each step.
        judge: Renders walks of the averaged model at each save and returns figures of them.
        deadline: When the run has to end.

    Raises:
        StoppedError: The run was asked to stop, and saved.
        DivergedError: A loss is NaN or infinite; the last saved state stays.
    """
    training = LatentMotionTraining(trainer, run, save_motion=save_motion, judge=judge)
    run_training(training, run, on_step=on_step, warn=warn, stop=stop, deadline=deadline)


class LatentMotionTraining(Training):
    """A trainer on latents, as the loop sees it; arguments as in `train_latent_motion`."""

    def __init__(
        self,
        trainer: LatentMotionTrainer,
        run: RunFolder,
        *,
        save_motion: SaveMotion,
        judge: Judge | None = None,
    ) -> None:
        self.trainer: LatentMotionTrainer = trainer
        self.run = run
        self._write_motion, self._judge = save_motion, judge
        self._best, self._is_best = BestStep(run), False
        self._alarms = Alarms()

    @property
    def is_over(self) -> bool:
        """Whether the held-out score has stalled for as long as is allowed."""
        return self._best.is_long_ago(self.trainer.config.patience)

    def step(self) -> dict[str, float]:
        """Take one step of all networks; return its figures and its time."""
        self._is_best = False
        started = time.monotonic()
        return self.trainer.step() | {"seconds": time.monotonic() - started}

    def measure(self, warn: Say) -> dict[str, float]:
        """Return the score of held-out clips, and what can be said of walks."""
        figures = measure_progress(self.trainer)
        if self._judge is not None:
            # How lively it is here says little: what is saved is made as lively as real clips.
            unsaid = {"held_out", "liveliness"}
            seen = self._judge(self.trainer.averaged)
            figures |= {name: value for name, value in seen.items() if name not in unsaid}
        for alarm in self._alarms.find_new(find_alarms(figures)):
            warn(f"step {self.trainer.step_idx}: {alarm}")
        self._is_best = self._best.take(self.trainer.step_idx, figures["held_out"])
        return figures

    def save(self) -> None:
        """Write the averaged motion model, then everything an exact resume needs."""
        self._write_motion(self.trainer.averaged, self.trainer.step_idx, is_best=self._is_best)
        self.trainer.save(self.run, is_best=self._is_best)


@torch.no_grad()
def measure_progress(trainer: LatentMotionTrainer) -> dict[str, float]:
    """Measure the averaged model; nothing is rendered.

    Returns:
        "held_out" and "content_gain" of held-out clips, see `LatentMotionTrainer.measure_held_out`;
        "walk_energy", that of drawn steps in units of real ones'; and what `measure_walks` says.
    """
    config, motion = trainer.config, trainer.averaged
    rng = derive_rng(config.seed, "watch")
    first = motion.from_coords(trainer.pool[:NUM_CONTENTS])
    walks = motion(first, motion.draw_noise(len(first), config.num_frames, rng=rng))
    return {
        **trainer.measure_held_out(),
        "walk_energy": trainer.measure_energy(walks),
        **measure_walks(motion, first, num_frames=config.num_frames, rng=rng),
    }


def find_alarms(figures: dict[str, float]) -> dict[str, str]:
    """Return what is wrong with motion, by name, each with what to change."""
    energy = figures["walk_energy"]
    told = f"motion has {energy:.2g} times the energy of real clips; "
    alarms = find_walk_alarms(figures, calm=CALM, see_content=SEE_CONTENT)
    if energy < FROZEN_BELOW:
        alarms["frozen"] = told + "raise --num-steps"
    if energy > WILD_ABOVE:
        alarms["wild"] = told + "lower --learning-rate"
    return alarms


@torch.no_grad()
def remove_common_drift(motion: GuidedMotion, first: Tensor, *, seed: int = 0) -> float:
    """Shift a model's coefficients until walks of all contents together go nowhere.

    Where everybody goes is nobody's motion, and training leaves some of it: what a picture shows
    of a step that all walks share is little.

    Args:
        motion: The model; the bias of its coefficients is changed.
        first: Drawn first latents, [n, latent_dim].
        seed: Of the noise.

    Returns:
        How far the mean walk still goes, of how far it went.
    """
    noise = motion.draw_noise(len(first), motion.num_frames, rng=derive_rng(seed, "drift"))
    reach = motion.step_size * motion.gain * max(1, motion.num_frames - 1)
    lengths = []
    for _ in range(NUM_SHIFTS + 1):
        walks = motion.to_coords(motion(first, noise)[:, [0, -1]])
        drift = (walks[:, 1] - walks[:, 0]).mean(dim=0)  # [k]
        lengths.append(float(drift.norm()))
        if len(lengths) <= NUM_SHIFTS:
            motion.coefficient_bias.sub_(drift / reach)
    return lengths[-1] / max(lengths[0], 1e-9)


@torch.no_grad()
def match_liveliness(
    motion: GuidedMotion,
    generator: Generator,
    clips: LatentWindows,
    *,
    share: float = 1.0,
    seed: int = 0,
) -> float:
    """Set a model's gain so that its pictures change as much as those of real clips.

    Args:
        motion: The model; its `gain` is changed.
        generator: The generator.
        clips: The real clips.
        share: Which multiple of their liveliness is wanted.
        seed: Of places in clips, first latents and noise.

    Returns:
        The gain.
    """
    rng = derive_rng(seed, "liveliness")
    window = clips.draw(NUM_RENDERED, min(NUM_FRAMES, clips.coords.shape[1]), rng=rng)
    real = _measure_changes(generator, motion.from_coords(window.coords)) / window.kept
    wanted = share * float(real.mean())

    # Short pieces of many walks say more than all steps of a few, at the same price.
    z = torch.randn(NUM_RENDERED, generator.z_dim, generator=rng).to(generator.device)
    first = generator.mapping(z).float().to(motion.device)
    noise = motion.draw_noise(NUM_RENDERED, motion.num_frames, rng=rng)
    num_frames = min(NUM_FRAMES, motion.num_frames)
    places = torch.randint(motion.num_frames - num_frames + 1, (NUM_RENDERED,), generator=rng)
    shown = places[:, None] + torch.arange(num_frames)  # [n, t]
    motion.gain = 1.0
    for _ in range(NUM_TRIES):
        walks = motion(first, noise)
        pieces = walks[torch.arange(NUM_RENDERED)[:, None], shown]
        found = float(_measure_changes(generator, pieces).mean())
        gain = motion.gain * wanted / max(found, LEAST_CHANGE)
        motion.gain = min(max(gain, GAIN_RANGE[0]), GAIN_RANGE[1])
    return motion.gain


def _measure_changes(generator: Generator, walks: Tensor) -> Tensor:
    """Return each walk's mean absolute difference of neighbouring frames, [n]."""
    n, t, _ = walks.shape
    latents = walks.flatten(0, 1).to(generator.device)
    img = torch.cat(
        [generator.synthesis(part).clamp(-1, 1) for part in latents.split(RENDER_BATCH)]
    )
    changes: Tensor = img.unflatten(0, (n, t)).diff(dim=1).abs()
    return changes.mean(dim=(1, 2, 3, 4)).cpu()
