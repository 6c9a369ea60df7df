"""`moco train-motion` as one call: videos and a generator -> a folder with a motion model."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mocotool.basis import PCABasis
from mocotool.configs.train_motion import AUTO, TrainMotionConfig
from mocotool.devices import describe_gpu
from mocotool.generators.base import Generator
from mocotool.generators.loading import load_generator
from mocotool.metrics.held_out_motion import HeldOutMotion
from mocotool.metrics.motion_features import MIN_FRAMES
from mocotool.metrics.sources import VideoFiles
from mocotool.motion.checkpoint import save_motion
from mocotool.motion.compilation import (
    Compilation,
    choose_compilation,
    compile_failures_named,
)
from mocotool.motion.generator import DEFAULT_STEP_SIZE, MotionGenerator
from mocotool.motion.official_run import LATEST
from mocotool.motion.plan import PLANNED, fit_budget, plan_training
from mocotool.motion.preparation import find_basis, fit_config
from mocotool.motion.start import Start, find_start
from mocotool.motion.step_size import match_step_size
from mocotool.motion.trainer import MotionTrainer
from mocotool.motion.training import train_motion
from mocotool.runs.beginning import Beginning, joined_beginning, load_share, open_run
from mocotool.training.listeners import Listeners, RunProgress, ignore
from mocotool.training.run_folder import RunFolder
from mocotool.training.stopping import catch_stop_signals
from mocotool.video.clips import ClipDataset, clip_span, read_or_replace
from mocotool.video.listing import VideoListing, hold_out_clips, list_videos
from mocotool.video.loading import BatchLoader, load_clips
from mocotool.video.pictures import tile_frames
from mocotool.video.writing import write_video

MOTION_NAME, BEST_NAME = "motion.safetensors", "best.safetensors"
PREVIEW_FPS = 12
NUM_PROBED = 32  # real clips for measuring the change per frame


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TrainedMotion:
    """Result of `train_motion_run`."""

    motion: Path
    """The averaged motion model, for `load_motion`."""
    steps: int
    """Steps taken, those of the runs that were resumed included."""


def train_motion_run(
    videos: Path | str,
    generator: Path | str | None,
    out: Path | str,
    *,
    config: TrainMotionConfig | None = None,
    pca: Path | str | None = None,
    motion: Path | str | None = None,
    init_run: Path | str | None = None,
    epoch: str = LATEST,
    resume: bool = False,
    asked: Collection[str] | None = None,
    compile: bool = False,
    cuda_graphs: bool = False,
    device: str = "auto",
    precision: str = "auto",
    progress: Callable[[RunProgress], None] = ignore,
    note: Callable[[str], None] = ignore,
    warn: Callable[[str], None] = ignore,
    stop: Callable[[], bool] | None = None,
) -> TrainedMotion:
    """Learn motion from videos for a frozen image generator: all of `moco train-motion`.

    Everything goes into the run's folder: the model, previews, metrics, and the state that
    `resume=True` goes on from, to the last bit. Ctrl-C and SIGTERM, where this is the main thread,
    and `stop` let the run save before it ends. Under `torchrun` all processes train together.

    Args:
        videos: Folder of videos or numbered frames.
        generator: Weights of the image generator; `None` for the bundled one.
        out: Folder of the run; created if it does not exist.
        config: Settings; `None` for the reference recipe with `step_size="auto"`. Sizes are lowered
            to what the generator and the basis have.
        pca: PCA basis, or the authors' folder of one; `None` computes one from 100,000 latents.
        motion: Motion model to start from.
        init_run: Run of the authors' program to start from.
        epoch: Which of its epochs.
        resume: Continue the run in `out`.
        asked: Names of settings that `config.budget` must not change; `None` for all that differ
            from their defaults.
        compile: Compile networks with `torch.compile`.
        cuda_graphs: Compile them and let the GPU replay them as CUDA graphs.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        precision: What convolutions compute in: "auto", "fp32", "tf32", "bf16" or "fp16".
        progress: Called with the progress of each stage and the values of each step.
        note: Called with the settings that were chosen automatically.
        warn: Called with warnings: unreadable videos, motion that dies away.
        stop: Called after each step; true stops the run.

    Returns:
        Path of the model, and number of steps.

    Raises:
        ConfigError: `out` holds a run and `resume` is off, or holds none and it is on; or settings
            contradict each other or the files.
        FileFormatError: A file is missing, damaged or of another kind, or no video can be used.
        MismatchError: The files do not belong together, or not to the run that is resumed.
        UnavailableError: The device or the compiler is not available.
        StoppedError: The run was asked to stop, and saved.
        DivergedError: A loss or a weight is NaN or infinite; the last saved state stays.
    """
    config = config or TrainMotionConfig(step_size=AUTO)
    read_start = functools.partial(find_start, motion, init_run=init_run, epoch=epoch, pca=pca)
    heard = Listeners(progress=progress, note=note, warn=warn)
    compilation = choose_compilation(compile=compile, cuda_graphs=cuda_graphs)
    with (
        joined_beginning(heard, budget=config.budget, asked=asked, device=device) as joined,
        _compiling(compilation, joined),
    ):
        run, beginning = joined.take_folder(out, resume=resume)
        heard, deadline = beginning.heard, beginning.deadline
        prepared = _prepare(
            beginning,
            config,
            videos,
            generator,
            pca,
            read_start=read_start,
            precision=precision,
            compilation=compilation,
        )
        listing, trainer = prepared.listing, prepared.trainer

        origin = trainer.generator.origin
        open_run(
            run,
            beginning,
            trainer.config,
            videos=videos,
            counted={"frames": listing.num_frames},
            generator=origin.file if origin else None,
            precision=trainer.generator.synthesis.compute_dtype,
            machine={"compiled": compilation is not None, "cuda_graphs": cuda_graphs},
        )

        # the real clips stay open for as long as training reads them
        with (
            contextlib.closing(run),
            contextlib.closing(_load(listing, trainer.config, run, heard)) as clips,
        ):
            if beginning.resumes:
                trainer.resume(run, clips, warn=heard.warn)
            num_steps = trainer.config.num_steps
            with catch_stop_signals(stop) as request:
                train_motion(
                    trainer,
                    clips,
                    run,
                    save_motion=functools.partial(_write_motion, run, trainer.config),
                    save_preview=functools.partial(_write_preview, run),
                    on_step=heard.follow("steps", num_steps, begun=trainer.step_idx),
                    warn=heard.warn,
                    stop=request,
                    deadline=deadline,
                    judge=_load_judge(prepared) if run.writes else None,
                    save_best=functools.partial(_write_motion, run, trainer.config, name=BEST_NAME),
                )
            deadline.tell_cut(heard.note, reached=f"{trainer.step_idx} steps")
        return TrainedMotion(motion=run.path / MOTION_NAME, steps=trainer.step_idx)


def plan_motion_run(
    videos: Path | str,
    generator: Path | str | None = None,
    *,
    config: TrainMotionConfig | None = None,
    pca: Path | str | None = None,
    motion: Path | str | None = None,
    init_run: Path | str | None = None,
    epoch: str = LATEST,
    asked: Collection[str] | None = None,
    compile: bool = False,
    cuda_graphs: bool = False,
    device: str = "auto",
    precision: str = "auto",
    progress: Callable[[RunProgress], None] = ignore,
    note: Callable[[str], None] = ignore,
    warn: Callable[[str], None] = ignore,
) -> dict[str, Any]:
    """Return what `train_motion_run` would do, without writing anything; arguments as there.

    Returns:
        Name -> value: numbers of videos, frames and parameters, and estimates of time and memory
        from one small step; see `moco train-motion --dry-run`.

    Raises:
        MocoError: As `train_motion_run`.
    """
    config = config or TrainMotionConfig(step_size=AUTO)
    read_start = functools.partial(find_start, motion, init_run=init_run, epoch=epoch, pca=pca)
    heard = Listeners(progress=progress, note=note, warn=warn)
    compilation = choose_compilation(compile=compile, cuda_graphs=cuda_graphs)
    with (
        joined_beginning(heard, budget=config.budget, asked=asked, device=device) as beginning,
        _compiling(compilation, beginning),
    ):
        prepared = _prepare(
            beginning,
            config,
            videos,
            generator,
            pca,
            read_start=read_start,
            precision=precision,
            compilation=compilation,
        )
        listing, held_out = prepared.listing, prepared.held_out

        # the data, then what one small step suggests
        found = {
            "videos": len(listing.entries),
            "video_frames": listing.num_frames,
            "held_out": 0 if held_out is None else len(held_out.entries),
        }
        return found | plan_training(prepared.trainer)


@contextlib.contextmanager
def _compiling(compilation: Compilation | None, beginning: Beginning) -> Iterator[None]:
    """Learn at once whether a compiler works, and say what it cannot do in the block."""
    if compilation is None:
        yield
        return
    device = beginning.processes.device
    compilation.check(device)
    with compile_failures_named(device):
        yield


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Prepared:
    """Everything a run needs before its first step."""

    listing: VideoListing
    held_out: VideoListing | None
    trainer: MotionTrainer


def _prepare(
    beginning: Beginning,
    config: TrainMotionConfig,
    videos: Path | str,
    generator: Path | str | None,
    pca: Path | str | None,
    *,
    read_start: Callable[[], Start],
    precision: str,
    compilation: Compilation | None,
) -> _Prepared:
    """List the videos, and build the trainer with settings that fit the files."""
    heard, processes = beginning.heard, beginning.processes
    config = _take_over(config, beginning)
    span = clip_span(config.num_frames, config.frame_stride)
    found = list_videos(videos, min_frames=span, warn=heard.warn, advance=heard.count("videos"))
    listing, held_out = hold_out_clips(found, config.held_out, note=heard.note)
    dtype = beginning.choose_precision(precision)
    source = load_generator(generator, device=processes.device, precision=dtype)

    # settings that nobody typed follow the checkpoint, then the files, then the time budget
    start = read_start()
    config = start.settle(config, note=heard.note)
    basis = find_basis(
        source, pca, start=start.motion, note=heard.note, progress=heard.count("latents")
    )
    config = fit_config(config, source, basis, num_videos=len(listing.entries), note=heard.note)
    budget = config.budget
    if budget is not None and not beginning.resumes:
        asked = beginning.list_asked(config)
        deadline = beginning.deadline
        config = fit_budget(config, deadline, source, basis, asked=asked, processes=processes)
        heard.note(
            f"{budget / 60:.3g} minutes: {config.num_steps} steps of {config.batch_size} "
            f"clips at {config.frame_size} pixels"
        )
    config = _settle_step_size(config, listing, source, basis, heard=heard)
    trainer = start.make_trainer(
        source, basis, config, processes=processes, compilation=compilation, note=heard.note
    )
    return _Prepared(listing=listing, held_out=held_out, trainer=trainer)


def _take_over(config: TrainMotionConfig, beginning: Beginning) -> TrainMotionConfig:
    """Return settings with the values that a resumed run measured when it began."""
    begun = beginning.begun
    if begun is None:
        return config
    changes: dict[str, Any] = {}
    for name in ("graph_mb", "chunk_size"):  # decided by memory when the run began
        if getattr(config, name) is None and name in begun:
            changes[name] = begun[name]
    if config.step_size == AUTO:
        changes["step_size"] = begun.get("step_size", AUTO)
    if config.budget is not None:
        changes |= beginning.take_planned(PLANNED, asked=beginning.list_asked(config))
    if "held_out" not in begun:  # a run from before, which learnt from all files
        changes["held_out"] = 0.0
    return dataclasses.replace(config, **changes)


def _settle_step_size(
    config: TrainMotionConfig,
    listing: VideoListing,
    generator: Generator,
    basis: PCABasis,
    *,
    heard: Listeners,
) -> TrainMotionConfig:
    """Return settings with a numeric step size; "auto" is measured on some clips."""
    if config.step_size != AUTO:
        return config
    if not config.residual:  # every latent is new, so that there are no steps
        return dataclasses.replace(config, step_size=DEFAULT_STEP_SIZE)
    clips = ClipDataset(
        listing,
        num_frames=config.num_frames,
        frame_stride=config.frame_stride,
        size=config.frame_size,
        seed=config.seed,
    )
    real = np.stack([read_or_replace(clips, position)[0] for position in range(NUM_PROBED)])
    step_size = match_step_size(generator, basis, config, torch.from_numpy(real))
    heard.note(f"step size {step_size:g}: untrained clips change as much as real ones")
    return dataclasses.replace(config, step_size=step_size)


def _load(
    listing: VideoListing, config: TrainMotionConfig, run: RunFolder, heard: Listeners
) -> BatchLoader:
    load = functools.partial(
        load_clips,
        num_frames=config.num_frames,
        frame_stride=config.frame_stride,
        size=config.frame_size,
        batch_size=config.batch_size,
        seed=config.seed,
    )
    return load_share(load, listing, run, heard)


def _load_judge(prepared: _Prepared) -> HeldOutMotion | None:
    """Return the metric of sampled walks against real clips, held-out ones if there are any."""
    trainer, config = prepared.trainer, prepared.trainer.config
    listing = prepared.held_out or prepared.listing
    if config.num_frames < MIN_FRAMES or len(listing.entries) < 2:
        return None
    return HeldOutMotion(
        VideoFiles(listing),
        trainer.generator,
        num_frames=config.num_frames,
        stride=config.frame_stride,
        seed=config.seed,
    )


def _write_motion(
    run: RunFolder,
    config: TrainMotionConfig,
    motion: MotionGenerator,
    step: int,
    *,
    name: str = MOTION_NAME,
) -> None:
    save_motion(
        motion,
        run.path / name,
        config=dataclasses.asdict(config),
        notes={
            "steps": step,
            "trained_by": run.command,
            **describe_gpu(run.processes.device),
        },
    )


def _write_preview(run: RunFolder, frames_u8: Tensor, step: int) -> None:
    """Write clips [n, t, h, w, 3] side by side."""
    tiled = tile_frames(list(frames_u8.numpy()))
    write_video(run.sample_path(step, ".mp4"), [tiled], fps=PREVIEW_FPS)
