"""Output of commands that end with a trajectory: `.npz` or pictures, by the suffix of `-o`.

One mechanism for every command that ends with a trajectory.
"""

import dataclasses
import os
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer

from mocotool.cli.options import Force
from mocotool.cli.report import Report
from mocotool.cli.streams import choose_output, open_stream
from mocotool.configs.option import list_choices
from mocotool.configs.render import SOUND_FORMATS, OutputFormat, RenderConfig
from mocotool.configs.shard import WHOLE, Shard
from mocotool.errors import ConfigError
from mocotool.files import atomic_path, check_input_file, is_stream
from mocotool.provenance import current_command

if TYPE_CHECKING:
    from mocotool.generators.base import Generator
    from mocotool.latents import Trajectory
    from mocotool.training.distributed import Processes

FORMATS = get_args(OutputFormat)
ENDINGS = " ".join(f".{format}" for format in FORMATS)


@dataclasses.dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """The options of every command that ends with a trajectory."""

    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Output; the suffix sets the format: .npz latents; .mp4 .mov .webm .mkv .gif "
            ".apng one video each; .png a contact sheet; frames/%05d.png numbered frames; - is "
            "stdout.",
            rich_help_panel="Output",
        ),
    ] = None
    format: Annotated[
        OutputFormat | None,
        typer.Option(
            help="Output format, instead of that of the suffix.", rich_help_panel="Output"
        ),
    ] = None
    grid: Annotated[
        bool,
        typer.Option("--grid", help="Tile several videos in one.", rich_help_panel="Output"),
    ] = False
    audio: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Sound for MP4, MOV, WebM and MKV, cut or padded with silence.",
            rich_help_panel="Output",
        ),
    ] = None
    force: Force = False


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Output:
    """Target and format of the output."""

    target: str
    """A path, or "-" for stdout."""
    format: OutputFormat
    """Latents, a video format, or a contact sheet."""
    grid: bool
    """Whether several videos are shown side by side in one."""
    force: bool
    """Whether existing files may be replaced."""
    audio: Path | None = None
    """A file whose sound goes with each video."""

    @property
    def has_sound(self) -> bool:
        """Whether the output format can hold sound."""
        return self.format in SOUND_FORMATS

    @property
    def is_stdout(self) -> bool:
        """Whether the data goes to stdout, which then carries nothing else."""
        return self.target == "-"

    @property
    def is_stream(self) -> bool:
        """Whether the data goes to stdout, a pipe or a device, which are written as a stream."""
        return self.is_stdout or is_stream(Path(self.target))


def choose_trajectory_output(
    options: OutputOptions,
    *,
    json: bool,
    stdout_format: OutputFormat = "npz",
    config: RenderConfig | None = None,
) -> Output:
    """Choose target and format; fail before anything is computed.

    Args:
        options: The typed options.
        json: Whether stdout is reserved for a JSON object.
        stdout_format: Default format for stdout.
        config: Settings of rendering, with codec and quality.

    Raises:
        ConfigError: The file type is unknown, or does not support the codec or quality,
            the file exists or cannot be written, or stdout is a terminal.
    """
    format, grid, force = options.format, options.grid, options.force
    what = "latents" if (format or stdout_format) == "npz" else "pictures"
    is_numbered = options.out is not None and _check_numbered(Path(options.out), format, force)

    # where it goes, and as what: as is said, else by the ending
    if is_numbered and options.out is not None:
        target = options.out
    else:
        target = choose_output(options.out, force=force, json=json, what=what, takes_streams=True)
    if format is None and (target == "-" or is_stream(Path(target))):
        format = stdout_format
    if format is None:
        ending = os.path.splitext(target)[1].lower().removeprefix(".")
        if ending not in FORMATS:
            raise ConfigError(
                f"{target}: unknown file type, expected one of {ENDINGS}",
                hint="rename it, or add --format npz",
            )
        format = cast("OutputFormat", ending)

    # what goes with that
    if grid and format in ("npz", "png") and not is_numbered:
        raise ConfigError(f"--grid is for videos, and {target} gets {format}", hint="-o grid.mp4")
    if config is not None:
        config.check_captions(is_sheet=format == "png" and not is_numbered)
        if format not in ("npz", "png"):
            config.check_format(format)
    output = Output(target=target, format=format, grid=grid, force=force, audio=options.audio)
    if options.audio is not None:
        check_input_file(options.audio)
        if not output.has_sound:
            raise ConfigError(
                f"--audio is for {list_choices(SOUND_FORMATS)}, and {target} gets {format}",
                hint="-o clip.mp4",
            )
    return output


