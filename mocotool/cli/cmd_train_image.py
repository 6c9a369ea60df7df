"""`moco train-image`: train a StyleGAN2 on images or on the frames of videos."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer

from mocotool.cli import options as opt
from mocotool.cli.inputs import check_optional_file, check_videos
from mocotool.cli.report import Report
from mocotool.cli.spread import Chosen
from mocotool.configs.train_image import TrainImageConfig

SHOWN_LOSSES = ("d_loss", "g_loss", "augment_p", "kid")


def train_image_command(
    *,
    videos: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            help="Folder, zip or tar of videos, numbered frames or images; several tars as "
            "'{000..099}.tar'.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="RUN", help="Folder of the run.")],
    generator: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="StyleGAN2 to start from, in any supported format; its resolution is used, or "
            "twice that with --resolution.",
        ),
    ] = None,
    settings: Chosen[TrainImageConfig],
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in RUN.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
    report: Report,
    computing: opt.Computing,
) -> None:
    """Train a StyleGAN2 on images or on the frames of videos.

    RUN/generator.safetensors can be used by every other command while training runs. Ctrl-C saves;
    run the same command with --resume to continue. torchrun trains on several GPUs.

    Example: moco train-image --videos clips/ -o run/ --resolution 64 --num-images 500000
    """
    given = settings.from_file(TrainImageConfig, run="train-image")
    given |= settings.typed(TrainImageConfig)
    config = TrainImageConfig(**given)
    check_videos(videos)
    check_optional_file(generator)

    from mocotool.runs.train_image import plan_image_run, train_image_run
    from mocotool.training.distributed import is_first_process

    report.quiet |= not is_first_process()
    sources: dict[str, Any] = {
        "config": config,
        "generator": generator,
        "asked": given,
        "device": computing.device,
        "precision": computing.precision,
        "note": report.note,
        "warn": report.warn,
    }
    if dry_run:
        result = plan_image_run(videos, **sources)
    else:
        with report.follow_run(SHOWN_LOSSES) as progress:
            trained = train_image_run(videos, out, **sources, resume=resume, progress=progress)
        result = dataclasses.asdict(trained)
    if is_first_process():
        report.result(result, quiet_hides=not dry_run)
