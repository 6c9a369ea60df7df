"""`moco train-motion`: learn motion from videos for a frozen image generator."""

import contextlib
import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from mocotool.cli import options as opt
from mocotool.cli.inputs import check_optional_file
from mocotool.cli.latent_motion import choose_latent_settings, train_on_latents
from mocotool.cli.report import Report
from mocotool.cli.spread import Chosen
from mocotool.configs.train_motion import PRESETS, TrainMotionConfig, merge_settings
from mocotool.errors import ConfigError
from mocotool.files import check_input_file, check_input_folder

SHOWN_LOSSES = ("g_loss", "motion_generated", "motion_real")
PREVIEW_FPS = 12


def train_motion_command(
    *,
    videos: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of videos or numbered frames.")
    ] = None,
    latents: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.npz",
            help="Learn from latents of real clips (moco invert) in place of videos, in minutes.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="RUN", help="Folder of the run.")],
    generator: opt.GeneratorOption = None,
    pca: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="PCA basis (.npz) or the authors' folder; made on the spot if left out.",
        ),
    ] = None,
    motion: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Start from this motion model's weights."),
    ] = None,
    init_run: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Start from a run of the authors' program: modelR, modelD_3d, modelD_img.",
        ),
    ] = None,
    epoch: Annotated[
        str, typer.Option(metavar="N", help="With --init-run: its epoch, or latest.")
    ] = "latest",
    preset: Annotated[
        str | None,
        typer.Option(metavar="NAME", help=f"Settings of an experiment: {', '.join(PRESETS)}."),
    ] = None,
    settings: Chosen[TrainMotionConfig],
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with the run in RUN.", rich_help_panel="Running"),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print the plan and stop.", rich_help_panel="Running"),
    ] = False,
    report: Report,
    compile: Annotated[
        bool,
        typer.Option(
            "--compile",
            help="Compile networks with torch.compile: slow to begin; no gain on the CPU.",
            rich_help_panel="Computing",
        ),
    ] = False,
    computing: opt.TrainingComputing,
) -> None:
    """Learn motion from videos for a frozen image generator.

    With --latents nothing is rendered: motion is learnt from trajectories.
    RUN/motion.safetensors is ready for `moco sample` while training goes on. Ctrl-C saves; the same
    command with --resume goes on. Under torchrun it uses many GPUs.

    Example: moco train-motion --videos clips/ --generator g.pkl --pca pca.npz -o run/
    """
    check_optional_file(generator)
    if latents is not None:
        others = {
            "motion": motion,
            "init_run": init_run,
            "preset": preset,
            "dry_run": dry_run,
            "compile": compile,
        }
        train_on_latents(
            check_input_file(latents),
            out=out,
            generator=generator,
            pca=pca,
            config=choose_latent_settings(settings, others | {"videos": videos}),
            resume=resume,
            computing=computing,
            report=report,
        )
        return
    if videos is None:
        raise ConfigError(
            "nothing to learn from",
            hint="--videos DIR, or --latents FILE.npz from `moco invert DIR -o FILE.npz`",
        )
    asked = merge_settings(
        settings.typed(TrainMotionConfig),
        from_file=settings.from_file(TrainMotionConfig, run="train-motion"),
        preset=preset,
    )
    check_optional_file(motion)
    check_input_folder(videos)
    _train(
        asked,
        report,
        videos=videos,
        out=out,
        generator=generator,
        pca=pca,
        motion=motion,
        init_run=init_run,
        epoch=epoch,
        resume=resume,
        dry_run=dry_run,
        compile=compile,
        device=computing.device,
        precision=computing.precision,
    )