def _check_numbered(out: Path, format: OutputFormat | None, force: bool) -> bool:
    """Return whether a name is a pattern of numbered frames; check that those can be written."""
    if "%" not in out.name or format not in (None, "png"):
        return False
    from mocotool.video.numbered import check_numbered_output, is_numbered

    if not is_numbered(out):
        return False
    check_numbered_output(out, force=force)
    return True


def write_trajectory(
    trajectory: "Trajectory",
    output: Output,
    *,
    find_generator: "Callable[[], Generator]",
    config: RenderConfig,
    report: Report,
    name: str = "the latents",
    values: dict[str, Any] | None = None,
    processes: "Processes | None" = None,
    shard: Shard = WHOLE,
) -> None:
    """Write a trajectory as latents or rendered, and report it.

    Args:
        trajectory: The result of the command.
        output: Target and format.
        find_generator: Returns the generator; called only if frames are rendered.
        config: How to render.
        report: Shows progress and the result.
        name: Name of the latents in messages.
        values: Further fields of the result.
        processes: Processes that share the rendering of this trajectory; `None` for one process.
        shard: Which part of the videos to render; latents are written as they are.
    """
    is_first = processes is None or processes.is_first
    fps = trajectory.meta.fps
    if output.format == "npz":
        if is_first:
            _write_latents(trajectory, output)
        paths = [Path(output.target)]
    else:
        fps = _choose_fps(config.choose_fps(fps), output.format, report)
        paths = _write_pictures(
            trajectory,
            output,
            find_generator(),
            config=config,
            report=report,
            name=name,
            processes=processes,
            shard=shard,
        ) or [Path(output.target)]
    if processes is not None:
        processes.barrier()
    if is_first and not output.is_stdout:
        report.result(_describe(trajectory, paths, fps) | (values or {}), quiet_hides=True)


def _choose_fps(fps: float, format: str, report: Report) -> float:
    """Return the frame rate of the output.

    Raises:
        ConfigError: The format cannot hold it.
    """
    from mocotool.video.writing import VIDEO_FORMATS, check_fps, played_fps

    if format not in VIDEO_FORMATS:  # a contact sheet stands still
        return fps
    check_fps(fps, format)
    played = played_fps(fps, format)
    if played < fps:
        report.warn(f"GIF plays at most {played:g} frames per second, not {fps:g}")
    return played


def _write_latents(trajectory: "Trajectory", output: Output) -> None:
    from mocotool.latents import write_latents

    recorded = trajectory.with_command(current_command())
    if output.is_stream:
        with open_stream(output.target) as stream:
            write_latents(recorded, stream)
        return
    with atomic_path(Path(output.target)) as part, part.open("wb") as file:
        write_latents(recorded, file)


def _write_pictures(
    trajectory: "Trajectory",
    output: Output,
    generator: "Generator",
    *,
    config: RenderConfig,
    report: Report,
    name: str,
    processes: "Processes | None",
    shard: Shard,
) -> list[Path]:
    from mocotool.export import ALONE, export_trajectory
    from mocotool.latents import check_latents_fit

    assert output.format != "npz"
    report.warn_if(check_latents_fit(trajectory, generator, name=name))
    # A contact sheet renders only the frames that will be seen.
    is_sheet = output.format == "png" and "%" not in Path(output.target).name
    total = None if is_sheet else trajectory.num_videos * trajectory.num_frames
    with (
        report.progress("frames", total) as advance,
        open_stream(output.target) if output.is_stream else nullcontext(Path(output.target)) as out,
    ):
        return export_trajectory(
            generator,
            trajectory,
            out,
            format=output.format,
            config=config,
            grid=output.grid,
            force=output.force,
            audio=output.audio,
            processes=processes or ALONE,
            shard=shard,
            progress=advance,
        )


def _describe(trajectory: "Trajectory", paths: list[Path], fps: float | None) -> dict[str, Any]:
    return {
        "wrote": [str(path) for path in paths],
        "videos": trajectory.num_videos,
        "frames": trajectory.num_frames,
        "space": trajectory.meta.space,
        "latent_dim": int(trajectory.latents.shape[-1]),
        "fps": fps,
    }
