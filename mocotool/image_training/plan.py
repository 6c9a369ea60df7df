"""What a `train-image` run would be, found out without doing it: `--dry-run`."""

import dataclasses
import time
from typing import Any

import torch

from mocotool.devices import peak_memory_mb
from mocotool.image_training.trainer import ImageTrainer
from mocotool.training.networks import count_parameters


def plan_training(trainer: ImageTrainer) -> dict[str, Any]:
    """Return sizes, and the time and memory that two steps on noise suggest.

    The trainer has been used up afterwards.
    """
    config = trainer.config
    num_rows = trainer.rows.stop - trainer.rows.start
    rng = torch.Generator().manual_seed(config.seed)
    shape = (num_rows, 3, config.resolution, config.resolution)
    noise_u8 = torch.randint(0, 256, shape, dtype=torch.uint8, generator=rng)
    trainer.step(noise_u8)  # step 0 has the gradient penalty and warms up
    plain_s = _time_step(trainer, noise_u8)
    trainer.config = dataclasses.replace(config, r1_interval=1)
    penalty_s = max(0.0, _time_step(trainer, noise_u8) - plain_s)
    trainer.config = config
    step_s = plain_s + (penalty_s / config.r1_interval if config.r1_gamma != 0 else 0.0)
    return {
        "resolution": config.resolution,
        "channels": trainer.generator.arch["channels"],
        "generator_parameters": count_parameters(trainer.generator),
        "discriminator_parameters": count_parameters(trainer.discriminator),
        "steps": config.num_steps,
        "r1_gamma": config.effective_r1_gamma,
        "ema_images": config.effective_ema_images,
        "device": str(trainer.device),
        "precision": str(trainer.precision).removeprefix("torch."),
        "processes": trainer.processes.world_size,
        "images_per_s": config.batch_size / step_s,
        "hours": config.num_steps * step_s / 3600,
        "memory_mb": peak_memory_mb(trainer.device),
    }


def _time_step(trainer: ImageTrainer, real_u8: torch.Tensor) -> float:
    started = time.monotonic()
    trainer.step(real_u8)  # returns numbers, so the device has finished
    return time.monotonic() - started
