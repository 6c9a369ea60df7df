"""Memory of rendering in training: frames rendered at once, and whether their graph is kept."""

import dataclasses
import math

from mocotool.configs.train_motion import TrainMotionConfig
from mocotool.devices import free_device_bytes
from mocotool.generators.base import Generator
from mocotool.motion.rendering import ClipRenderer, measure_graph_bytes

CPU_CHUNK = 16  # frames
CPU_CHUNK_SHARE = 2  # a CPU needs few frames at once: one chunk's graph may be half of a batch's


def build_renderer(
    generator: Generator, config: TrainMotionConfig, *, num_clips: int
) -> ClipRenderer:
    """Return what renders training clips; what it keeps and renders at once follows from sizes.

    Args:
        generator: The frozen image generator.
        config: With the megabytes that graphs may take, as `settle_graph_mb` leaves it.
        num_clips: Clips of this process.
    """
    assert config.graph_mb is not None
    renderer = ClipRenderer(
        generator=generator,
        frame_size=config.frame_size,
        chunk_size=config.chunk_size or CPU_CHUNK,
        noise_mode=config.noise_mode,
    )
    frame_bytes = measure_graph_bytes(renderer, latent_dim=generator.latent_dim)
    num_rows = num_clips * (config.num_frames - 1)
    budget = config.graph_mb * 2**20
    is_cpu = generator.device.type == "cpu"
    graph_budget = budget // CPU_CHUNK_SHARE if is_cpu else budget
    fitting = max(1, graph_budget // max(frame_bytes, 1))

    # Many at once spare a GPU's host launches, and a processor nothing.
    chunk = CPU_CHUNK if is_cpu or config.graph_mb == 0 else min(fitting, num_rows)
    chunk = config.chunk_size or chunk
    return dataclasses.replace(
        renderer,
        num_kept=min(num_rows, budget // max(frame_bytes, 1)),
        chunk_size=chunk,
        graph_chunk_size=min(chunk, fitting) if config.graph_mb > 0 else chunk,
    )


def settle_graph_mb(
    generator: Generator, config: TrainMotionConfig, *, num_clips: int
) -> TrainMotionConfig:
    """Decide how much memory graphs may take where nothing was said, by how much is free.

    What a batch needs, where that is free, so that equal runs have equal settings; else a power of
    two. A resumed run takes what was settled, and so the same steps to the last bit.
    """
    if config.graph_mb is not None:
        return config
    renderer = ClipRenderer(
        generator=generator,
        frame_size=config.frame_size,
        chunk_size=CPU_CHUNK,
        noise_mode=config.noise_mode,
    )
    frame_bytes = measure_graph_bytes(renderer, latent_dim=generator.latent_dim)
    needed = math.ceil(frame_bytes * num_clips * (config.num_frames - 1) / 2**20)
    allowed = int(config.memory_share * free_device_bytes(generator.device)) // 2**20
    largest = 2 ** int(math.log2(allowed)) if allowed > 0 else 0
    return dataclasses.replace(config, graph_mb=needed if needed <= allowed else largest)
