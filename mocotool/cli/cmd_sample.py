"""`moco sample`: sample motion trajectories from a trained motion model."""

import functools
from typing import TYPE_CHECKING, Annotated

import typer

from mocotool.cli import options as opt
from mocotool.cli.inputs import (
    check_optional_file,
    choose_latents,
    read_trajectory,
)
from mocotool.cli.outputs import OutputOptions, choose_trajectory_output, write_trajectory
from mocotool.cli.report import Report
from mocotool.cli.spread import Without
from mocotool.configs.render import RenderConfig
from mocotool.configs.sample import SampleConfig
from mocotool.configs.shard import parse_shard
from mocotool.errors import ConfigError

if TYPE_CHECKING:
    from mocotool.generators.base import Generator


def sample(
    motion: opt.MotionArgument = None,
    *,
    generator: opt.MotionsGenerator = None,
    start: Annotated[
        str | None,
        typer.Option(metavar="LATENTS", help="Latents to start from, or - for stdin."),
    ] = None,
    config: SampleConfig,
    pca: opt.PCAOption = None,
    step_size: Annotated[
        float | None,
        typer.Option(help="Step size, instead of the motion model's own."),
    ] = None,
    render: Annotated[RenderConfig, Without(("fps",))],
    output: OutputOptions,
    shard: opt.ShardOption = opt.WHOLE_SHARD,
    computing: opt.Computing,
    report: Report,
) -> None:
    """Sample motion trajectories.

    Content and motion have separate seeds. A single seed applies to all
    videos; lists of equal length are paired: --seeds 0 --motion-seeds 0-3 is
    one person in four motions, --seeds 0-3 --motion-seeds 0 is four people in
    one motion. A seed gives the same video in any batch. torchrun splits the
    videos among GPUs, --shard among jobs.

    Example: moco sample --num-videos 4 --num-frames 32 -o people.mp4 --grid
    """
    if start is not None and (config.seeds is not None or config.labels is not None):
        raise ConfigError("--start replaces --seeds and --labels, got both")
    start = None if start is None else choose_latents(start, command="sample --start -")
    check_optional_file(motion)
    check_optional_file(generator)
    target = choose_trajectory_output(output, json=report.json, config=render)
    part = parse_shard(shard)
    parts = {"shard": part} if target.format == "npz" else {}  # pictures are shared when rendered

    from mocotool.devices import resolve_device, resolve_precision
    from mocotool.training.distributed import joined_processes
    from mocotool.trajectory import load_motion_and_generator, sample_trajectory

    with joined_processes(resolve_device(computing.device)) as processes:
        report.quiet |= not processes.is_first
        device = processes.device
        precision = resolve_precision(computing.precision, device)
        report.name_device(device, precision, shares=True)
        load = functools.partial(
            load_motion_and_generator,
            motion,
            generator,
            pca=pca,
            step_size=step_size,
            device=device,
            precision=precision,
            warn=report.warn,
        )
        models = begin = None

        def find_generator() -> "Generator":
            """Load both models now, for a start of which only the generator knows the axes."""
            nonlocal models
            models = load()
            return models[1]

        if start is not None:
            begin, start = read_trajectory(start, find_generator=find_generator)
        model, network = models or load(start=begin, start_name=start or "")
        with report.progress("videos") as advance:
            trajectory = sample_trajectory(
                model, network, config=config, start=begin, progress=advance, **parts
            )
        write_trajectory(
            trajectory,
            target,
            find_generator=lambda: network,
            config=render,
            report=report,
            processes=processes,
            shard=part,
        )
