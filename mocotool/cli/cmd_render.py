"""`moco render`: turn latents into video."""

import functools
from typing import TYPE_CHECKING

from mocotool.cli import options as opt
from mocotool.cli.inputs import (
    check_optional_file,
    choose_latents,
    read_trajectory,
)
from mocotool.cli.outputs import OutputOptions, choose_trajectory_output, write_trajectory
from mocotool.cli.report import Report
from mocotool.configs.render import RenderConfig
from mocotool.configs.shard import parse_shard

if TYPE_CHECKING:
    from mocotool.generators.base import Generator


def render(
    latents: opt.LatentsArgument = None,
    *,
    generator: opt.RecordedGenerator = None,
    config: RenderConfig,
    output: OutputOptions,
    shard: opt.ShardOption = opt.WHOLE_SHARD,
    computing: opt.Computing,
    report: Report,
) -> None:
    """Render latents as video.

    Several videos become one file each, name-0000.mp4 and so on, or one file
    with --grid; .png is a contact sheet. A pipe receives MP4, or the --format,
    with several videos side by side.

    Example: moco sample | moco render -o clip.mp4
    """
    source = choose_latents(latents, command="render -o clip.mp4")
    check_optional_file(generator)
    target = choose_trajectory_output(output, json=report.json, stdout_format="mp4", config=config)
    part = parse_shard(shard)

    from mocotool.devices import resolve_device, resolve_precision
    from mocotool.generators.loading import load_generator
    from mocotool.generators.recorded import find_generator
    from mocotool.training.distributed import joined_processes

    with joined_processes(resolve_device(computing.device)) as processes:
        report.quiet |= not processes.is_first
        device = processes.device
        precision = resolve_precision(computing.precision, device)
        report.name_device(device, precision, shares=True)

        # reading a bare array asks for it, and rendering asks again
        @functools.cache
        def load_named() -> "Generator":
            return load_generator(generator, device=device, precision=precision)

        named = None if generator is None else load_named
        trajectory, name = read_trajectory(source, find_generator=named)
        write_trajectory(
            trajectory,
            target,
            find_generator=named
            or (
                lambda: find_generator(
                    None, trajectory.meta.generator, name=name, device=device, precision=precision
                )
            ),
            config=config,
            report=report,
            name=name,
            processes=processes,
            shard=part,
        )
