"""`moco train-motion --latents` as one call: latents of real clips -> a motion model."""

import contextlib
import copy
import dataclasses
import functools
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mocotool.basis import PCABasis
from mocotool.configs.train_latent_motion import LEAST_PICTURES, TrainLatentMotionConfig
from mocotool.devices import (
    describe_device,
    measured_convolutions,
    resolve_device,
    resolve_precision,
)
from mocotool.errors import ConfigError
from mocotool.files import sha256_file
from mocotool.generators.base import Generator
from mocotool.generators.recorded import find_generator
from mocotool.latents import LatentsMeta, Trajectory, check_latents_fit, read_latents
from mocotool.metrics.held_out_motion import HeldOutMotion
from mocotool.metrics.motion_features import MIN_FRAMES
from mocotool.metrics.sources import RenderedLatents
from mocotool.motion.checkpoint import save_motion
from mocotool.motion.guided import GuidedMotion
from mocotool.motion.latent_clips import LatentClips, check_learnable, cut_basis, measure_metric
from mocotool.motion.latent_game import LatentMotionTrainer
from mocotool.motion.latent_plan import PLANNED, fit_budget, time_step
from mocotool.motion.latent_training import (
    match_liveliness,
    remove_common_drift,
    train_latent_motion,
)
from mocotool.motion.preparation import find_basis
from mocotool.motion.surrogate import (
    PicturedClips,
    fit_surrogate,
    load_pictured,
    picture_clips,
    save_pictured,
)
from mocotool.provenance import portable_path
from mocotool.runs.beginning import Beginning
from mocotool.training.budget import Deadline
from mocotool.training.distributed import Processes
from mocotool.training.listeners import Listeners, RunProgress, ignore
from mocotool.training.networks import count_parameters
from mocotool.training.run_folder import RunFolder
from mocotool.training.stopping import catch_stop_signals

MOTION_NAME, BEST_NAME = "motion.safetensors", "best.safetensors"
SURROGATE_NAME = "surrogate.safetensors"
NUM_WALKS = 1024  # whose common drift is removed


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TrainedLatentMotion:
    """Result of `train_latent_motion_run`."""

    motion: Path
    """The averaged motion model, for `load_motion`."""
    steps: int
    """Steps taken, those of the runs that were resumed included."""
    clips: int
    """Training clips."""
    held_out: int
    """Held-out clips."""


def train_latent_motion_run(
    latents: Path | str,
    generator: Path | str | None,
    out: Path | str,
    *,
    config: TrainLatentMotionConfig | None = None,
    pca: Path | str | None = None,
    resume: bool = False,
    asked: Collection[str] | None = None,
    device: str = "auto",
    precision: str = "auto",
    progress: Callable[[RunProgress], None] = ignore,
    note: Callable[[str], None] = ignore,
    warn: Callable[[str], None] = ignore,
    stop: Callable[[], bool] | None = None,
) -> TrainedLatentMotion:
    """Learn motion from latents of real clips: all of `moco train-motion --latents`.

    Args:
        latents: Trajectories, from `invert_clips` or `moco invert`.
        generator: Weights of the generator of the latents; `None` for the one they record.
        out: Folder of the run; created if it does not exist.
        config: Settings; `None` for the defaults. The number of components is lowered to what the
            basis has.
        pca: PCA basis, or the authors' folder of one; `None` computes one from 100,000 latents.
        resume: Continue the run in `out`.
        asked: Names of settings that `config.budget` must not change; `None` for all that differ
            from their defaults.
        device: Device for rendering: "auto", "cpu", "cuda", "cuda:N" or "mps".
        precision: Precision of rendering: "auto", "fp32", "tf32", "bf16" or "fp16".
        progress: Called with the progress of each stage and the values of each step.
        note: Called with the settings that were chosen automatically.
        warn: Called with warnings, also about the motion.
        stop: Called after each step; true stops the run.

    Returns:
        Path of the model, number of steps, and numbers of clips.

    Raises:
        ConfigError: `out` holds a run and `resume` is off, or holds none and it is on.
        FileFormatError: A file is missing, damaged or of another kind.
        MismatchError: The files do not belong together, or not to the run that is resumed.
        UnavailableError: The device is not available.
        StoppedError: The run was asked to stop, and saved.
        DivergedError: A loss is NaN or infinite; the last saved state stays.
    """
    config = config or TrainLatentMotionConfig()
    heard = Listeners(progress=progress, note=note, warn=warn)
    run, beginning = _begin(config, heard, asked=asked).take_folder(out, resume=resume)
    deadline = beginning.deadline
    latents = Path(latents)
    prepared = _prepare(
        beginning, config, latents, generator, pca, device=device, precision=precision
    )
    source, config = prepared.generator, prepared.config

    # The folder is claimed before anything slow, so that a second run in it fails at once.
    run.open(
        config,
        resume=beginning.resumes,
        inputs={
            "latents": {"path": portable_path(latents), "sha256": sha256_file(latents)},
            "generator": source.origin.file.as_json() if source.origin else None,
        },
        warn=warn,
    )
    with contextlib.closing(run):
        # features of the clips are rendered now, or read from the resumed run
        trainer = prepared.make_trainer(_find_pictured(prepared, run, beginning))
        if beginning.resumes:
            trainer.resume(run, warn=warn)
        with catch_stop_signals(stop) as request:
            train_latent_motion(
                trainer,
                run,
                save_motion=functools.partial(
                    _save_lively,
                    trainer,
                    source,
                    run,
                    frame_stride=prepared.trajectory.meta.frame_stride,
                ),
                on_step=heard.follow("steps", config.num_steps, begun=trainer.step_idx),
                warn=warn,
                stop=request,
                judge=_load_judge(trainer, source),
                deadline=deadline,
            )
        deadline.tell_cut(note, reached=f"{trainer.step_idx} steps")
    return TrainedLatentMotion(
        motion=run.path / MOTION_NAME,
        steps=trainer.step_idx,
        clips=len(trainer.clips.seen),
        held_out=len(trainer.clips.held_out),
    )


