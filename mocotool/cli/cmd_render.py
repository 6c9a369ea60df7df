"""`moco render`: turn latents into video."""

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

DEFAULTS = RenderConfig()


def render(
    latents: opt.LatentsArgument = None,
    *,
    generator: opt.RecordedGenerator = None,
    noise: opt.Noise = DEFAULTS.noise,
    fps: opt.RenderFps = DEFAULTS.fps,
    seed: opt.Seed = DEFAULTS.seed,
    chunk_size: opt.ChunkSize = DEFAULTS.chunk_size,
    out: opt.PicturesOut = None,
    format: opt.Format = None,
    grid: opt.Grid = False,
    force: opt.Force = False,
    device: opt.Device = "auto",
    precision: opt.Precision = "auto",
    json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Render latents as video.

    A file each, name-0000.mp4 and so on, where there are several videos; one
    file with --grid; a contact sheet for .png. A pipe gets MP4, or what
    --format says, with several videos side by side.

    Example: moco sample | moco render -o clip.mp4
    """
    report = Report(json=json, quiet=quiet)
    config = RenderConfig(noise=noise, fps=fps, seed=seed, chunk_size=chunk_size)
    source = choose_latents(latents, command="render -o clip.mp4")
    check_optional_file(generator)
    output = choose_trajectory_output(
        out, format=format, grid=grid, force=force, json=json, stdout_format="mp4"
    )

    from mocotool.devices import resolve_device, resolve_precision
    from mocotool.training.distributed import joined_processes

    with joined_processes(resolve_device(device)) as processes:
        report.quiet |= not processes.is_first
        where = processes.device
        trajectory, name = read_trajectory(source)
        write_trajectory(
            trajectory,
            output,
            find_generator=lambda: find_generator(
                generator,
                trajectory.meta.generator,
                name=name,
                device=where,
                precision=resolve_precision(precision, where),
            ),
            config=config,
            report=report,
            name=name,
            processes=processes,
        )
