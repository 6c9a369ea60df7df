"""`moco train-motion --latents` as one call: latents of real clips -> a motion model."""

import contextlib
import copy
import dataclasses
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import torch

from mocotool.configs.option import list_changed
from mocotool.configs.train_latent_motion import TrainLatentMotionConfig
from mocotool.devices import describe_device, resolve_device, resolve_training_precision
from mocotool.files import sha256_file
from mocotool.generators.base import Generator
from mocotool.generators.recorded import find_generator
from mocotool.latents import LatentsMeta, Trajectory, check_latents_fit, read_latents
from mocotool.metrics.held_out_motion import HeldOutMotion
from mocotool.metrics.motion_features import MIN_FRAMES
from mocotool.metrics.sources import RenderedLatents
from mocotool.motion.checkpoint import save_motion
from mocotool.motion.guided import GuidedMotion
from mocotool.motion.latent_clips import LatentClips, cut_basis, measure_metric
from mocotool.motion.latent_game import LatentMotionTrainer
from mocotool.motion.latent_plan import PLANNED, fit_budget, fit_pictures, time_step
from mocotool.motion.latent_training import (
    match_liveliness,
    remove_common_drift,
    train_latent_motion,
)
from mocotool.motion.preparation import find_basis
from mocotool.motion.surrogate import (
    SurrogateFit,
    fit_surrogate,
    load_surrogate,
    picture_clips,
    save_surrogate,
)
from mocotool.provenance import portable_path
from mocotool.runs.beginning import take_planned
from mocotool.training.budget import Deadline
from mocotool.training.listeners import Listeners, RunProgress, ignore
from mocotool.training.networks import count_parameters
from mocotool.training.run_files import read_config
from mocotool.training.run_folder import RunFolder
from mocotool.training.stopping import catch_stop_signals

MOTION_NAME, BEST_NAME = "motion.safetensors", "best.safetensors"
SURROGATE_NAME = "surrogate.safetensors"
PLAN_PICTURES = 64
NUM_WALKS = 1024  # whose common drift is removed


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TrainedLatentMotion:
    """What `train_latent_motion_run` leaves."""

    motion: Path
    """The averaged motion model, for `load_motion`."""
    steps: int
    """Steps taken, those of the runs that were resumed included."""
    clips: int
    """Clips that were learnt from."""
    held_out: int
    """Clips that were not."""


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
        generator: Weights of the generator they belong to; `None` for those that they record.
        out: Folder of the run; made if it is not there.
        config: Settings; `None` for the defaults. The number of components is lowered to what the
            basis has.
        pca: PCA basis, or the authors' folder of one; `None` makes one of 100,000 latents.
        resume: Go on with the run in `out`.
        asked: Names of settings that `config.budget` must leave alone; `None` for those that differ
            from their defaults.
        device: Where to render: "auto", "cpu", "cuda", "cuda:N" or "mps".
        precision: What to render in: "auto", "fp32" or "bf16".
        progress: Told how far each stage is, and every step's values.
        note: Told what was chosen where nothing was said.
        warn: Told of what may surprise, and of what is wrong with the motion.
        stop: Asked after each step whether to stop.

    Returns:
        Where the model is, and what it was trained on.

    Raises:
        ConfigError: `out` holds a run already and `resume` is off, or none and it is on.
        FileFormatError: A file is missing or is not what it should be.
        MismatchError: The files do not belong together, or not to the run that is resumed.
        UnavailableError: The device is not there.
        StoppedError: The run was asked to stop, and saved.
        DivergedError: A loss is NaN or infinite; the last saved state stays.
    """
    heard = Listeners(progress=progress, note=note, warn=warn)
    deadline = Deadline(None if config is None else config.budget)
    latents = Path(latents)
    run = RunFolder(Path(out))
    run.check_place(resume=resume)
    source, trainer = _prepare(
        latents,
        generator,
        config=config,
        pca=pca,
        device=device,
        precision=precision,
        heard=heard,
        deadline=deadline,
        asked=asked,
        begun=read_config(run.path)["config"] if resume else None,
        folder=run.path,
    )

    run.open(
        trainer.config,
        resume=resume,
        inputs={
            "latents": {"path": portable_path(latents), "sha256": sha256_file(latents)},
            "generator": source.origin.file.as_json() if source.origin else None,
        },
        warn=warn,
    )

    if trainer.fit is not None and run.writes:
        save_surrogate(trainer.fit, run.path / SURROGATE_NAME)

    def save(motion: GuidedMotion, step: int, *, is_best: bool) -> None:
        lively = copy.deepcopy(motion)
        remove_common_drift(
            lively, lively.from_coords(trainer.pool[:NUM_WALKS]), seed=trainer.config.seed
        )
        match_liveliness(
            lively,
            source,
            trainer.clips.seen,
            share=trainer.config.liveliness,
            seed=trainer.config.seed,
        )
        for name in (MOTION_NAME, BEST_NAME)[: 1 + is_best]:
            save_motion(
                lively,
                run.path / name,
                config=dataclasses.asdict(trainer.config),
                notes={"steps": step, "trained_by": run.command, "recipe": "latents"},
            )

    with contextlib.closing(run):
        if resume:
            trainer.resume(run, warn=warn)
        with catch_stop_signals(stop) as request:
            train_latent_motion(
                trainer,
                run,
                save_motion=save,
                on_step=heard.follow("steps", trainer.config.num_steps, begun=trainer.step_idx),
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
        Name -> value: numbers of clips and parameters, and how long steps take, as a few say.

    Raises:
        MocoError: As `train_latent_motion_run`.
    """
    # A stand-in that has seen little takes as long to ask as one that has seen much.
    config = config or TrainLatentMotionConfig()
    tried = dataclasses.replace(config, num_pictures=min(config.num_pictures, PLAN_PICTURES))
    _, trainer = _prepare(
        Path(latents),
        generator,
        config=tried,
        pca=pca,
        device=device,
        precision=precision,
        heard=Listeners(progress=progress, note=note, warn=warn),
        deadline=Deadline(config.budget),
        asked=list_changed(config) if asked is None else asked,
    )
    seconds = time_step(trainer)
    clips, num_steps = trainer.clips, trainer.config.num_steps
    return {
        "clips": len(clips.seen),
        "held_out": len(clips.held_out),
        "frames_per_clip": clips.seen.coords.shape[1],
        "parameters": count_parameters(trainer.motion),
        "components": trainer.config.num_components,
        "pictures": config.num_pictures,
        "clips_per_step": trainer.config.batch_size,
        "steps": num_steps,
        "estimated_seconds_per_step": seconds,
        "estimated_hours": seconds * num_steps / 3600,
    }


