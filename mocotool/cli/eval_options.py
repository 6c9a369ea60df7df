"""Options that the commands of `moco eval` share, and how they start and end."""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mocotool.cli.options import Force, MetricComputing, PCAOption
from mocotool.cli.report import Report
from mocotool.configs.evaluate import ExtractionConfig
from mocotool.configs.render import NoiseChoice, RenderConfig
from mocotool.configs.sample import BUNDLED_MOTION
from mocotool.errors import ConfigError, FileFormatError
from mocotool.fetched import locate
from mocotool.files import check_output_path
from mocotool.video.braces import expand_braces

if TYPE_CHECKING:
    from mocotool.metrics.extraction import FeatureExtractor
    from mocotool.metrics.results import MetricResult
    from mocotool.metrics.sides import Side

Real = Annotated[
    Path,
    typer.Argument(
        metavar="REAL", help="Real videos: a folder, a video, latents or saved statistics (.npz)."
    ),
]
Fake = Annotated[
    Path,
    typer.Argument(
        metavar="FAKE",
        help="Generated videos: the same kinds of input, or a motion model, which is sampled again "
        "for each repeat.",
    ),
]
Videos = Annotated[
    Path, typer.Argument(metavar="VIDEOS", help="A folder of videos, a video, or latents (.npz).")
]
ManyVideos = Annotated[
    Path,
    typer.Argument(
        metavar="VIDEOS",
        help="A folder of videos, a video, latents (.npz), or a motion model, which is sampled.",
    ),
]
Generator = Annotated[
    Path | None,
    typer.Option(
        "--generator",
        metavar="FILE",
        help="Generator of latents; if left out, the one they record.",
    ),
]
MotionsGenerator = Annotated[
    Path | None,
    typer.Option(
        "--generator",
        metavar="FILE",
        help="Generator of latents and motion models; if left out, the one they record.",
    ),
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Latents:
    """How latents are rendered for a metric."""

    generator: Generator = None
    noise: Annotated[
        NoiseChoice,
        typer.Option(
            help="Per-pixel noise: the file's own, drawn once per video, or none.",
            rich_help_panel="Output",
        ),
    ] = "const"
    pca: Path | None = None
    """Basis of an authors' motion model, where a command takes one."""
    num_videos: int | None = None
    """Videos to sample from a motion model, where a command lets it be said."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LatentsOrMotion(Latents):
    """The same, for inputs that may be motion models too."""

    generator: MotionsGenerator = None
    pca: PCAOption = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class ComparedLatents(LatentsOrMotion):
    """The same, where the real side sets how many videos are sampled from a motion model."""

    num_videos: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Videos to sample from a motion model per repeat.",
            show_default="as many samples as REAL has",
        ),
    ] = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class DistanceOptions:
    """Options of all distances between two sides."""

    ground_truth: Annotated[
        bool,
        typer.Option(
            "--ground-truth", help="Also measure one half of the real videos against the other."
        ),
    ] = False
    latents: ComparedLatents
    save_stats: Annotated[
        Path | None,
        typer.Option(
            "--save-stats",
            metavar="FOLDER",
            help="Output folder for real.npz and fake.npz, to compare or merge later.",
            rich_help_panel="Output",
        ),
    ] = None
    force: Force = False
    extraction: ExtractionConfig
    computing: MetricComputing


def check_side(path: Path) -> Path:
    """Check that a side exists before anything heavy is loaded.

    Raises:
        FileFormatError: It does not.
    """
    if str(path) == BUNDLED_MOTION:
        return path
    missing = [part for part in expand_braces(locate(path)) if not part.exists()]
    if missing:
        raise FileFormatError(
            f"{missing[0]}: no such file or folder", hint="check the path; `ls` shows what is there"
        )
    return path


def check_sides(*paths: Path | None) -> tuple[Path, ...]:
    """Check that all sides exist; return those that were named."""
    return tuple(check_side(path) for path in paths if path is not None)


def names_motion(path: Path) -> bool:
    """Return whether a path is that of a motion model, ours or the authors', by its ending."""
    return str(path) == BUNDLED_MOTION or path.suffix.lower() in (".safetensors", ".pth")


def choose_statistics(folder: Path | None, *, force: bool) -> dict[str, Path]:
    """Choose the files for the statistics of each side; fail before anything is computed.

    Raises:
        ConfigError: A file already exists, or cannot be written.
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
def join_extractor(
    report: Report, *, device: str, config: ExtractionConfig, what: str = "clips"
) -> "Iterator[FeatureExtractor]":
    """Join the processes of `torchrun`; yield the feature extractor."""
    from mocotool.devices import resolve_device
    from mocotool.metrics.extraction import FeatureExtractor
    from mocotool.training.distributed import joined_processes

    with joined_processes(resolve_device(device)) as processes:
        if not processes.is_first:
            report.quiet = True
        report.name_device(processes.device, shares=True)
        with report.progress(what) as advance:
            yield FeatureExtractor(
                config=config, device=processes.device, processes=processes, progress=advance
            )


def open_sides(
    paths: tuple[Path, ...],
    extractor: "FeatureExtractor",
    *,
    latents: Latents,
    computing: MetricComputing,
    report: Report,
) -> "list[Side]":
    """Open both sides: folders, videos, latents or saved statistics."""
    from mocotool.devices import resolve_precision
    from mocotool.metrics.sides import open_side

    return [
        open_side(
            path,
            generator=latents.generator,
            render=RenderConfig(noise=latents.noise),
            pca=latents.pca,
            num_videos=latents.num_videos,
            device=extractor.device,
            precision=resolve_precision(computing.precision, extractor.device),
            warn=report.warn,
        )
        for path in paths
    ]


def print_result(report: Report, result: "MetricResult", *, is_first: bool = True) -> None:
    """Print warnings to stderr and the result to stdout, in the first process only."""
    if not is_first:
        return
    for warning in result.warnings:
        report.warn(warning)
    report.result(result.as_json() if report.json else result.as_table())
