"""The plan of a `train-image` run, made without training: `--dry-run`."""

import dataclasses
import time
from collections.abc import Collection, Sequence
from typing import Any

import torch

from mocotool.configs.train_image import TrainImageConfig
from mocotool.devices import peak_memory_mb
from mocotool.generators.stylegan2 import StyleGAN2
from mocotool.image_training.trainer import ImageTrainer
from mocotool.training.budget import Deadline, choose_within, spread_saves
from mocotool.training.distributed import Processes
from mocotool.training.networks import count_parameters

PLANNED = (
    "resolution",
    "channel_base",
    "batch_size",
    "num_images",
    "save_every",
    "preview_every",
)
"""Settings that a span of time answers, where nobody does."""
ENOUGH_IMAGES = 20_000  # fewer, and pictures of people are blots
FEW_IMAGES = 4  # of a step that is timed; the discriminator compares groups of four
SMALLER: tuple[dict[str, int], ...] = (
    {"batch_size": 16},
    {"channel_base": 4096},
    {"resolution": 32, "channel_base": 4096},
    {"channel_base": 1024},
)


def plan_training(trainer: ImageTrainer) -> dict[str, Any]:
    """Return sizes, and the time and memory estimated from a few steps on noise.

    A processor takes as long for each image of a step as for any other, so a few of them are timed
    there; other devices take whole steps. The trainer cannot be used afterwards.
    """
    config, world_size = trainer.config, trainer.processes.world_size
    few = FEW_IMAGES * world_size
    is_large = trainer.device.type == "cpu" and config.batch_size > few
    timed = dataclasses.replace(config, batch_size=few if is_large else config.batch_size)
    trainer.head_start = 0  # most steps are of both networks

    # Time; step 0 has the gradient penalty and warms up
    _take_step(trainer, timed)
    memory_mb = peak_memory_mb(trainer.device)
    plain_s = _take_step(trainer, timed)
    penalised = dataclasses.replace(timed, r1_interval=1)
    penalty_s = max(0.0, _take_step(trainer, penalised) - plain_s)
    step_s = plain_s + (penalty_s / config.r1_interval if config.r1_gamma != 0 else 0.0)
    images_per_s = timed.batch_size / step_s

    # Memory: what a few images more take, weights take once
    if is_large:
        _take_step(trainer, dataclasses.replace(penalised, batch_size=2 * few))
        per_few_mb = peak_memory_mb(trainer.device) - memory_mb
        memory_mb += per_few_mb * (config.batch_size / few - 1)
    trainer.config = config
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
        "processes": world_size,
        "images_per_s": images_per_s,
        "hours": config.num_steps * config.batch_size / images_per_s / 3600,
        "memory_mb": memory_mb if is_large else peak_memory_mb(trainer.device),
    }


def fit_budget(
    config: TrainImageConfig,
    deadline: Deadline,
    *,
    asked: Collection[str],
    start: StyleGAN2 | None,
    precision: torch.dtype,
    processes: Processes,
    class_counts: Sequence[int] = (),
) -> TrainImageConfig:
    """Choose the settings that nobody asked for so that a run fits its time budget.

    The largest pictures and networks of which `ENOUGH_IMAGES` fit, as steps of a few pictures
    suggest, and as many images as then fit; saves and previews are spread over them.

    Args:
        config: Settings that fit the start.
        deadline: Knows how much time is left.
        asked: Names of settings to leave alone.
        start: The StyleGAN2 to start from, which says what the network is.
        precision: What convolutions compute in.
        processes: This process among those that train together; all choose alike.
        class_counts: How many real images each class has; see `ImageTrainer`.
    """
    few = processes.world_size * FEW_IMAGES  # of all processes

    def measure(choice: TrainImageConfig) -> float:
        small = dataclasses.replace(choice, batch_size=few)
        trainer = ImageTrainer(
            small,
            precision=precision,
            processes=processes,
            initial=start,
            class_counts=class_counts,
        )
        rate = torch.tensor(plan_training(trainer)["images_per_s"], device=processes.device)
        return choice.batch_size / float(processes.average(rate))

    choices = [config] if start is not None else _list_smaller(config, asked)
    chosen, steps = choose_within(
        choices, deadline, wanted=lambda choice: ENOUGH_IMAGES / choice.batch_size, measure=measure
    )
    # processes measure different rates, and must train the same number of steps
    steps = round(float(processes.average(torch.tensor(float(steps), device=processes.device))))
    steps = chosen.num_steps if "num_images" in asked else steps
    apart = spread_saves(steps)
    planned: dict[str, Any] = {
        "num_images": steps * chosen.batch_size,
        "save_every": apart,
        "preview_every": apart,
    }
    changes = {name: value for name, value in planned.items() if name not in asked}
    return dataclasses.replace(chosen, **changes)


def _list_smaller(config: TrainImageConfig, asked: Collection[str]) -> list[TrainImageConfig]:
    """Return settings from the given ones down to small ones, without what was asked for."""
    found = [config]
    for sizes in SMALLER:
        changes: dict[str, Any] = {k: value for k, value in sizes.items() if k not in asked}
        smaller = dataclasses.replace(found[-1], **changes)
        if smaller != found[-1]:
            found.append(smaller)
    return found


def _take_step(trainer: ImageTrainer, config: TrainImageConfig) -> float:
    """Take a step on noise with other settings; return its seconds."""
    trainer.config = config
    trainer.rows = trainer.processes.rows(config.batch_size)
    num_rows = trainer.rows.stop - trainer.rows.start
    shape = (num_rows, 3, *trainer.generator.img_size)
    rng = torch.Generator().manual_seed(config.seed)
    noise_u8 = torch.randint(0, 256, shape, dtype=torch.uint8, generator=rng)
    c_dim = trainer.generator.c_dim
    labels = torch.arange(num_rows) % c_dim if c_dim else None
    started = time.monotonic()
    trainer.step(noise_u8, labels)  # returns numbers, so the device has finished
    return time.monotonic() - started