def plan_latent_motion_run(
    latents: Path | str,
    generator: Path | str | None = None,
    *,
    config: TrainLatentMotionConfig | None = None,
    pca: Path | str | None = None,
    asked: Collection[str] | None = None,
    device: str = "auto",
    precision: str = "auto",
    progress: Callable[[RunProgress], None] = ignore,
    note: Callable[[str], None] = ignore,
    warn: Callable[[str], None] = ignore,
) -> dict[str, Any]:
    """Return what `train_latent_motion_run` would do, without writing; arguments as there.

    Returns:
        Name -> value: numbers of clips and parameters, and the time per step, measured on a few.

    Raises:
        MocoError: As `train_latent_motion_run`.
    """
    config = config or TrainLatentMotionConfig()
    heard = Listeners(progress=progress, note=note, warn=warn)
    beginning = _begin(config, heard, asked=asked)
    prepared = _prepare(
        beginning, config, Path(latents), generator, pca, device=device, precision=precision
    )

    # an untrained one takes as long per step
    trainer = prepared.make_quick_trainer()
    seconds = time_step(trainer)
    clips, num_steps = trainer.clips, trainer.config.num_steps
    return {
        "clips": len(clips.seen),
        "held_out": len(clips.held_out),
        "frames_per_clip": clips.seen.coords.shape[1],
        "parameters": count_parameters(trainer.motion),
        "components": trainer.config.num_components,
        "pictures": trainer.config.num_pictures,
        "clips_per_step": trainer.config.batch_size,
        "steps": num_steps,
        "estimated_seconds_per_step": seconds,
        "estimated_hours": seconds * num_steps / 3600,
    }


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class _Prepared:
    """Everything a run needs before anything is rendered."""

    trajectory: Trajectory
    generator: Generator
    basis: PCABasis
    """The directions in use."""
    config: TrainLatentMotionConfig

    def make_trainer(self, pictured: PicturedClips | None) -> LatentMotionTrainer:
        """Return a trainer on the latents and, if known, their rendered features."""
        config = self.config
        return LatentMotionTrainer(
            self.generator,
            self.basis,
            self.split(None if pictured is None else pictured.pictures),
            measure_metric(self.generator, self.basis, seed=config.seed),
            config,
            surrogate=None if pictured is None else pictured.surrogate,
        )

    def make_quick_trainer(self) -> LatentMotionTrainer:
        """Return a trainer for timing, with an untrained surrogate and random features."""
        if not self.config.num_pictures:
            return self.make_trainer(None)
        fit = fit_surrogate(self.generator, num_pictures=LEAST_PICTURES, seed=self.config.seed)
        guesses = fit.surrogate(torch.from_numpy(self.trajectory.latents))
        return self.make_trainer(PicturedClips(fit.surrogate, guesses))

    def split(self, pictures: Tensor | None = None) -> LatentClips:
        """Split the clips into training and held-out ones."""
        return LatentClips.split(
            self.trajectory,
            self.basis,
            share=self.config.held_out,
            seed=self.config.seed,
            pictures=pictures,
        )


def _begin(
    config: TrainLatentMotionConfig, heard: Listeners, *, asked: Collection[str] | None
) -> Beginning:
    """Begin in this process alone, even under `torchrun`."""
    deadline = Deadline(config.budget)
    return Beginning(processes=Processes(), heard=heard, deadline=deadline, asked=asked)


