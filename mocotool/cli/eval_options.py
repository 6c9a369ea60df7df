"""What the commands of `moco eval` share: their options, and how they start and end."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mocotool.cli.report import Report
from mocotool.configs.evaluate import (
    ClipChoice,
    CovarianceChoice,
    ExtractionConfig,
    InterpolationChoice,
    ProtocolName,
    ResizeChoice,
)
from mocotool.configs.render import NoiseChoice, RenderConfig
from mocotool.errors import ConfigError, FileFormatError
from mocotool.files import check_output_path

if TYPE_CHECKING:
    from mocotool.metrics.distances import Measuring
    from mocotool.metrics.results import MetricResult
    from mocotool.metrics.sides import Side

PRESET = "the protocol's"
_PROTOCOL = "Protocol"
_COMPUTING = "Computing"

Real = Annotated[
    Path,
    typer.Argument(
        metavar="REAL", help="Real videos: a folder, a video, latents or saved statistics (.npz)."
    ),
]
Fake = Annotated[
    Path, typer.Argument(metavar="FAKE", help="Generated videos: the same kinds of thing.")
]
Videos = Annotated[
    Path, typer.Argument(metavar="VIDEOS", help="A folder of videos, a video, or latents (.npz).")
]
Protocol = Annotated[
    ProtocolName,
    typer.Option(help="Preset that all options below start from.", rich_help_panel=_PROTOCOL),
]
NumFrames = Annotated[
    int | None,
    typer.Option(help="Frames in a clip.", show_default=PRESET, rich_help_panel=_PROTOCOL),
]
FrameStride = Annotated[
    int | None,
    typer.Option(
        help="Every which frame is taken.", show_default=PRESET, rich_help_panel=_PROTOCOL
    ),
]
RealClips = Annotated[
    ClipChoice | None,
    typer.Option(
        help="Which clips of a real video: one at its first frame, at a random one, in the "
        "middle, or all that do not overlap.",
        show_default=PRESET,
        rich_help_panel=_PROTOCOL,
    ),
]
FakeClips = Annotated[
    ClipChoice | None,
    typer.Option(
        help="Which clips of a generated video.", show_default=PRESET, rich_help_panel=_PROTOCOL
    ),
]
NumReal = Annotated[
    int | None,
    typer.Option(
        help="Real samples at most, drawn at random.",
        show_default=PRESET,
        rich_help_panel=_PROTOCOL,
    ),
]
NumFake = Annotated[
    int | None,
    typer.Option(
        help="Generated samples at most, drawn at random.",
        show_default=PRESET,
        rich_help_panel=_PROTOCOL,
    ),
]
FrameSize = Annotated[
    int | None,
    typer.Option(
        help="Cut frames to squares of this size first.",
        show_default=PRESET,
        rich_help_panel=_PROTOCOL,
    ),
]
Resize = Annotated[
    ResizeChoice | None,
    typer.Option(
        help="How frames become the detector's square.",
        show_default=PRESET,
        rich_help_panel=_PROTOCOL,
    ),
]
Interpolation = Annotated[
    InterpolationChoice | None,
    typer.Option(
        help="How pixels are interpolated.", show_default=PRESET, rich_help_panel=_PROTOCOL
    ),
]
Covariance = Annotated[
    CovarianceChoice | None,
    typer.Option(
        help="Divide covariances by n (biased) or n - 1.",
        show_default=PRESET,
        rich_help_panel=_PROTOCOL,
    ),
]
NumRepeats = Annotated[
    int | None,
    typer.Option(
        help="Draw everything anew this often; the mean counts.",
        show_default=PRESET,
        rich_help_panel=_PROTOCOL,
    ),
]
ProtocolSeed = Annotated[
    int | None,
    typer.Option(
        "--seed",
        help="Seed of the random choices.",
        show_default=PRESET,
        rich_help_panel=_PROTOCOL,
    ),
]
Generator = Annotated[
    Path | None,
    typer.Option(
        "--generator", metavar="FILE", help="What renders latents; what they record if left out."
    ),
]
BatchSize = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Clips or frames at once; the result does not depend on it.",
        show_default="by device",
        rich_help_panel=_COMPUTING,
    ),
]
Cache = Annotated[
    bool,
    typer.Option(
        "--cache/--no-cache",
        help="Keep features in the cache folder and find them there again.",
        rich_help_panel=_COMPUTING,
    ),
]
RenderPrecision = Annotated[
    str,
    typer.Option(
        "--precision",
        help="What a generator of latents computes in: auto, fp32, bf16 or fp16; "
        "detectors always take fp32.",
        rich_help_panel=_COMPUTING,
    ),
]
SaveStats = Annotated[
    Path | None,
    typer.Option(
        "--save-stats",
        metavar="FOLDER",
        help="Write real.npz and fake.npz there, to compare or merge later.",
        rich_help_panel="Output",
    ),
]
GroundTruth = Annotated[
    bool,
    typer.Option(
        "--ground-truth", help="Also measure one half of the real videos against the other."
    ),
]


def check_side(path: Path) -> Path:
    """Check that a side exists before anything heavy is loaded.

    Raises:
        FileFormatError: It does not.
    """
    if not path.exists():
        raise FileFormatError(
            f"{path}: no such file or folder", hint="check the path; `ls` shows what is there"
        )
    return path


def choose_statistics(folder: Path | None, *, force: bool) -> dict[str, Path]:
    """Decide where each side's statistics go, and fail now rather than after the work.

    Raises:
        ConfigError: A file exists already, or cannot be written.
    """
    if folder is None:
        return {}
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder}: a file, expected the name of a folder")
    targets = {role: folder / f"{role}.npz" for role in ("real", "fake")}
    if folder.is_dir():
        for path in targets.values():
            check_output_path(path, force=force)
    return targets


@contextlib.contextmanager
def start_measuring(
    report: Report, *, device: str, config: ExtractionConfig, what: str = "clips"
) -> "Iterator[Measuring]":
    """Join the processes of `torchrun`, and give what measuring needs."""
    from mocotool.devices import resolve_device
    from mocotool.metrics.distances import Measuring
    from mocotool.training.distributed import joined_processes

    with joined_processes(resolve_device(device)) as processes:
        if not processes.is_first:
            report.quiet = True
        with report.progress(what) as advance:
            yield Measuring(
                config=config, device=processes.device, processes=processes, progress=advance
            )


def open_sides(
    paths: tuple[Path, ...],
    measuring: "Measuring",
    *,
    generator: Path | None,
    noise: NoiseChoice,
    precision: str,
    report: Report,
) -> "list[Side]":
    """Open what was named: folders, videos, latents or saved statistics."""
    from mocotool.devices import resolve_precision
    from mocotool.metrics.sides import open_side

    return [
        open_side(
            path,
            generator=generator,
            render=RenderConfig(noise=noise),
            device=measuring.device,
            precision=resolve_precision(precision, measuring.device),
            warn=report.warn,
        )
        for path in paths
    ]


def print_result(report: Report, result: "MetricResult", *, is_first: bool = True) -> None:
    """Say warnings on stderr and the result on stdout, in the first process only."""
    if not is_first:
        return
    for warning in result.warnings:
        report.warn(warning)
    report.result(result.as_json() if report.json else result.as_table())
