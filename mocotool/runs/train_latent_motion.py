"""`moco train-motion --latents` as one call: latents of real clips -> a motion model."""

import contextlib
import copy
import dataclasses
from collections.abc import Callable
from pathlib import Path

from mocotool.configs.train_latent_motion import TrainLatentMotionConfig
from mocotool.devices import resolve_device, resolve_training_precision
from mocotool.files import sha256_file
from mocotool.generators.base import Generator
from mocotool.generators.recorded import find_generator
from mocotool.latents import Trajectory, check_latents_fit, read_latents
from mocotool.motion.checkpoint import save_motion
from mocotool.motion.guided import GuidedMotion
from mocotool.motion.latent_clips import LatentClips, cut_basis, measure_metric
from mocotool.motion.latent_game import LatentMotionTrainer
from mocotool.motion.latent_training import match_liveliness, train_latent_motion
from mocotool.motion.preparation import find_basis
from mocotool.provenance import portable_path
from mocotool.training.listeners import Listeners, RunProgress, ignore
from mocotool.training.run_folder import RunFolder
from mocotool.training.stopping import catch_stop_signals

MOTION_NAME, BEST_NAME = "motion.safetensors", "best.safetensors"


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
    latents = Path(latents)
    run = RunFolder(Path(out))
    run.check_place(resume=resume)
    trajectory = read_latents(latents)
    source = _find_generator(generator, trajectory, latents, device=device, precision=precision)
    misfit = check_latents_fit(trajectory, source, name=str(latents))
    if misfit is not None:
        warn(misfit)
    trainer = _make_trainer(trajectory, source, config, pca=pca, heard=heard)

    run.open(
        trainer.config,
        resume=resume,
        inputs={
            "latents": {"path": portable_path(latents), "sha256": sha256_file(latents)},
            "generator": source.origin.file.as_json() if source.origin else None,
        },
        warn=warn,
    )

    def save(motion: GuidedMotion, step: int, *, is_best: bool) -> None:
        lively = copy.deepcopy(motion)
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
            )
    return TrainedLatentMotion(
        motion=run.path / MOTION_NAME,
        steps=trainer.step_idx,
        clips=len(trainer.clips.seen),
        held_out=len(trainer.clips.held_out),
    )


def _find_generator(
    generator: Path | str | None,
    trajectory: Trajectory,
    latents: Path,
    *,
    device: str,
    precision: str,
) -> Generator:
    place = resolve_device(device)
    return find_generator(
        None if generator is None else Path(generator),
        trajectory.meta.generator,
        name=str(latents),
        device=place,
        precision=resolve_training_precision(precision, place),
    )


def _make_trainer(
    trajectory: Trajectory,
    generator: Generator,
    config: TrainLatentMotionConfig | None,
    *,
    pca: Path | str | None,
    heard: Listeners,
) -> LatentMotionTrainer:
    """Return a trainer on latents in the widest directions of a basis."""
    config = config or TrainLatentMotionConfig()
    whole = find_basis(
        generator,
        None if pca is None else Path(pca),
        note=heard.note,
        progress=heard.count("latents"),
    )
    basis = cut_basis(whole, config.num_components)
    config = dataclasses.replace(config, num_components=basis.num_components)
    clips = LatentClips.split(trajectory, basis, share=config.held_out, seed=config.seed)
    metric = measure_metric(generator, basis, seed=config.seed)
    return LatentMotionTrainer(generator, basis, clips, metric, config)
