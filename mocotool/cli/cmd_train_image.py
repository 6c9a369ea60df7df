"""`moco train-image`: fit a StyleGAN2 to images or to the frames of videos."""

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from mocotool.cli import options as opt
from mocotool.cli.report import Report
from mocotool.cli.spread import Chosen
from mocotool.configs.train_image import TrainImageConfig
from mocotool.files import check_input_file, check_input_folder

SHOWN_LOSSES = ("d_loss", "g_loss", "augment_p")


def train_image_command(
    *,
    videos: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of videos, numbered frames or images.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="RUN", help="Folder of the run.")],
    generator: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Start from this StyleGAN2, any format `moco` reads; its size is the run's, and "
            "twice that if --resolution says so.",
        ),
    ] = None,
    settings: Chosen[TrainImageConfig],
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in RUN.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
    report: Report,
    computing: opt.TrainingComputing,
) -> None:
    """Train a StyleGAN2 on images or on the frames of videos.

    RUN/generator.safetensors is ready for every other command while training goes on. Ctrl-C saves;
    the same command with --resume goes on. Under torchrun it uses many GPUs.

    Example: moco train-image --videos clips/ -o run/ --resolution 64 --num-images 500000
    """
    given = settings.from_file(TrainImageConfig, run="train-image")
    given |= settings.typed(TrainImageConfig)
    config = TrainImageConfig(**given)
    check_input_folder(videos)
    if generator is not None:
        check_input_file(generator)

    from mocotool.devices import resolve_device, resolve_training_precision
    from mocotool.image_training.plan import plan_training
    from mocotool.image_training.start import adopt_network, load_start
    from mocotool.image_training.trainer import GENERATOR_NAME, ImageTrainer
    from mocotool.image_training.training import train_image
    from mocotool.metrics.held_out import HeldOutDistance
    from mocotool.provenance import portable_path
    from mocotool.training.distributed import joined_processes
    from mocotool.training.run_folder import RunFolder
    from mocotool.training.stopping import catch_stop_signals
    from mocotool.video.listing import list_videos
    from mocotool.video.loading import load_images
    from mocotool.video.pictures import tile_frames, write_png

    with joined_processes(resolve_device(computing.device)) as processes:
        report.quiet |= not processes.is_first
        dtype = resolve_training_precision(computing.precision, processes.device)
        start = generator and load_start(generator, resolution=given.get("resolution"))
        if start is not None:
            config = adopt_network(config, start, asked=given)
        run = RunFolder(out, processes=processes)
        resume |= run.is_restarted
        if not dry_run:
            run.check_place(resume=resume)
        listing, held_out_listing = list_videos(videos, warn=report.warn).hold_out(config.held_out)
        trainer = ImageTrainer(config, precision=dtype, processes=processes, initial=start)
        if dry_run:
            plan = {"videos": len(listing.entries), "images": listing.num_frames}
            plan |= plan_training(trainer)
            if processes.is_first:
                report.result(plan)
            return
        run.open(
            config,
            resume=resume,
            inputs={
                "videos": {"path": portable_path(videos), "images": listing.num_frames},
                "generator": start.origin.file.as_json() if start and start.origin else None,
            },
            machine=processes.describe() | {"precision": str(dtype).removeprefix("torch.")},
            warn=report.warn,
        )
        with report.progress("frames decoded", listing.num_frames) as advance:
            images = load_images(
                listing,
                resolution=config.resolution,
                batch_size=config.batch_size,
                seed=config.seed,
                rank=processes.rank,
                world_size=processes.world_size,
                folder=out / "frames",
                warn=report.warn,
                advance=advance,
            )
        measure = None
        if held_out_listing is not None and run.writes:
            measure = HeldOutDistance(
                held_out_listing,
                resolution=config.resolution,
                seed=config.seed,
                device=processes.device,
            )
        if resume:
            trainer.resume(run, images, warn=report.warn)
        with (
            contextlib.closing(images),
            contextlib.closing(run),
            catch_stop_signals() as stop,
            report.training_progress(config.num_images, "images", trainer.images_seen) as show,
        ):
            train_image(
                trainer,
                images,
                run,
                save_preview=lambda frames, step: write_png(
                    run.sample_path(step, ".png"), tile_frames(list(frames.numpy()))
                ),
                measure=measure,
                on_step=lambda values: show(
                    trainer.images_seen,
                    {name: values[name] for name in SHOWN_LOSSES if name in values},
                ),
                stop=stop,
            )
        if processes.is_first:
            report.result(
                {
                    "generator": out / GENERATOR_NAME,
                    "steps": trainer.step_idx,
                    "images": trainer.images_seen,
                },
                quiet_hides=True,
            )
