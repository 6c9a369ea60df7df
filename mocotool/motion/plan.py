"""The plan of a motion run: sizes, and estimates of time and memory from one small step."""

import dataclasses
import time
from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor

from mocotool.basis import PCABasis
from mocotool.configs.train_motion import TrainMotionConfig
from mocotool.devices import measured_convolutions, peak_memory_mb
from mocotool.generators.base import Generator
from mocotool.motion.rendering import measure_graph_bytes
from mocotool.motion.trainer import MotionTrainer
from mocotool.training.budget import Deadline, choose_within, spread_saves
from mocotool.training.distributed import Processes
from mocotool.training.networks import count_parameters

ENOUGH_STEPS = 200  # what the ablations needed to show anything
PLANNED_SIZES = (128, 64, 32)
BATCHES = (16, 8, 4)
PLANNED = ("frame_size", "batch_size", "num_steps", "save_every", "preview_every")
"""Settings that a span of time answers, where nobody does."""


def plan_training(trainer: MotionTrainer) -> dict[str, Any]:
    """Return what a run will do, with estimates from a step of one clip on random pictures."""
    config, processes = trainer.config, trainer.processes
    num_clips = config.batch_size // processes.world_size
    frame_mb = measure_graph_bytes(trainer.renderer, latent_dim=trainer.motion.latent_dim) / 2**20
    parameters = {"motion": count_parameters(trainer.motion)}
    parameters |= {name: count_parameters(game.network) for name, game in trainer.games.items()}

    seconds, saved_mb, peak_mb = _try_one_clip(trainer)

    # one clip was tried; a step keeps what backward needs of all of them
    num_rows = num_clips * (config.num_frames - 1)
    num_kept = min(trainer.renderer.num_kept, num_rows)
    kept_mb = frame_mb * num_kept / num_clips
    step_s = num_clips * seconds
    return {
        "recipe": config.recipe,
        "domain": "cross" if config.cross_domain else "in",
        "parameters": parameters,
        "frame_size": config.frame_size,
        "components": config.num_components,
        "step_size": config.known_step_size,
        "clips_per_step": config.batch_size,
        "rendered_frames_per_step": config.batch_size
        * config.num_frames
        * (config.num_g_steps + 1),
        "graph": _describe_graph(num_kept, num_rows),
        "graph_mb_per_frame": frame_mb,
        "steps": config.num_steps,
        "device": str(trainer.device),
        "precision": str(trainer.context.precision).removeprefix("torch."),
        "processes": processes.world_size,
        "estimated_memory_mb": peak_mb + (num_clips - 1) * (saved_mb + kept_mb),
        "estimated_seconds_per_step": step_s,
        "estimated_hours": step_s * config.num_steps / 3600,
    }


def _describe_graph(num_kept: int, num_rows: int) -> str:
    if num_kept == num_rows:
        return "kept"
    if num_kept == 0:
        return "rendered again in chunks"
    return f"kept of {num_kept} frames, rendered again in chunks of {num_rows - num_kept}"


def fit_budget(
    config: TrainMotionConfig,
    deadline: Deadline,
    generator: Generator,
    basis: PCABasis,
    *,
    asked: Collection[str],
    processes: Processes,
) -> TrainMotionConfig:
    """Choose the settings that nobody asked for so that a run fits its time budget.

    The largest frames and batches of which `ENOUGH_STEPS` fit, as a step of one clip suggests,
    and as many steps as then fit; saves and previews are spread over them.

    Args:
        config: Settings that fit the generator and the basis.
        deadline: Knows how much time is left.
        generator: The generator.
        basis: What steps are made of.
        asked: Names of settings to leave alone.
        processes: This process among those that train together; all choose alike.
    """
    # How far a frame moves takes no time.
    step_size = 1.0 if isinstance(config.step_size, str) else config.step_size
    tried = dataclasses.replace(config, step_size=step_size)
    sizes = (config.frame_size,) if "frame_size" in asked else _list_below(config.frame_size)
    batches = (config.batch_size,) if "batch_size" in asked else BATCHES
    fitting = [n for n in batches if n % processes.world_size == 0] or [processes.world_size]
    seconds: dict[int, float] = {}  # of one clip, by its size

    def measure(choice: tuple[int, int]) -> float:
        size, num_clips = choice
        if size not in seconds:
            small = dataclasses.replace(tried, frame_size=size, batch_size=1)
            found = _try_one_clip(MotionTrainer(generator, basis, small))[0]
            device = processes.device
            seconds[size] = float(processes.average(torch.tensor(found, device=device)))
        return seconds[size] * num_clips / processes.world_size

    choices = [(size, num_clips) for size in sizes for num_clips in fitting]
    (size, num_clips), steps = choose_within(
        choices, deadline, wanted=lambda _: ENOUGH_STEPS, measure=measure
    )
    steps = round(float(processes.average(torch.tensor(float(steps), device=processes.device))))
    says_steps = "num_steps" in asked or "num_epochs" in asked
    steps = config.num_steps if says_steps else steps
    apart = spread_saves(steps)
    planned = dict(zip(PLANNED, (size, num_clips, steps, apart, apart), strict=True))
    changes: dict[str, Any] = {k: value for k, value in planned.items() if k not in asked}
    return dataclasses.replace(config, **changes)


def _list_below(frame_size: int) -> tuple[int, ...]:
    return tuple(size for size in PLANNED_SIZES if size <= frame_size) or (frame_size,)


def _try_one_clip(trainer: MotionTrainer) -> tuple[float, float, float]:
    """Return seconds per clip and step, megabytes per further clip, and the peak so far."""
    config = dataclasses.replace(trainer.config, batch_size=1, num_g_steps=1)
    small = MotionTrainer(trainer.generator, trainer.basis, config, compilation=trainer.compilation)
    small.renderer = trainer.renderer
    size = config.frame_size
    real = torch.rand(1, config.num_frames, 3, size, size, device=trainer.device) * 2 - 1
    for game in small.games.values():
        game.begin(real)
    saved: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    with measured_convolutions(trainer.device, trainer.context.precision):
        # A GPU's first steps load kernels and choose among them, and a compiler's compile
        if trainer.device.type != "cpu" or trainer.compilation is not None:
            small.generator_step(0)
            small.discriminator_step()
        started = _read_clock(trainer.device)
        small.generator_step(0)
        g_seconds = _read_clock(trainer.device) - started
        started = _read_clock(trainer.device)
        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            small.discriminator_step()
        d_seconds = _read_clock(trainer.device) - started
    seconds = trainer.config.num_g_steps * g_seconds + d_seconds
    return seconds, sum(saved.values()) / 2**20, peak_memory_mb(trainer.device)


def _read_clock(device: torch.device) -> float:
    """Return the time once the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.monotonic()
