"""Sampling of trajectories from a motion model, and traversal of a basis."""

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mocotool.basis import PCABasis
from mocotool.configs.sample import SampleConfig
from mocotool.configs.shard import WHOLE, Shard, fingerprint_whole, take_share
from mocotool.configs.traverse import TraverseConfig
from mocotool.devices import describe_gpu, one_thread
from mocotool.errors import ConfigError, MismatchError
from mocotool.generators.base import Generator
from mocotool.generators.recorded import find_generator
from mocotool.latents import LatentsMeta, Trajectory, check_latents_fit, check_room
from mocotool.motion.checkpoint import load_motion
from mocotool.motion.generator import MotionGenerator
from mocotool.provenance import FileRecord
from mocotool.steering.loops import pull_back, remove_drift
from mocotool.training.randomness import derive_rng

Latents = npt.NDArray[np.float32]
Progress = Callable[[int], None]


def sample_trajectory(
    motion: MotionGenerator,
    generator: Generator,
    *,
    config: SampleConfig | None = None,
    start: Trajectory | None = None,
    shard: Shard = WHOLE,
    progress: Progress | None = None,
) -> Trajectory:
    """Sample trajectories from a motion model.

    Every video has independent random streams, so it is the same in any batch.

    Args:
        motion: The motion model.
        generator: The image generator whose latents it moves.
        config: Number of videos, seeds, length; `None` for the defaults.
        start: Latents to start from, one video each, instead of content seeds.
            `config.start_frame` selects one of several frames; in w+, every layer takes the same
            steps.
        shard: Which part of the videos to sample, for `merge_latents`.
        progress: Called with the number of videos done since the last call.

    Returns:
        [n, t, latent_dim], or [n, t, num_ws, latent_dim] for a start in w+. The first frame is the
        start itself.

    Raises:
        ConfigError: Seeds and starts contradict each other, or a class is missing.
        MismatchError: Motion model, generator and starts do not fit each other.

    Source:
        Official code: evaluate.py.
        Deviation: a first latent gives one video, of seeds; the program draws without any, and
            motion twice for each first latent, to render with and without pixel noise.
    """
    config = SampleConfig() if config is None else config
    check_motion_fits(motion, generator)
    num_frames = config.num_frames or motion.num_frames

    # First latents: drawn, or those of a file
    if start is None:
        plan = config.plan_videos()
        check_room(plan.num_videos, num_frames, generator.latent_dim)
        assert plan.seeds is not None
        labels = None if plan.labels is None else np.asarray(plan.labels, np.int64)
        seeds: list[int] | None = plan.seeds
        first = draw_latents(generator, plan.seeds, labels, truncation_psi=config.truncation_psi)
    else:
        check_latents_fit(start, generator)
        plan = config.plan_videos(num_starts=start.num_videos)
        check_room(plan.num_videos, num_frames, *start.latents.shape[2:])
        first, labels, seeds = _choose_starts(start, config)

    # Those of this shard, which begins with a batch where there are enough videos
    own = take_share(plan.num_videos, shard, multiple=config.batch_size)
    part = slice(own.start, own.stop)
    first, motion_seeds = first[part], plan.motion_seeds[part]
    labels = None if labels is None else labels[part]
    seeds = None if seeds is None else seeds[part]

    latents = _unroll_videos(
        motion,
        first,
        motion_seeds,
        num_frames=num_frames + config.loop,  # of a loop, the last frame is the first one again
        batch_size=config.batch_size,
        progress=progress,
    )
    latents = pull_back(latents, config.pull)
    latents = remove_drift(latents) if config.loop else latents

    meta = LatentsMeta(
        space=start.meta.space if start else generator.space,
        fps=config.fps,
        seeds=seeds,
        motion_seeds=motion_seeds,
        shard=None if shard == WHOLE else shard,
        shard_of=None if shard == WHOLE else _fingerprint(config, start),
        frame_stride=motion.frame_stride,
        generator=generator.origin.file if generator.origin else None,
        motion=motion.origin,
        gpu=describe_gpu(generator.device) or None,
        history=start.meta.history if start else (),
    )
    return Trajectory(latents=latents, labels=labels, meta=meta)


def _fingerprint(config: SampleConfig, start: Trajectory | None) -> str:
    """Return what tells one sampling from another, beside its networks."""
    began = None if start is None else hashlib.sha256(start.latents.tobytes()).hexdigest()
    return fingerprint_whole([dataclasses.asdict(config), began])


