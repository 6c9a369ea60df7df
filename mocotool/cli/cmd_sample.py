"""`moco sample`: draw motion trajectories from a trained motion model."""

from pathlib import Path
from typing import Annotated

import typer

from mocotool.cli import options as opt
from mocotool.cli.inputs import (
    check_optional_file,
    choose_latents,
    find_generator,
    read_trajectory,
)
from mocotool.cli.outputs import choose_trajectory_output, write_trajectory
from mocotool.cli.report import Report
from mocotool.configs.render import RenderConfig
from mocotool.configs.sample import SampleConfig
from mocotool.errors import ConfigError

DEFAULTS = SampleConfig()
RENDER_DEFAULTS = RenderConfig()


def sample(
    motion: Annotated[
        Path | None,
        typer.Argument(metavar="MOTION", help="Motion model; the bundled one if left out."),
    ] = None,
    *,
    generator: Annotated[
        Path | None,
        typer.Option(
            "--generator",
            metavar="FILE",
            help="Generator weights; those the motion model was trained with if left out.",
        ),
    ] = None,
    num_videos: Annotated[
        int | None,
        typer.Option(min=1, help="Videos to draw; as many as the lists below hold if left out."),
    ] = DEFAULTS.num_videos,
    seeds: Annotated[
        str | None,
        typer.Option(metavar="0-3,9", help="Content seeds; counted from --seed if left out."),
    ] = None,
    motion_seeds: Annotated[
        str | None,
        typer.Option(metavar="0-3,9", help="Motion seeds; counted from --seed if left out."),
    ] = None,
    num_frames: Annotated[
        int | None,
        typer.Option(min=1, help="Frames a video; as many as in training if left out."),
    ] = DEFAULTS.num_frames,
    start: Annotated[
        str | None,
        typer.Option(metavar="LATENTS", help="Latents to begin from, or - for stdin."),
    ] = None,
    start_frame: Annotated[
        int, typer.Option(help="Frame of --start to begin from; -1 is the last.")
    ] = DEFAULTS.start_frame,
    truncation_psi: opt.TruncationPsi = DEFAULTS.truncation_psi,
    labels: Annotated[
        str | None, typer.Option(metavar="0,3", help="Classes, for a generator that has them.")
    ] = None,
    fps: Annotated[float, typer.Option(help="Frames a second to play it at.")] = DEFAULTS.fps,
    pca: opt.PCAOption = None,
    step_size: Annotated[
        float | None,
        typer.Option(help="How far one frame may move, in place of what the motion model says."),
    ] = None,
    noise: opt.Noise = RENDER_DEFAULTS.noise,
    seed: opt.Seed = DEFAULTS.seed,
    out: opt.PicturesOut = None,
    format: opt.Format = None,
    grid: opt.Grid = False,
    force: opt.Force = False,
    device: opt.Device = "auto",
    precision: opt.Precision = "auto",
    json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Draw motion trajectories.

    Content and motion have seeds of their own. A list of one serves all
    videos, lists of equal length pair up: --seeds 0 --motion-seeds 0-3 is one
    person in four motions, --seeds 0-3 --motion-seeds 0 is four people in one
    motion. A seed gives the same video alone or among others. Under torchrun
    the videos are shared among GPUs.

    Example: moco sample --num-videos 4 --num-frames 32 -o people.mp4 --grid
    """
    report = Report(json=json, quiet=quiet)
    config = SampleConfig(
        num_videos=num_videos,
        seeds=opt.parse_optional_numbers(seeds),
        motion_seeds=opt.parse_optional_numbers(motion_seeds),
        labels=opt.parse_optional_numbers(labels),
        num_frames=num_frames,
        truncation_psi=truncation_psi,
        start_frame=start_frame,
        fps=fps,
        seed=seed,
    )
    if start is not None and (seeds is not None or labels is not None):
        raise ConfigError("--start takes the place of --seeds and --labels, got both")
    start = None if start is None else choose_latents(start, command="sample --start -")
    check_optional_file(motion)
    check_optional_file(generator)
    output = choose_trajectory_output(out, format=format, grid=grid, force=force, json=json)

    from mocotool.devices import resolve_device, resolve_precision
    from mocotool.motion.checkpoint import load_motion
    from mocotool.training.distributed import joined_processes
    from mocotool.trajectory import check_motion_fits, sample_trajectory

    with joined_processes(resolve_device(device)) as processes:
        report.quiet |= not processes.is_first
        where = processes.device
        walker = load_motion(motion, pca=pca, step_size=step_size, device=where)
        assert walker.origin is not None
        painter = find_generator(
            generator,
            walker.generator_record,
            name=walker.origin.path,
            device=where,
            precision=resolve_precision(precision, where),
        )
        report.warn_if(check_motion_fits(walker, painter))
        begin = None if start is None else read_trajectory(start)[0]
        with report.progress("videos") as advance:
            trajectory = sample_trajectory(
                walker, painter, config=config, start=begin, progress=advance
            )
        write_trajectory(
            trajectory,
            output,
            find_generator=lambda: painter,
            config=RenderConfig(noise=noise, seed=seed),
            report=report,
            processes=processes,
        )
