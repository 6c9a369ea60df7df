"""Timing of learning from latents: seconds per step, and steps that fit a time budget."""

import copy
import dataclasses
import time
from collections.abc import Collection
from typing import Any

import torch

from mocotool.configs.train_latent_motion import TrainLatentMotionConfig
from mocotool.generators.base import Generator
from mocotool.motion.latent_game import LONG_EVERY, LatentMotionTrainer
from mocotool.training.budget import Deadline, count_steps, spread_saves
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
    trainer: LatentMotionTrainer,
    generator: Generator,
    deadline: Deadline,
    *,
    num_frames: int,
    asked: Collection[str],
) -> TrainLatentMotionConfig:
    """Return settings with as many pictures and steps as fit, where nobody says how many.

    Args:
        trainer: One of the run's sizes, for timing; stays as it is.
        generator: What will render pictures for the surrogate, and the clips.
        deadline: Knows how much time is left.
        num_frames: Frames of all clips.
        asked: Names of settings to leave alone.
    """
    config, planned = trainer.config, dict[str, int]()
    before_s = 0.0  # for what is rendered before the first step
    if config.num_pictures:
        picture_s = _time_picture(generator)
        affordable = int(PICTURE_SHARE * deadline.left / (LEARNING_FACTOR * picture_s))
        num_pictures = config.num_pictures
        if "num_pictures" not in asked:
            num_pictures = min(num_pictures, max(affordable, FEWEST_PICTURES))
        planned["num_pictures"] = num_pictures
        before_s = picture_s * (LEARNING_FACTOR * num_pictures + num_frames)

    steps = config.num_steps
    if "num_steps" not in asked:
        steps = count_steps(time_step(trainer), deadline.left - before_s)
    planned |= {"num_steps": steps, "save_every": spread_saves(steps)}
    changes: dict[str, Any] = {k: value for k, value in planned.items() if k not in asked}
    return dataclasses.replace(config, **changes)


@torch.no_grad()
def _time_picture(generator: Generator) -> float:
    """Return the seconds that a picture takes to render, among a few."""
    z = torch.randn(TIMED_PICTURES, generator.z_dim, generator=derive_rng(0, "timed pictures"))
    latents = generator.mapping(z.to(generator.device))
    generator.synthesis(latents)  # the first time warms up
    started = time.monotonic()
    float(generator.synthesis(latents).sum())  # waits for the device
    return max((time.monotonic() - started) / TIMED_PICTURES, 1e-6)