def draw_latents(
    generator: Generator,
    seeds: list[int],
    labels: npt.NDArray[np.int64] | None = None,
    *,
    truncation_psi: float = 1.0,
) -> Tensor:
    """Sample the latent of each content seed.

    Args:
        generator: The generator.
        seeds: One per video, from 0 to 2**32 - 1.
        labels: Class of each video [n], for a generator that has them.
        truncation_psi: See `Mapping`.

    Returns:
        [n, latent_dim].

    Raises:
        ConfigError: The generator has classes and none was named, or a class is out of range.
        MismatchError: Classes were named for a generator without any.

    Source:
        Official code: stylegan2-ada-pytorch, generate.py (z of a seed is
            RandomState(seed).randn; so a seed shows the same picture here and there).
    """
    rows = [np.random.RandomState(seed).randn(generator.z_dim) for seed in seeds]
    z = torch.from_numpy(np.stack(rows).astype(np.float32)).to(generator.device)
    chosen = None if labels is None else torch.from_numpy(labels)
    with torch.inference_mode(), one_thread(generator.device):
        c = generator.one_hot(chosen, len(z))
        return generator.mapping(z, c, truncation_psi=truncation_psi)


def draw_contents(
    generator: Generator,
    seeds: list[int],
    *,
    label: int | None = None,
    truncation_psi: float = 1.0,
) -> Trajectory:
    """Sample the latent of each content seed, as a video of one frame.

    Args:
        generator: The generator.
        seeds: One per video, from 0 to 2**32 - 1.
        label: Class of all videos, for a generator that has them.
        truncation_psi: See `Mapping`.

    Returns:
        [n, 1, latent_dim].

    Raises:
        ConfigError: The generator has classes and none was named, or there is no such class.
        MismatchError: A class was named for a generator without any.
    """
    labels = None if label is None else np.full(len(seeds), label, np.int64)
    latents = draw_latents(generator, seeds, labels, truncation_psi=truncation_psi)
    record = generator.origin.file if generator.origin else None
    meta = LatentsMeta(
        space=generator.space,
        seeds=seeds,
        generator=record,
        gpu=describe_gpu(generator.device) or None,
    )
    return Trajectory(latents=latents.cpu().numpy()[:, None], labels=labels, meta=meta)


def load_motion_and_generator(
    motion: Path | str | None,
    generator: Path | None,
    *,
    start: Trajectory | None = None,
    start_name: str = "the start",
    pca: Path | str | None = None,
    step_size: float | None = None,
    device: torch.device,
    precision: torch.dtype,
    warn: Callable[[str], None],
) -> tuple[MotionGenerator, Generator]:
    """Load a motion model, and the named or recorded generator.

    Args:
        motion: See `load_motion`, as for `pca` and `step_size`.
        generator: Its weights; `None` for what the start was found with, or else the motion model
            trained with.
        start: Where videos are to begin, if they have a start.
        start_name: What it is called in messages: a path, or "<stdin>".
        pca: The basis of an authors' motion model.
        step_size: How far one frame may move, in place of what the model says.
        device: Device of both.
        precision: Precision of the generator's convolutions.
        warn: Called if the motion model was trained with another generator.

    Raises:
        ConfigError: No generator was named, and the motion model records none.
        FileFormatError: A file is missing, damaged, or something else.
        MismatchError: They move and take latents of different sizes.
    """
    model = load_motion(motion, pca=pca, step_size=step_size, device=device)
    assert model.origin is not None
    record = None if start is None else start.meta.generator
    network = find_generator(
        generator,
        record or model.generator_record,
        name=start_name if record else model.origin.path,
        device=device,
        precision=precision,
    )
    if (misfit := check_motion_fits(model, network)) is not None:
        warn(misfit)
    return model, network


def check_motion_fits(motion: MotionGenerator, generator: Generator) -> str | None:
    """Check that a motion model belongs to a generator.

    Returns:
        A warning, if it fits but was trained with another generator, else `None`.

    Raises:
        MismatchError: It moves latents of another size.
    """
    origin = generator.origin
    motion_name = motion.origin.path if motion.origin else "the motion model"
    generator_name = origin.file.path if origin else "the generator"
    if motion.latent_dim != generator.latent_dim:
        trained_with = motion.generator_record
        raise MismatchError(
            f"{motion_name}: moves latents of {motion.latent_dim} dimensions, "
            f"{generator_name} has {generator.latent_dim}",
            hint=f"it was trained with {trained_with.path}" if trained_with else None,
        )
    trained = motion.generator_record
    if trained is None or origin is None or origin.is_of(trained):
        return None
    return (
        f"{motion_name} was trained with {trained.path} ({trained.sha256[:12]}), "
        f"not with {generator_name} ({origin.file.sha256[:12]})"
    )


