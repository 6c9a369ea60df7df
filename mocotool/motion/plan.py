"""What will a run take? Sizes, and estimates of time and memory from one small step."""

import dataclasses
import time
from typing import Any

import torch
from torch import Tensor

from mocotool.devices import peak_memory_mb
from mocotool.motion.rendering import measure_graph_bytes
from mocotool.motion.trainer import MotionTrainer
from mocotool.training.networks import count_parameters


def plan_training(trainer: MotionTrainer) -> dict[str, Any]:
    """Return what a run will do, with estimates from a step of one clip on random pictures."""
    config, processes = trainer.config, trainer.processes
    num_clips = config.batch_size // processes.world_size
    frame_mb = measure_graph_bytes(trainer.renderer, latent_dim=trainer.motion.latent_dim) / 2**20
    parameters = {"motion": count_parameters(trainer.motion)}
    parameters |= {name: count_parameters(game.network) for name, game in trainer.games.items()}

    seconds, saved_mb, peak_mb = _try_one_clip(trainer)

    # one clip was tried; a step keeps what backward needs of all of them
    is_kept = trainer.renderer.keep_graph
    kept_mb = frame_mb * (config.num_frames - 1) if is_kept else 0.0
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
        "graph": "kept" if is_kept else "rendered again in chunks",
        "graph_mb_per_frame": frame_mb,
        "steps": config.num_steps,
        "device": str(trainer.device),
        "precision": str(trainer.setting.precision).removeprefix("torch."),
        "processes": processes.world_size,
        "estimated_memory_mb": peak_mb + (num_clips - 1) * (saved_mb + kept_mb),
        "estimated_seconds_per_step": step_s,
        "estimated_hours": step_s * config.num_steps / 3600,
    }


def _try_one_clip(trainer: MotionTrainer) -> tuple[float, float, float]:
    """Return seconds a clip and step, megabytes a further clip, and the peak so far."""
    config = dataclasses.replace(trainer.config, batch_size=1, num_g_steps=1)
    small = MotionTrainer(trainer.generator, trainer.basis, config)
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

    started = time.monotonic()
    small.generator_step(0)
    g_seconds = time.monotonic() - started
    started = time.monotonic()
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        small.discriminator_step()
    d_seconds = time.monotonic() - started
    seconds = trainer.config.num_g_steps * g_seconds + d_seconds
    return seconds, sum(saved.values()) / 2**20, peak_memory_mb(trainer.device)
