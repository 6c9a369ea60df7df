"""What `moco train-motion --latents` does: learn motion from trajectories, without rendering."""

import contextlib
import copy
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mocotool.cli.options import TrainingComputing
from mocotool.cli.report import Report
from mocotool.configs.option import list_fields
from mocotool.configs.train_latent_motion import TrainLatentMotionConfig
from mocotool.errors import ConfigError

if TYPE_CHECKING:
    from mocotool.cli.spread import Chosen
    from mocotool.motion.guided import GuidedMotion

SHOWN_LOSSES = ("loss", "rebuilt", "energy")


def choose_latent_settings(
    settings: "Chosen[Any]", others: Mapping[str, object]
) -> TrainLatentMotionConfig:
    """Return the settings for learning from latents.

    Args:
        settings: What was said of settings.
        others: Options that only learning from videos has, by name.

    Raises:
        ConfigError: One of them is of the games against videos.
    """
    fields = list_fields(TrainLatentMotionConfig)
    typed = [name for name, value in others.items() if value]
    for name in [*typed, *(name for name in settings.options if name not in fields)]:
        flag = "--" + name.replace("_", "-")
        raise ConfigError(f"{flag} is for learning from videos, got --latents as well")
    given = settings.from_file(TrainLatentMotionConfig, run="train-latent-motion")
    return TrainLatentMotionConfig(**given | settings.typed(TrainLatentMotionConfig))


def train_on_latents(
    latents: Path,
    *,
    out: Path,
    generator: Path | None,
    pca: Path | None,
    config: TrainLatentMotionConfig,
    resume: bool,
    computing: TrainingComputing,
    report: Report,
) -> None:
    """Learn motion from latents of real clips.

    Args:
        latents: From `moco invert`.
        out: Folder of the run.
        generator: What the latents belong to; what they record if left out.
        pca: Basis; made on the spot if left out.
        config: What was asked for.
        resume: Whether to go on with the run in `out`.
        computing: Where to render, and in what.
        report: Where things are said.
    """
    from mocotool.cli.inputs import find_generator
    from mocotool.devices import resolve_device, resolve_training_precision
    from mocotool.files import sha256_file
    from mocotool.latents import check_latents_fit, read_latents
    from mocotool.motion.checkpoint import save_motion
    from mocotool.motion.latent_clips import LatentClips, cut_basis, measure_metric
    from mocotool.motion.latent_game import LatentMotionTrainer
    from mocotool.motion.latent_training import match_liveliness, train_latent_motion
    from mocotool.motion.preparation import find_basis
    from mocotool.provenance import portable_path
    from mocotool.training.run_folder import RunFolder
    from mocotool.training.stopping import catch_stop_signals

    run = RunFolder(out)
    run.check_place(resume=resume)
    trajectory = read_latents(latents)
    where = resolve_device(computing.device)
    painter = find_generator(
        generator,
        trajectory.meta.generator,
        name=str(latents),
        device=where,
        precision=resolve_training_precision(computing.precision, where),
    )
    report.warn_if(check_latents_fit(trajectory, painter, name=str(latents)))
    with report.progress("latents") as advance:
        whole = find_basis(painter, pca, note=report.note, progress=advance)
    basis = cut_basis(whole, config.num_components)
    config = dataclasses.replace(config, num_components=basis.num_components)
    clips = LatentClips.split(trajectory, basis, share=config.held_out, seed=config.seed)
    metric = measure_metric(painter, basis, seed=config.seed)
    trainer = LatentMotionTrainer(painter, basis, clips, metric, config)
    run.open(
        config,
        resume=resume,
        inputs={
            "latents": {"path": portable_path(latents), "sha256": sha256_file(latents)},
            "generator": None if painter.origin is None else painter.origin.file.as_json(),
        },
        warn=report.warn,
    )
    if resume:
        trainer.resume(run, warn=report.warn)

    def save(motion: "GuidedMotion", step: int, *, is_best: bool) -> None:
        """Write the model as lively as the real clips, and once more if it is the best so far."""
        lively = copy.deepcopy(motion)
        match_liveliness(lively, painter, clips.seen, seed=config.seed)
        for name in ("motion", "best")[: 1 + is_best]:
            save_motion(
                lively,
                out / f"{name}.safetensors",
                config=dataclasses.asdict(config),
                notes={"steps": step, "trained_by": run.command, "recipe": "latents"},
            )

    with (
        contextlib.closing(run),
        catch_stop_signals() as stop,
        report.training_progress(config.num_steps, "steps", trainer.step_idx) as show,
    ):
        train_latent_motion(
            trainer,
            run,
            save_motion=save,
            on_step=lambda step, values: show(step, {name: values[name] for name in SHOWN_LOSSES}),
            warn=report.warn,
            stop=stop,
        )
    values = {
        "motion": out / "motion.safetensors",
        "steps": trainer.step_idx,
        "clips": len(clips.seen),
        "held_out": len(clips.held_out),
    }
    report.result(values, quiet_hides=True)
