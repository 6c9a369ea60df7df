"""How long does learning from latents take, and how many steps fit into a span of time?"""

import copy
import dataclasses
import time
from collections.abc import Collection

from mocotool.configs.train_latent_motion import TrainLatentMotionConfig
from mocotool.motion.latent_game import LONG_EVERY, LatentMotionTrainer
from mocotool.training.budget import Deadline, choose_within, spread_saves

PLANNED = ("num_steps", "save_every")
"""Settings that a span of time answers, where nobody does."""


def time_step(trainer: LatentMotionTrainer) -> float:
    """Return the mean seconds of a step, long walks among them; the trainer stays as it is."""
    tried = copy.deepcopy(trainer)
    tried.step()  # the first one warms up
    started = time.monotonic()
    for _ in range(LONG_EVERY):
        tried.step()
    return (time.monotonic() - started) / LONG_EVERY


def fit_budget(
    trainer: LatentMotionTrainer, deadline: Deadline, *, asked: Collection[str]
) -> TrainLatentMotionConfig:
    """Return settings with as many steps as fit into the time left, where nobody says how many.

    Args:
        trainer: The run to be; stays as it is.
        deadline: Says how much time is left.
        asked: Names of settings to leave alone.
    """
    config = trainer.config
    _, steps = choose_within([trainer], deadline, wanted=lambda _: 1, measure=time_step)
    steps = config.num_steps if "num_steps" in asked else steps
    planned = dict(zip(PLANNED, (steps, spread_saves(steps)), strict=True))
    return dataclasses.replace(
        config, **{name: value for name, value in planned.items() if name not in asked}
    )