def _prepare(
    latents: Path,
    generator: Path | str | None,
    *,
    config: TrainLatentMotionConfig | None,
    pca: Path | str | None,
    device: str,
    precision: str,
    heard: Listeners,
    deadline: Deadline,
    asked: Collection[str] | None,
    begun: Mapping[str, Any] | None = None,
    folder: Path | None = None,
) -> tuple[Generator, LatentMotionTrainer]:
    """Read the latents, and build the trainer with settings that fit the files and the time.

    `begun` holds the settings of the run to go on with, whose planned ones stay, and `folder` is
    where its surrogate of the generator may lie.
    """
    trajectory = read_latents(latents)
    source = _find_generator(
        generator, trajectory, latents, device=device, precision=precision, heard=heard
    )
    misfit = check_latents_fit(trajectory, source, name=str(latents))
    if misfit is not None:
        heard.warn(misfit)
    config = config or TrainLatentMotionConfig()
    asked = list_changed(config) if asked is None else asked
    if config.budget is not None and begun is not None:
        config = dataclasses.replace(config, **take_planned(begun, PLANNED, asked=asked))
    elif config.budget is not None and "num_pictures" not in asked:
        num_pictures = fit_pictures(source, deadline, wanted=config.num_pictures)
        config = dataclasses.replace(config, num_pictures=num_pictures)
    trainer = _make_trainer(trajectory, source, config, pca=pca, heard=heard, folder=folder)
    if config.budget is not None and begun is None:
        trainer.config = fit_budget(trainer, deadline, asked=asked)
        heard.note(f"{config.budget / 60:.3g} minutes: {trainer.config.num_steps} steps")
    return source, trainer


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
    dtype = resolve_training_precision(precision, place)
    heard.note(f"computing on {describe_device(place, dtype)}")
    return find_generator(
        None if generator is None else Path(generator),
        trajectory.meta.generator,
        name=str(latents),
        device=place,
        precision=dtype,
    )


def _load_judge(trainer: LatentMotionTrainer, generator: Generator) -> HeldOutMotion | None:
    """Return what compares walks with the latents of real clips, both rendered."""
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


def _make_trainer(
    trajectory: Trajectory,
    generator: Generator,
    config: TrainLatentMotionConfig,
    *,
    pca: Path | str | None,
    heard: Listeners,
    folder: Path | None,
) -> LatentMotionTrainer:
    """Return a trainer on latents in the widest directions of a basis."""
    whole = find_basis(
        generator,
        None if pca is None else Path(pca),
        note=heard.note,
        progress=heard.count("latents"),
    )
    basis = cut_basis(whole, config.num_components)
    config = dataclasses.replace(config, num_components=basis.num_components)
    # Clips that do not fit are refused before anything is rendered for them.
    clips = LatentClips.split(trajectory, basis, share=config.held_out, seed=config.seed)

    fit = None
    if config.num_pictures:
        fit = _find_surrogate(generator, config, folder, heard=heard)
        if folder is None:  # nothing will be learnt, and guesses take as long to look at
            pictures = fit.surrogate(torch.from_numpy(trajectory.latents))
        else:
            pictures = picture_clips(
                generator, fit.surrogate, trajectory, progress=heard.count("frames")
            )
        clips = LatentClips.split(
            trajectory, basis, share=config.held_out, seed=config.seed, pictures=pictures
        )
    metric = measure_metric(generator, basis, seed=config.seed)
    return LatentMotionTrainer(generator, basis, clips, metric, config, fit=fit)


def _find_surrogate(
    generator: Generator,
    config: TrainLatentMotionConfig,
    folder: Path | None,
    *,
    heard: Listeners,
) -> SurrogateFit:
    """Return the surrogate of the generator that the run began with, or a new one."""
    if folder is not None and (folder / SURROGATE_NAME).exists():
        return load_surrogate(folder / SURROGATE_NAME, generator=generator)
    fit = fit_surrogate(
        generator,
        num_pictures=config.num_pictures,
        seed=config.seed,
        progress=heard.count("pictures"),
    )
    heard.note(f"a stand-in for the generator guesses {fit.agreement:.0%} of how pictures differ")
    return fit