def _prepare(
    beginning: Beginning,
    config: TrainLatentMotionConfig,
    latents: Path,
    generator: Path | str | None,
    pca: Path | str | None,
    *,
    device: str,
    precision: str,
) -> _Prepared:
    """Read the files, and choose settings that fit them and the time budget."""
    heard = beginning.heard
    trajectory = read_latents(latents)
    check_learnable(trajectory, name=str(latents))
    source = _find_generator(
        generator, trajectory, latents, device=device, precision=precision, heard=heard
    )
    misfit = check_latents_fit(trajectory, source, name=str(latents))
    if misfit is not None:
        heard.warn(misfit)
    if source.space == "w" and source.c_dim:
        raise ConfigError(
            "motion cannot be learnt from latents of a generator that has classes",
            hint="learn it from videos: moco train-motion --videos DIR --generator FILE",
        )

    # The widest directions of a basis
    asked = beginning.list_asked(config)
    whole = find_basis(
        source,
        pca,
        note=heard.note,
        progress=heard.count("latents"),
    )
    basis = cut_basis(whole, config.num_components)
    config = dataclasses.replace(config, num_components=basis.num_components)
    prepared = _Prepared(trajectory=trajectory, generator=source, basis=basis, config=config)
    prepared.split()  # clips that cannot be learnt from are refused here

    # What a time budget leaves to be chosen
    if config.budget is None:
        return prepared
    if beginning.resumes:
        changes = beginning.take_planned(PLANNED, asked=asked)
        return dataclasses.replace(prepared, config=dataclasses.replace(config, **changes))
    config = fit_budget(
        prepared.make_quick_trainer(),
        source,
        beginning.deadline,
        num_frames=trajectory.num_videos * trajectory.num_frames,
        asked=asked,
    )
    assert config.budget is not None
    heard.note(f"{config.budget / 60:.3g} minutes: {config.num_steps} steps")
    return dataclasses.replace(prepared, config=config)


def _find_generator(
    generator: Path | str | None,
    trajectory: Trajectory,
    latents: Path,
    *,
    device: str,
    precision: str,
    heard: Listeners,
) -> Generator:
    place = resolve_device(device)
    dtype = resolve_precision(precision, place)
    heard.note(f"computing on {describe_device(place, dtype)}")
    return find_generator(
        None if generator is None else Path(generator),
        trajectory.meta.generator,
        name=str(latents),
        device=place,
        precision=dtype,
    )


def _load_judge(trainer: LatentMotionTrainer, generator: Generator) -> HeldOutMotion | None:
    """Return the metric of sampled walks against the latents of real clips, both rendered."""
    config, clips = trainer.config, trainer.clips
    windows = clips.held_out if len(clips.held_out) > 1 else clips.seen
    if config.num_frames < MIN_FRAMES or len(windows) < 2:
        return None
    latents = trainer.averaged.from_coords(windows.coords).numpy()
    real = Trajectory(latents=latents, meta=LatentsMeta(space=generator.space))
    return HeldOutMotion(
        RenderedLatents(real, generator, name="held-out clips"),
        generator,
        num_frames=config.num_frames,
        seed=config.seed,
    )


def _find_pictured(
    prepared: _Prepared, run: RunFolder, beginning: Beginning
) -> PicturedClips | None:
    """Return the clips' rendered features and their surrogate: those of the run, or new ones."""
    config, path = prepared.config, run.path / SURROGATE_NAME
    if not config.num_pictures:
        return None
    if beginning.resumes and path.exists():
        return load_pictured(path, trajectory=prepared.trajectory)
    heard, generator = beginning.heard, prepared.generator
    with measured_convolutions(generator.device, generator.synthesis.compute_dtype):
        fit = fit_surrogate(
            generator,
            num_pictures=config.num_pictures,
            seed=config.seed,
            progress=heard.count("pictures"),
        )
        heard.note(
            f"a stand-in for the generator guesses {fit.agreement:.0%} of how pictures differ"
        )
        pictures = picture_clips(
            generator, fit.surrogate, prepared.trajectory, progress=heard.count("frames")
        )
    pictured = PicturedClips(fit.surrogate, pictures)
    if run.writes:
        save_pictured(pictured, path)
    return pictured


def _save_lively(
    trainer: LatentMotionTrainer,
    generator: Generator,
    run: RunFolder,
    motion: GuidedMotion,
    step: int,
    *,
    frame_stride: int | None,
    is_best: bool,
) -> None:
    """Write a model without the drift common to all walks, with the liveliness of the clips."""
    config, lively = trainer.config, copy.deepcopy(motion)
    remove_common_drift(lively, lively.from_coords(trainer.pool[:NUM_WALKS]), seed=config.seed)
    match_liveliness(
        lively, generator, trainer.clips.seen, share=config.liveliness, seed=config.seed
    )
    for name in (MOTION_NAME, BEST_NAME)[: 1 + is_best]:
        save_motion(
            lively,
            run.path / name,
            config=dataclasses.asdict(config) | {"frame_stride": frame_stride},
            notes={"steps": step, "trained_by": run.command, "recipe": "latents"},
        )