def _train(
    asked: TrainMotionConfig,
    report: Report,
    *,
    videos: Path,
    out: Path,
    generator: Path | None,
    pca: Path | None,
    motion: Path | None,
    init_run: Path | None,
    epoch: str,
    resume: bool,
    dry_run: bool,
    compile: bool,
    device: str,
    precision: str,
) -> None:
    from mocotool.devices import resolve_device, resolve_training_precision
    from mocotool.generators.loading import load_generator
    from mocotool.motion.checkpoint import save_motion
    from mocotool.motion.compilation import compile_failures_named, compile_networks
    from mocotool.motion.plan import plan_training
    from mocotool.motion.preparation import find_basis, fit_config
    from mocotool.motion.start import find_start
    from mocotool.motion.training import train_motion
    from mocotool.provenance import portable_path
    from mocotool.training.distributed import joined_processes
    from mocotool.training.run_folder import RunFolder
    from mocotool.training.stopping import catch_stop_signals
    from mocotool.video.clips import clip_span
    from mocotool.video.listing import list_videos
    from mocotool.video.loading import load_clips
    from mocotool.video.pictures import tile_frames
    from mocotool.video.writing import write_video

    with joined_processes(resolve_device(device)) as processes:
        report.quiet |= not processes.is_first
        run = RunFolder(out, processes=processes)
        resume |= run.is_restarted
        if not dry_run:
            run.check_place(resume=resume)
        span = clip_span(asked.num_frames, asked.frame_stride)
        listing = list_videos(videos, min_frames=span, warn=report.warn)
        dtype = resolve_training_precision(precision, processes.device)
        source = load_generator(generator, device=processes.device, precision=dtype)
        start = find_start(motion, init_run=init_run, epoch=epoch, pca=pca)
        asked = start.settle(asked, note=report.note)
        with report.progress("latents") as advance:
            basis = find_basis(source, pca, start=start.motion, note=report.note, progress=advance)
        config = fit_config(asked, source, basis, num_videos=len(listing.entries), note=report.note)
        trainer = start.make_trainer(source, basis, config, processes=processes, note=report.note)
        if dry_run:
            plan = {"videos": len(listing.entries), "video_frames": listing.num_frames}
            plan |= plan_training(trainer)
            if processes.is_first:
                report.result(plan)
            return
        if compile:
            compile_networks(trainer)
        run.open(
            config,
            resume=resume,
            inputs={
                "videos": {"path": portable_path(videos), "frames": listing.num_frames},
                "generator": None if source.origin is None else source.origin.file.as_json(),
            },
            machine=processes.describe()
            | {"precision": str(dtype).removeprefix("torch."), "compiled": compile},
            warn=report.warn,
        )
        with report.progress("frames decoded", listing.num_frames) as advance:
            batches = load_clips(
                listing,
                num_frames=config.num_frames,
                frame_stride=config.frame_stride,
                size=config.frame_size,
                batch_size=config.batch_size,
                seed=config.seed,
                rank=processes.rank,
                world_size=processes.world_size,
                folder=out / "frames",
                warn=report.warn,
                advance=advance,
            )
        if resume:
            trainer.resume(run, batches, warn=report.warn)
        with (
            contextlib.closing(batches),
            contextlib.closing(run),
            catch_stop_signals() as stop,
            compile_failures_named(trainer.device) if compile else contextlib.nullcontext(),
            report.training_progress(config.num_steps, "steps", trainer.step_idx) as show,
        ):
            train_motion(
                trainer,
                batches,
                run,
                save_motion=lambda averaged, step: save_motion(
                    averaged,
                    out / "motion.safetensors",
                    config=dataclasses.asdict(config),
                    notes={"steps": step, "trained_by": run.command},
                ),
                save_preview=lambda frames, step: write_video(
                    run.sample_path(step, ".mp4"),
                    [tile_frames(list(frames.numpy()))],
                    fps=PREVIEW_FPS,
                ),
                on_step=lambda step, values: show(
                    step, {name: values[name] for name in SHOWN_LOSSES}
                ),
                warn=report.warn,
                stop=stop,
            )
        if processes.is_first:
            values = {"motion": out / "motion.safetensors", "steps": trainer.step_idx}
            report.result(values, quiet_hides=True)
