"""`moco train-motion`: learn motion from videos for a frozen image generator."""

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer

from mocotool.cli import options as opt
from mocotool.cli.inputs import check_optional_file, check_videos
from mocotool.cli.latent_motion import choose_latent_settings, train_on_latents
from mocotool.cli.report import Report
from mocotool.cli.spread import Chosen
from mocotool.configs.motion_presets import PRESETS, choose_preset
from mocotool.configs.train_motion import TrainMotionConfig, merge_settings
from mocotool.errors import ConfigError
from mocotool.files import check_input_file
from mocotool.memory import keep_freed_memory

LENGTHS = ("num_steps", "num_epochs", "budget")
CPU_BUDGET = 3600.0  # seconds; 5,000 steps would take a CPU days
SHOWN_LOSSES = ("g_loss", "motion_generated", "motion_real", "held_out", "own")


def train_motion_command(
    *,
    videos: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder, zip or tar of videos or numbered frames; several tars as "
            "'{000..099}.tar'.",
        ),
    ] = None,
    latents: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.npz",
            help="Train on latents of real clips (moco invert) instead of videos, in minutes.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="RUN", help="Folder of the run.")],
    generator: opt.GeneratorOption = None,
    pca: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="PCA basis (.npz) or the authors' folder; computed if left out.",
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
        typer.Option(
            metavar="NAME",
            help=f"Settings of an experiment: {', '.join(PRESETS)}.",
            autocompletion=lambda: list(PRESETS),
        ),
    ] = None,
    settings: Chosen[TrainMotionConfig],
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Continue the run in RUN.", rich_help_panel="Running"),
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
            help="Compile networks with torch.compile: slow to start; no gain on the CPU.",
            rich_help_panel="Computing",
        ),
    ] = False,
    cuda_graphs: Annotated[
        bool,
        typer.Option(
            "--cuda-graphs",
            help="Compile, and replay the kernels as CUDA graphs: for a GPU that waits for its "
            "host.",
            rich_help_panel="Computing",
        ),
    ] = False,
    computing: opt.Computing,
) -> None:
    """Learn motion from videos for a frozen image generator.

    With --latents, motion is learnt from trajectories, without rendering.
    RUN/motion.safetensors can be used by `moco sample` while training runs. Ctrl-C saves; run the
    same command with --resume to continue. torchrun trains on several GPUs.

    Example: moco train-motion --videos clips/ --generator g.pkl --pca pca.npz -o run/
    """
    check_optional_file(generator)

    # from trajectories, by a recipe of its own without rendering
    if latents is not None:
        others = {
            "motion": motion,
            "init_run": init_run,
            "preset": preset,
            "compile": compile,
            "cuda_graphs": cuda_graphs,
        }
        latent_config, asked = choose_latent_settings(settings, others | {"videos": videos})
        train_on_latents(
            check_input_file(latents),
            out=out,
            generator=generator,
            pca=pca,
            config=latent_config,
            asked=asked,
            dry_run=dry_run,
            resume=resume,
            computing=computing,
            report=report,
        )
        return

    # from videos: typed options override the file, which overrides the preset
    if videos is None:
        raise ConfigError(
            "nothing to learn from",
            hint="--videos DIR, or --latents FILE.npz from `moco invert DIR -o FILE.npz`",
        )
    typed = settings.typed(TrainMotionConfig)
    from_file = settings.from_file(TrainMotionConfig, run="train-motion")
    config = merge_settings(typed, from_file=from_file, preset=preset)
    given = typed.keys() | from_file.keys() | choose_preset(preset).keys()

    # without a length a CPU trains for one hour
    if preset is None and given.isdisjoint(LENGTHS) and is_slow_device(computing.device):
        config = dataclasses.replace(config, budget=CPU_BUDGET)
        report.note("training for an hour; --budget, --num-steps or --num-epochs chooses otherwise")

    check_optional_file(motion)
    check_videos(videos)
    if is_slow_device(computing.device):
        keep_freed_memory()

    from mocotool.runs.train_motion import plan_motion_run, train_motion_run
    from mocotool.training.distributed import is_first_process

    report.quiet |= not is_first_process()
    sources: dict[str, Any] = {
        "config": config,
        "asked": given,
        "pca": pca,
        "motion": motion,
        "init_run": init_run,
        "epoch": epoch,
        "compile": compile,
        "cuda_graphs": cuda_graphs,
        "device": computing.device,
        "precision": computing.precision,
        "note": report.note,
        "warn": report.warn,
    }

    # plan or train, from the same sources
    with report.follow_run(SHOWN_LOSSES) as progress:
        sources["progress"] = progress
        if dry_run:
            result = plan_motion_run(videos, generator, **sources)
        else:
            sources |= {"resume": resume}
            trained = train_motion_run(videos, generator, out, **sources)
            result = dataclasses.asdict(trained)
    if is_first_process():
        report.result(result, quiet_hides=not dry_run)


def is_slow_device(name: str) -> bool:
    """Return whether training would run on the CPU."""
    from mocotool.devices import resolve_device

    return resolve_device(name).type == "cpu"
