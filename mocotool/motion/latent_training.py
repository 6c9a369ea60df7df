"""Learning from trajectories: the loop around `LatentMotionTrainer`, and what it watches for."""

import time
from collections.abc import Callable

import torch
from torch import Tensor

from mocotool.errors import StoppedError
from mocotool.generators.base import Generator
from mocotool.motion.displacement import split_displacement
from mocotool.motion.generator import MotionGenerator
from mocotool.motion.guided import GuidedMotion
from mocotool.motion.latent_game import LatentMotionTrainer
from mocotool.training.randomness import derive_rng
from mocotool.training.run_folder import RunFolder
from mocotool.training.stopping import StopRequest

NUM_CONTENTS, NUM_MOTIONS = 32, 8
LONG_WALK = 8  # times as many frames as windows have
FROZEN_BELOW, WILD_ABOVE = 0.3, 3.0  # of the real steps' energy
LEAST_SHARE = 0.05
WIDE_ABOVE = 1.5  # times the spread of first latents
NUM_RENDERED = 16  # clips that say how lively motion is
NUM_TRIES = 4
GAIN_RANGE = (0.2, 5.0)


def train_latent_motion(
    trainer: LatentMotionTrainer,
    run: RunFolder,
    *,
    save_motion: Callable[[MotionGenerator, int], None],
    on_step: Callable[[int, dict[str, float]], None],
    warn: Callable[[str], None],
    stop: StopRequest,
) -> None:
    """Train until the configured number of steps.

    Args:
        trainer: What to train; may have been resumed.
        run: Where state and metrics go.
        save_motion: Writes the averaged motion model of a step.
        on_step: Told the number of steps done and their figures.
        warn: Told at each save of what is wrong with the motion, and what to change.
        stop: Asked after each step.

    Raises:
        StoppedError: The run was asked to stop, and saved.
        DivergedError: A loss is NaN or infinite; the last saved state stays.
    """
    config = trainer.config
    told: set[str] = set()
    while trainer.step_idx < config.num_steps:
        started = time.monotonic()
        values = trainer.step() | {"seconds": time.monotonic() - started}
        step = trainer.step_idx
        on_step(step, values)
        is_last, asked = step == config.num_steps, bool(stop)
        is_saved = asked or is_last or step % config.save_every == 0
        if is_saved:
            figures = measure_walks(trainer)
            values |= figures
            for name, alarm in find_alarms(figures).items():
                if name not in told:
                    warn(f"step {step}: {alarm}")
            told = set(find_alarms(figures))
        if is_saved or step % config.log_every == 0:
            run.log(step, values)
        if is_saved:
            run.save_state({"trainer": trainer.state_dict()})
            save_motion(trainer.averaged, step)
        if asked and not is_last:
            raise StoppedError(
                f"{run.path}: stopped and saved after {step} steps",
                hint="the same command with --resume goes on",
            )


@torch.no_grad()
def measure_walks(trainer: LatentMotionTrainer) -> dict[str, float]:
    """Measure the averaged model's walks in latents; nothing is rendered.

    Returns:
        "held_out", the error with which held-out clips are rebuilt from their own codes, in units
        of the energy of real steps; "walk_energy", that of drawn steps; shares of displacement, as
        `split_displacement` has them; and "walk_spread", how far apart people are after long walks,
        in units of how far they are at the start.
    """
    config, motion = trainer.config, trainer.averaged
    a, b, t = NUM_CONTENTS, NUM_MOTIONS, config.num_frames
    rng = derive_rng(config.seed, "watch")
    first = motion.from_coords(trainer.pool[:a])
    noise = motion.draw_noise(b, t, rng=rng)
    walks = motion(first.repeat_interleave(b, dim=0), noise.repeat(a, 1, 1))
    coords = motion.to_coords(walks)  # [a*b, t, k]
    shown = (coords[:, -1] - coords[:, 0]) @ trainer.metric
    long = motion(first, motion.draw_noise(a, LONG_WALK * t, rng=rng))
    last, start = motion.to_coords(long[:, -1]), trainer.pool[:a]
    return {
        "held_out": trainer.measure_held_out(),
        "walk_energy": float((coords.diff(dim=1) @ trainer.metric).square().mean()),
        **split_displacement(shown.reshape(a, b, -1).numpy()),
        "walk_spread": float((last.var(dim=0).mean() / start.var(dim=0).mean()).sqrt()),
    }


def find_alarms(figures: dict[str, float]) -> dict[str, str]:
    """Return what is wrong with motion, by name, each with what to change."""
    energy = figures["walk_energy"]
    alarms = {
        "frozen": (
            energy < FROZEN_BELOW,
            f"motion has {energy:.2g} times the energy of real clips; raise --moment-weight, "
            "or train for longer",
        ),
        "wild": (
            energy > WILD_ABOVE,
            f"motion has {energy:.2g} times the energy of real clips; lower --learning-rate",
        ),
        "content-blind": (
            figures["content"] < LEAST_SHARE,
            f"the content decides {figures['content']:.0%} of where motion goes; "
            "train for longer, or on more clips",
        ),
        "motion seeds alike": (
            figures["motion_seed"] < LEAST_SHARE,
            f"the motion seed decides {figures['motion_seed']:.0%} of where motion goes; "
            "lower --kl-weight",
        ),
        "drift": (
            figures["walk_spread"] > WIDE_ABOVE,
            f"after long walks latents are {figures['walk_spread']:.2g} times as wide as at the "
            "start; raise --pull",
        ),
    }
    return {name: text for name, (is_on, text) in alarms.items() if is_on}


@torch.no_grad()
def match_liveliness(
    motion: GuidedMotion, generator: Generator, clips: Tensor, *, seed: int = 0
) -> float:
    """Set a model's gain so that its pictures change as much as those of real clips' latents.

    Args:
        motion: The model; its `gain` is changed.
        generator: What renders.
        clips: Real clips in coordinates, [n, t, k].
        seed: Of first latents and noise.

    Returns:
        The gain.
    """
    rng = derive_rng(seed, "liveliness")
    num_frames = min(motion.num_frames, clips.shape[1])
    real = motion.from_coords(clips[:NUM_RENDERED, :num_frames])
    wanted = _measure_change(generator, real)
    z = torch.randn(NUM_RENDERED, generator.z_dim, generator=rng).to(generator.device)
    first = generator.mapping(z).float().to(motion.device)
    noise = motion.draw_noise(NUM_RENDERED, num_frames, rng=rng)
    motion.gain = 1.0
    for _ in range(NUM_TRIES):
        found = _measure_change(generator, motion(first, noise))
        gain = motion.gain * wanted / max(found, 1e-9)
        motion.gain = min(max(gain, GAIN_RANGE[0]), GAIN_RANGE[1])
    return motion.gain


def _measure_change(generator: Generator, walks: Tensor) -> float:
    """Return the mean absolute difference of neighbouring frames of walks [n, t, latent_dim]."""
    changes = [
        generator.synthesis(walk.to(generator.device)).clamp(-1, 1).diff(dim=0).abs().mean()
        for walk in walks
    ]
    return float(torch.stack(changes).mean())
