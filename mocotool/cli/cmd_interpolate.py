"""`moco interpolate`: put frames between the frames of a trajectory."""

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
from mocotool.configs.interpolate import InterpolateConfig, InterpolationMode
from mocotool.configs.render import RenderConfig

DEFAULTS = InterpolateConfig()
RENDER_DEFAULTS = RenderConfig()


def interpolate(
    latents: opt.LatentsArgument = None,
    *,
    factor: Annotated[
        int, typer.Option(min=1, help="How many times as many frames.")
    ] = DEFAULTS.factor,
    mode: Annotated[
        InterpolationMode,
        typer.Option(help="Straight, smooth at the given frames, or along the sphere (for z)."),
    ] = DEFAULTS.mode,
    generator: opt.RecordedGenerator = None,
    noise: opt.Noise = RENDER_DEFAULTS.noise,
    fps: opt.RenderFps = RENDER_DEFAULTS.fps,
    seed: opt.Seed = RENDER_DEFAULTS.seed,
    out: opt.PicturesOut = None,
    format: opt.Format = None,
    grid: opt.Grid = False,
    force: opt.Force = False,
    device: opt.Device = "auto",
    precision: opt.Precision = "auto",
    json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Make trajectories longer: 16 frames become exactly 32.

    First and last frame stay, the new ones are spread evenly between them.
    The duration stays as well: twice the frames play at twice the rate.

    Example: moco sample | moco interpolate -o clip.mp4
    """
    report = Report(json=json, quiet=quiet)
    config = InterpolateConfig(factor=factor, mode=mode)
    render_config = RenderConfig(noise=noise, fps=fps, seed=seed)
    source = choose_latents(latents, command="interpolate")
    check_optional_file(generator)
    output = choose_trajectory_output(out, format=format, grid=grid, force=force, json=json)

    from mocotool.devices import resolve_device, resolve_precision
    from mocotool.trajectory import interpolate_trajectory

    where = resolve_device(device)
    trajectory, name = read_trajectory(source)
    write_trajectory(
        interpolate_trajectory(trajectory, config=config),
        output,
        find_generator=lambda: find_generator(
            generator,
            trajectory.meta.generator,
            name=name,
            device=where,
            precision=resolve_precision(precision, where),
        ),
        config=render_config,
        report=report,
        name=name,
    )
