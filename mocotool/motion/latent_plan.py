"""How long does learning from latents take, and how many steps fit into a span of time?"""

import copy
import dataclasses
import time
from collections.abc import Collection
from typing import Any

import torch

from mocotool.configs.train_latent_motion import TrainLatentMotionConfig
from mocotool.generators.base import Generator
from mocotool.motion.latent_game import LONG_EVERY, LatentMotionTrainer
from mocotool.training.budget import Deadline, choose_within, spread_saves
from mocotool.training.randomness import derive_rng

PICTURE_SHARE = 0.3  # of the time, at most, for rendering what the surrogate learns from
LEARNING_FACTOR = 1.5  # what a picture costs with learning from it, in times of rendering it
TIMED_PICTURES, FEWEST_PICTURES = 16, 256

PLANNED = ("num_steps", "save_every", "num_pictures")
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
    planned: dict[str, Any] = {"num_steps": steps, "save_every": spread_saves(steps)}
    return dataclasses.replace(
        config, **{name: value for name, value in planned.items() if name not in asked}
    )


@torch.no_grad()
def fit_pictures(generator: Generator, deadline: Deadline, *, wanted: int) -> int:
    """Return how many pictures to render for the surrogate within its share of the time left."""
    z = torch.randn(TIMED_PICTURES, generator.z_dim, generator=derive_rng(0, "timed pictures"))
    latents = generator.mapping(z.to(generator.device))
    generator.synthesis(latents)  # the first time warms up
    started = time.monotonic()
    float(generator.synthesis(latents).sum())  # waits for the device
    seconds = LEARNING_FACTOR * (time.monotonic() - started) / TIMED_PICTURES
    affordable = int(PICTURE_SHARE * deadline.left / seconds)
    return min(wanted, max(affordable, FEWEST_PICTURES))
