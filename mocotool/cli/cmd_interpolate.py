"""`moco interpolate`: put frames between the frames of a trajectory."""

from typing import TYPE_CHECKING

from mocotool.cli import options as opt
from mocotool.cli.inputs import (
    check_optional_file,
    choose_latents,
    find_generator,
    read_trajectory,
)
from mocotool.cli.outputs import OutputOptions, choose_trajectory_output, write_trajectory
from mocotool.cli.report import Report
from mocotool.configs.interpolate import InterpolateConfig
from mocotool.configs.render import RenderConfig

if TYPE_CHECKING:
    from mocotool.generators.base import Generator


def interpolate(
    latents: opt.LatentsArgument = None,
    *,
    config: InterpolateConfig,
    generator: opt.RecordedGenerator = None,
    render: RenderConfig,
    output: OutputOptions,
    computing: opt.Computing,
    report: Report,
) -> None:
    """Make trajectories longer: 16 frames become exactly 32.

    First and last frame stay, the new ones are spread evenly between them.
    The duration stays as well: twice the frames play at twice the rate.

    Example: moco sample | moco interpolate -o clip.mp4
    """
    source = choose_latents(latents, command="interpolate")
    check_optional_file(generator)
    target = choose_trajectory_output(output, json=report.json)

    from mocotool.interpolation import interpolate_trajectory

    trajectory, name = read_trajectory(source)

    def load() -> "Generator":  # latents become latents without torch
        device, precision = computing.resolve()
        return find_generator(
            generator, trajectory.meta.generator, name=name, device=device, precision=precision
        )

    write_trajectory(
        interpolate_trajectory(trajectory, config=config),
        target,
        find_generator=load,
        config=render,
        report=report,
        name=name,
    )
