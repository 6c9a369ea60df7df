"""`moco train-image`: fit a StyleGAN2 to images or to the frames of videos."""

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from mocotool.cli import options as opt
from mocotool.cli.report import Report
from mocotool.configs.train_image import (
    NETWORK_FIELDS,
    AugmentChoice,
    DiscriminatorChoice,
    TrainImageConfig,
)
from mocotool.files import check_input_file, check_input_folder

DEFAULTS = TrainImageConfig()
NETWORK = "Network"
TRAINING = "Training"
SHOWN_LOSSES = ("d_loss", "g_loss", "augment_p")


def train_image_command(
    ctx: typer.Context,
    *,
    videos: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of videos, numbered frames or images.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="RUN", help="Folder of the run.")],
    resolution: Annotated[
        int, typer.Option(help="Side of the images, a power of two.")
    ] = DEFAULTS.resolution,
    num_images: Annotated[
        int, typer.Option(min=1, help="Real images shown to the discriminator in all.")
    ] = DEFAULTS.num_images,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Images a step, over all processes.")
    ] = DEFAULTS.batch_size,
    generator: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Start from this StyleGAN2, any format `moco` reads; its size is the run's, and "
            "twice that if --resolution says so.",
        ),
    ] = None,
    channel_base: Annotated[
        int, typer.Option(min=1, help="Channels at r pixels: BASE / r.", rich_help_panel=NETWORK)
    ] = DEFAULTS.channel_base,
    channel_max: Annotated[
        int, typer.Option(min=1, help="Most channels anywhere.", rich_help_panel=NETWORK)
    ] = DEFAULTS.channel_max,
    z_dim: Annotated[
        int, typer.Option(min=1, help="Size of z.", rich_help_panel=NETWORK)
    ] = DEFAULTS.z_dim,
    w_dim: Annotated[
        int, typer.Option(min=1, help="Size of w.", rich_help_panel=NETWORK)
    ] = DEFAULTS.w_dim,
    num_mapping_layers: Annotated[
        int, typer.Option(min=1, help="Depth of the mapping network.", rich_help_panel=NETWORK)
    ] = DEFAULTS.num_mapping_layers,
    discriminator: Annotated[
        DiscriminatorChoice,
        typer.Option(
            help="A network of its own, or small heads on the frozen features of SqueezeNet.",
            rich_help_panel=TRAINING,
        ),
    ] = DEFAULTS.discriminator,
    learning_rate: Annotated[
        float, typer.Option(help="Adam's learning rate.", rich_help_panel=TRAINING)
    ] = DEFAULTS.learning_rate,
    r1_gamma: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Weight of the gradient penalty; 0.0002 * resolution^2 / batch size if left out.",
            rich_help_panel=TRAINING,
        ),
    ] = DEFAULTS.r1_gamma,
    style_mixing: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Share of images made of two latents.", rich_help_panel=TRAINING
        ),
    ] = DEFAULTS.style_mixing,
    flip: Annotated[
        bool,
        typer.Option(
            "--flip/--no-flip", help="Mirror half of the images.", rich_help_panel=TRAINING
        ),
    ] = DEFAULTS.flip,
    augment: Annotated[
        AugmentChoice | None,
        typer.Option(
            help="Augment as far as the discriminator overfits (the default of stylegan2), always "
            "by shifts and holes (that of projected), or never.",
            rich_help_panel=TRAINING,
        ),
    ] = DEFAULTS.augment,
    held_out: Annotated[
        float,
        typer.Option(
            min=0,
            max=0.5,
            help="Share of the files to measure against at every save, in place of training.",
            rich_help_panel=TRAINING,
        ),
    ] = DEFAULTS.held_out,
    save_every: Annotated[
        int, typer.Option(min=1, help="Steps between saved states.", rich_help_panel=TRAINING)
    ] = DEFAULTS.save_every,
    preview_every: Annotated[
        int,
        typer.Option(
            min=0, help="Steps between preview grids; 0 for none.", rich_help_panel=TRAINING
        ),
    ] = DEFAULTS.preview_every,
    log_every: Annotated[
        int, typer.Option(min=1, help="Steps between lines of metrics.", rich_help_panel=TRAINING)
    ] = DEFAULTS.log_every,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in RUN.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")] = False,
    seed: opt.Seed = DEFAULTS.seed,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
    device: opt.Device = "auto",
    precision: opt.TrainingPrecision = "auto",
) -> None:
    """Train a StyleGAN2 on images or on the frames of videos.

    RUN/generator.safetensors is ready for every other command while training goes on. Ctrl-C saves;
    the same command with --resume goes on. Under torchrun it uses many GPUs.

    Example: moco train-image --videos clips/ -o run/ --resolution 64 --num-images 500000
    """
    config = TrainImageConfig(
        resolution=resolution,
        num_images=num_images,
        batch_size=batch_size,
        channel_base=channel_base,
        channel_max=channel_max,
        z_dim=z_dim,
        w_dim=w_dim,
        num_mapping_layers=num_mapping_layers,
        discriminator=discriminator,
        learning_rate=learning_rate,
        r1_gamma=r1_gamma,
        style_mixing=style_mixing,
        flip=flip,
        augment=augment,
        held_out=held_out,
        save_every=save_every,
        preview_every=preview_every,
        log_every=log_every,
        seed=seed,
    )
    report = Report(json=json, quiet=quiet)
    check_input_folder(videos)
    if generator is not None:
        check_input_file(generator)

    from mocotool.devices import resolve_device, resolve_training_precision
    from mocotool.image_training.plan import plan_training
    from mocotool.image_training.start import adopt_network, load_start
    from mocotool.image_training.trainer import GENERATOR_NAME, ImageTrainer, train_image
    from mocotool.metrics.held_out import HeldOutDistance
    from mocotool.provenance import portable_path
    from mocotool.training.distributed import joined_processes
    from mocotool.training.run_folder import RunFolder
    from mocotool.training.stopping import catch_stop_signals
    from mocotool.video.listing import list_videos
    from mocotool.video.loading import load_images
    from mocotool.video.pictures import tile_frames, write_png

    with joined_processes(resolve_device(device)) as processes:
        report.quiet |= not processes.is_first
        dtype = resolve_training_precision(precision, processes.device)
        asked_resolution = resolution if opt.is_given(ctx, "resolution") else None
        start = None if generator is None else load_start(generator, resolution=asked_resolution)
        if start is not None:
            asked = [name for name in NETWORK_FIELDS if opt.is_given(ctx, name)]
            config = adopt_network(config, start, asked=asked)
        run = RunFolder(out, processes=processes)
        resume |= run.is_restarted
        if not dry_run:
            run.check_place(resume=resume)
        listing, held_out_listing = list_videos(videos, warn=report.warn).hold_out(held_out)
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
                batch_size=batch_size,
                seed=seed,
                rank=processes.rank,
                world_size=processes.world_size,
                folder=out / "frames",
                warn=report.warn,
                advance=advance,
            )
        measure = None
        if held_out_listing is not None:
            measure = HeldOutDistance(
                held_out_listing, resolution=config.resolution, seed=seed, device=processes.device
            )
        if resume:
            trainer.resume(run, images, warn=report.warn)
        with (
            contextlib.closing(images),
            contextlib.closing(run),
            catch_stop_signals() as stop,
            report.training_progress(num_images, "images", trainer.images_seen) as show,
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
