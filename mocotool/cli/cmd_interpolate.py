"""`moco interpolate`: put frames between the frames of a trajectory."""

from typing import TYPE_CHECKING, Annotated

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
from mocotool.configs.interpolate import Ends, InterpolateConfig, InterpolationMode
from mocotool.configs.render import RenderConfig

if TYPE_CHECKING:
    from mocotool.generators.base import Generator

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
        typer.Option(
            help="Straight, smooth at the given frames, smooth but never beyond them, or along the "
            "sphere (for z)."
        ),
    ] = DEFAULTS.mode,
    ends: Annotated[
        Ends, typer.Option(help="From the first frame to the last, or a loop.")
    ] = DEFAULTS.ends,
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
    config = InterpolateConfig(factor=factor, mode=mode, ends=ends)
    render_config = RenderConfig(noise=noise, fps=fps, seed=seed)
    source = choose_latents(latents, command="interpolate")
    check_optional_file(generator)
    output = choose_trajectory_output(out, format=format, grid=grid, force=force, json=json)

    from mocotool.interpolation import interpolate_trajectory

    trajectory, name = read_trajectory(source)

    def load() -> "Generator":  # latents become latents without torch
        from mocotool.devices import resolve_device, resolve_precision

        where = resolve_device(device)
        return find_generator(
            generator,
            trajectory.meta.generator,
            name=name,
            device=where,
            precision=resolve_precision(precision, where),
        )

    write_trajectory(
        interpolate_trajectory(trajectory, config=config),
        output,
        find_generator=load,
        config=render_config,
        report=report,
        name=name,
    )
