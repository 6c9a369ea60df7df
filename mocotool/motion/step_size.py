"""The step size at which untrained clips change as much as real ones.

A model that hardly moves learns first to move more, and the quickest way is one direction for
everybody; one that moves as much as the clips learns what to do with it.
"""

import dataclasses

import torch
import torch.nn.functional as F
from torch import Tensor

from mocotool.basis import PCABasis
from mocotool.configs.train_motion import TrainMotionConfig
from mocotool.generators.base import Generator
from mocotool.layouts import to_unit_range
from mocotool.motion.building import build_motion
from mocotool.motion.rendering import ClipRenderer
from mocotool.training.randomness import derive_rng, derive_seed

NUM_WALKS = 64  # pairs of neighbouring frames that are rendered
STEP_CHUNK = 16  # frames rendered at once
NUM_TRIES = 5
STEP_RANGE = (0.01, 20.0)
LOOKED_AT = 64  # pixels; `moco eval motion` looks at clips in this size
FIRST_TRY = 0.5


@torch.no_grad()
def match_step_size(
    generator: Generator, basis: PCABasis, config: TrainMotionConfig, real: Tensor
) -> float:
    """Find the step size at which an untrained model's clips change as much as real ones.

    What is compared is the mean absolute difference of neighbouring frames, the liveliness of
    `moco eval motion`. Walks are drawn with the weights that training will begin with.

    Args:
        generator: The generator.
        basis: What steps are made of.
        config: Sizes, form and seed; its step size does not count.
        real: Real clips, [n, t, 3, frame_size, frame_size], uint8 or float in [-1, 1].

    Returns:
        The step size, to three digits, so that rounding elsewhere does not change it.
    """
    wanted = measure_change(to_unit_range(real) if _is_bytes(real) else real)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(config.seed, "weights"))
        motion = build_motion(generator, basis, dataclasses.replace(config, step_size=FIRST_TRY))
    motion = motion.to(generator.device).eval()
    renderer = ClipRenderer(
        generator=generator,
        frame_size=config.frame_size,
        chunk_size=config.chunk_size or STEP_CHUNK,
        noise_mode=config.noise_mode,
    )

    # One step of each of many walks says more than all steps of a few, at the same price.
    rng = derive_rng(config.seed, "step size")
    z = torch.randn(NUM_WALKS, generator.z_dim, generator=rng).to(generator.device)
    labels = None
    if generator.c_dim:
        labels = torch.arange(NUM_WALKS) % generator.c_dim
    first = generator.mapping(z, generator.one_hot(labels, NUM_WALKS))
    noise = motion.draw_noise(NUM_WALKS, config.num_frames, rng=rng)
    places = torch.randint(config.num_frames - 1, (NUM_WALKS,), generator=rng)
    pairs = places[:, None] + torch.arange(2)  # [n, 2]
    maps = renderer.draw_noise([derive_seed(config.seed, "step size", i) for i in range(NUM_WALKS)])

    for _ in range(NUM_TRIES):
        walks = motion(first, noise)[torch.arange(NUM_WALKS)[:, None], pairs]  # [n, 2, d]
        found = measure_change(renderer.render(walks, noise=maps, labels=labels))
        step_size = motion.step_size * wanted / max(found, 1e-9)
        motion.step_size = min(max(step_size, STEP_RANGE[0]), STEP_RANGE[1])
    return float(f"{motion.step_size:.3g}")


def measure_change(video: Tensor) -> float:
    """Return the mean absolute difference of neighbouring frames of [n, t, c, h, w] in [-1, 1]."""
    n, t = video.shape[:2]
    frames = video.clamp(-1, 1).flatten(0, 1)
    if frames.shape[-1] > LOOKED_AT:
        frames = F.adaptive_avg_pool2d(frames, LOOKED_AT)
    return float(frames.unflatten(0, (n, t)).diff(dim=1).abs().mean())


def _is_bytes(video: Tensor) -> bool:
    return video.dtype == torch.uint8