def _choose_starts(
    start: Trajectory, config: SampleConfig
) -> tuple[Tensor, npt.NDArray[np.int64] | None, list[int] | None]:
    """Return first latents, classes and content seeds of the videos to come."""
    if config.seeds is not None or config.labels is not None:
        raise ConfigError("a start replaces content seeds and classes, got both")
    if not -start.num_frames <= config.start_frame < start.num_frames:
        raise ConfigError(
            f"there is no frame {config.start_frame} in a start of {start.num_frames} frames"
        )
    latents = start.latents[:, config.start_frame]
    n = config.plan_videos(num_starts=len(latents)).num_videos
    rows = np.arange(n) if len(latents) > 1 else np.zeros(n, np.int64)
    labels = None if start.labels is None else start.labels[rows]
    seeds = start.meta.seeds
    known = None if seeds is None or len(seeds) != len(latents) else [seeds[row] for row in rows]
    return torch.from_numpy(latents[rows]), labels, known


def _unroll_videos(
    motion: MotionGenerator,
    first: Tensor,
    motion_seeds: list[int],
    *,
    num_frames: int,
    batch_size: int,
    progress: Progress | None,
) -> Latents:
    latents = np.empty((len(first), num_frames, *first.shape[1:]), np.float32)
    for begin in range(0, len(first), batch_size):
        videos = slice(begin, begin + batch_size)
        rngs = [derive_rng(seed, "motion") for seed in motion_seeds[videos]]
        noise = motion.iter_noise(len(rngs), num_frames, rng=rngs)
        with torch.inference_mode(), one_thread(motion.device):
            steps = motion.unroll(first[videos].to(motion.device), noise)
            for frame_idx, latent in enumerate(steps):
                latents[videos, frame_idx] = latent.cpu().numpy()
        if progress is not None:
            progress(len(rngs))
    return latents


def traverse_basis(
    generator: Generator,
    basis: PCABasis,
    *,
    config: TraverseConfig | None = None,
) -> Trajectory:
    """Walk from one latent along each direction of a basis, both ways.

    Args:
        generator: The generator.
        basis: The directions.
        config: How many, how far, in how many steps; `None` for the defaults.

    Returns:
        One video per component [k, num_frames, latent_dim], from -reach to +reach standard
        deviations; with an odd number of frames, the latent itself is in the middle.

    Raises:
        ConfigError: The basis has fewer components.
        MismatchError: The basis belongs to latents of another size.

    Source:
        Paper: Appendix E (five steps from -2 to +2 along each of the first 20 components).
    """
    config = TraverseConfig() if config is None else config
    if basis.latent_dim != generator.latent_dim:
        raise MismatchError(
            f"the basis is for latents of {basis.latent_dim} dimensions, "
            f"the generator has {generator.latent_dim}",
            hint="`moco pca` makes the basis for a generator",
        )
    if config.num_components > basis.num_components:
        raise ConfigError(
            f"{config.num_components} components, the basis has {basis.num_components}",
            hint=f"--num-components {basis.num_components}",
        )

    # straight ways through one latent, a row for each direction
    k, t = config.num_components, config.num_frames
    one_label = None if config.label is None else np.array([config.label], np.int64)
    middle = draw_latents(generator, [config.seed], one_label, truncation_psi=config.truncation_psi)
    far = np.linspace(-config.reach, config.reach, t) if t > 1 else np.zeros(1)
    walks = far.astype(np.float32)[None, :, None] * basis.directions[:k, None]  # [k, t, d]
    record: FileRecord | None = generator.origin.file if generator.origin else None
    meta = LatentsMeta(
        space=generator.space,
        fps=config.fps,
        seeds=[config.seed] * k,
        generator=record,
        gpu=describe_gpu(generator.device) or None,
    )
    labels = None if one_label is None else one_label.repeat(k)
    return Trajectory(latents=middle.cpu().numpy() + walks, labels=labels, meta=meta)
