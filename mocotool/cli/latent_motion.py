"""`moco train-motion --latents`: learn motion from trajectories, without rendering."""

import dataclasses
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mocotool.cli.options import Computing
from mocotool.cli.report import Report
from mocotool.configs.option import list_fields
from mocotool.configs.train_latent_motion import TrainLatentMotionConfig
from mocotool.errors import ConfigError

if TYPE_CHECKING:
    from mocotool.cli.spread import Chosen

SHOWN_LOSSES = ("loss", "paired", "energy", "held_out", "own")


def choose_latent_settings(
    settings: "Chosen[Any]", others: Mapping[str, object]
) -> tuple[TrainLatentMotionConfig, Collection[str]]:
    """Return the settings for training on latents, and the names of those that were typed.

    Args:
        settings: The settings as typed or read from a file.
        others: Options that apply only to training on videos, by name.

    Raises:
        ConfigError: One of these options was given.
    """
    fields = list_fields(TrainLatentMotionConfig)
    typed = [name for name, value in others.items() if value]
    for name in [*typed, *(name for name in settings.options if name not in fields)]:
        flag = "--" + name.replace("_", "-")
        raise ConfigError(f"{flag} is for learning from videos, got --latents as well")
    given = settings.from_file(TrainLatentMotionConfig, run="train-latent-motion")
    given |= settings.typed(TrainLatentMotionConfig)
    return TrainLatentMotionConfig(**given), given.keys()


def train_on_latents(
    latents: Path,
    *,
    asked: Collection[str],
    dry_run: bool,
    out: Path,
    generator: Path | None,
    pca: Path | None,
    config: TrainLatentMotionConfig,
    resume: bool,
    computing: Computing,
    report: Report,
) -> None:
    """Learn motion from latents of real clips.

    Args:
        latents: From `moco invert`.
        asked: Names of settings that were typed.
        dry_run: Only print the plan.
        out: Folder of the run.
        generator: The generator of the latents; `None` for the one they record.
        pca: PCA basis; `None` computes one.
        config: The settings.
        resume: Continue the run in `out`.
        computing: Device and precision of rendering.
        report: Shows progress, notes and the result.
    """
    from mocotool.memory import keep_freed_memory
    from mocotool.runs.train_latent_motion import plan_latent_motion_run, train_latent_motion_run

    keep_freed_memory()
    with report.follow_run(SHOWN_LOSSES) as progress:
        sources: dict[str, Any] = {
            "config": config,
            "pca": pca,
            "asked": asked,
            "device": computing.device,
            "precision": computing.precision,
            "progress": progress,
            "note": report.note,
            "warn": report.warn,
        }
        if dry_run:
            result = plan_latent_motion_run(latents, generator, **sources)
        else:
            trained = train_latent_motion_run(latents, generator, out, **sources, resume=resume)
            result = dataclasses.asdict(trained)
    report.result(result, quiet_hides=not dry_run)
