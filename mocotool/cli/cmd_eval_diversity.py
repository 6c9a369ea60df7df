"""`moco eval diversity`: how much videos with the same start differ."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mocotool.cli import eval_options as ev
from mocotool.cli import options as opt
from mocotool.cli.inputs import check_optional_file
from mocotool.cli.report import Report
from mocotool.configs.evaluate import DiversityProtocol, ExtractionConfig
from mocotool.errors import ConfigError
from mocotool.files import check_output_path

if TYPE_CHECKING:
    from mocotool.metrics.extraction import FeatureExtractor
    from mocotool.metrics.sources import VideoSource


def diversity(
    videos: Annotated[
        Path | None,
        typer.Argument(
            metavar="[VIDEOS]",
            help="Latents with several motions of each content seed, a folder of videos of one "
            "content, or a motion model to sample; the bundled one if left out.",
        ),
    ] = None,
    *,
    motion: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Motion model to sample, in place of VIDEOS."),
    ] = None,
    pca: opt.PCAOption = None,
    protocol: DiversityProtocol,
    pictures: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Folder for mean.png, std.png and mean.mp4 of the first content.",
            rich_help_panel="Output",
        ),
    ] = None,
    force: opt.Force = False,
    generator: ev.Generator = None,
    computing: opt.MetricComputing,
    report: Report,
) -> None:
    """Measure how much videos with the same start differ (Appendix D).

    Many motions of one content, without noise: the standard deviation of each
    pixel of the last frame in [-1, 1], averaged over pixels and contents.

    Example: moco eval diversity --num-contents 5 --pictures diversity
    """
    # a motion model may stand where videos do
    if motion is None and videos is not None and ev.names_motion(videos):
        motion, videos = videos, None
    if videos is not None:
        ev.check_side(videos)
        if motion is not None:
            raise ConfigError("--motion samples videos, and VIDEOS names them: expected one")
        if protocol.num_repeats > 1:
            raise ConfigError("--num-repeats is for a motion model, but VIDEOS are measured once")
    check_optional_file(motion)
    _check_picture_folder(pictures, force=force)

    from mocotool.devices import resolve_precision
    from mocotool.metrics.diversity import (
        compute_diversity,
        compute_sampled_diversity,
        write_pictures,
    )
    from mocotool.trajectory import load_motion_and_generator

    config = ExtractionConfig()
    with ev.join_extractor(
        report, device=computing.device, config=config, what="videos"
    ) as extractor:
        # the videos of a file as they are, or a model sampled for them
        if videos is not None:
            source = _open_videos(
                videos, extractor, generator=generator, computing=computing, report=report
            )
            result, spread = compute_diversity(source, progress=extractor.progress)
        else:
            models = load_motion_and_generator(
                motion,
                generator,
                pca=pca,
                device=extractor.device,
                precision=resolve_precision(computing.precision, extractor.device),
                warn=report.warn,
            )
            result, spread = compute_sampled_diversity(
                *models, protocol=protocol, progress=extractor.progress
            )
        if pictures is not None and extractor.processes.is_first:
            write_pictures(spread, pictures)
    ev.print_result(report, result, is_first=extractor.processes.is_first)


def _check_picture_folder(folder: Path | None, *, force: bool) -> None:
    """Check that the pictures of `moco eval diversity` can be written.

    Raises:
        ConfigError: One already exists, or the folder is a file.
    """
    if folder is None:
        return
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder}: a file, expected the name of a folder")
    if folder.is_dir():
        for name in ("mean.png", "std.png", "mean.mp4"):
            check_output_path(folder / name, force=force)


def _open_videos(
    videos: Path,
    extractor: "FeatureExtractor",
    *,
    generator: Path | None,
    computing: opt.MetricComputing,
    report: Report,
) -> "VideoSource":
    """Open several motions of each content."""
    from mocotool.metrics.sides import require_videos

    sides = ev.open_sides(
        (videos,),
        extractor,
        latents=ev.Latents(generator=generator, noise="none"),
        computing=computing,
        report=report,
    )
    return require_videos(sides[0])
