"""`moco eval motion`: one number for each thing that can be wrong with motion."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mocotool.cli import eval_options as ev
from mocotool.cli import options as opt
from mocotool.cli.report import Report
from mocotool.configs.eval_motion import MotionProtocol

if TYPE_CHECKING:
    import torch

    from mocotool.latents import Trajectory
    from mocotool.metrics.motion import MotionSubject
    from mocotool.metrics.sources import VideoSource


def motion(
    real: ev.Real,
    fake: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FAKE]",
            help="Generated videos, latents (.npz) or a motion model, which is sampled; the "
            "bundled model if left out.",
        ),
    ] = None,
    *,
    baselines: Annotated[
        bool, typer.Option("--baselines", help="Also measure simple random walks.")
    ] = False,
    trajectories: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.npz",
            help="Latents of real clips (moco invert), for two further baselines.",
        ),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.npz",
            help="Start a motion model's walks from these latents of REAL's first frames, not from "
            "sampled contents; real clips then start with their videos.",
        ),
    ] = None,
    pca: opt.PCAOption = None,
    protocol: MotionProtocol,
    generator: ev.Generator = None,
    computing: opt.MetricComputing,
    report: Report,
) -> None:
    """Measure motion: its distance from real motion, and what is wrong with it.

    Every number comes with its 95 % interval over seeds, next to that of real
    clips and, with --baselines, of simple random walks.

    Example: moco eval motion people/test motion.safetensors --baselines
    """
    if start is not None:
        protocol = dataclasses.replace(protocol, real_places="first")
    ev.check_sides(real, fake, trajectories, start)

    from mocotool.latents import read_latents
    from mocotool.metrics.motion import compute_motion
    from mocotool.metrics.sides import open_side, require_videos

    # the real clips, and what is compared with them
    device, precision = computing.resolve(report)
    clips = require_videos(
        open_side(real, generator=generator, device=device, precision=precision, warn=report.warn)
    )
    subjects = _open_subjects(
        fake,
        clips,
        protocol,
        baselines=baselines,
        trajectories=None if trajectories is None else read_latents(trajectories),
        start=None if start is None else read_latents(start),
        pca=pca,
        generator=generator,
        device=device,
        precision=precision,
        report=report,
    )

    # all figures of all subjects
    with report.progress("clips") as advance:
        result = compute_motion(clips, subjects, protocol=protocol, progress=advance)
    for warning in result.warnings:
        report.warn(warning)
    if report.json:
        report.result(result.as_json())
        return
    for line in draw_table(result.details["rows"]):
        typer.echo(line)


def _open_subjects(
    fake: Path | None,
    clips: "VideoSource",
    protocol: MotionProtocol,
    *,
    baselines: bool,
    trajectories: "Trajectory | None",
    start: "Trajectory | None",
    pca: Path | None,
    generator: Path | None,
    device: "torch.device",
    precision: "torch.dtype",
    report: Report,
) -> "list[MotionSubject]":
    """Open the generated side: a motion model, latents or videos."""
    from mocotool.metrics.motion import (
        choose_num_videos,
        describe_latents,
        describe_model,
        describe_videos,
    )
    from mocotool.metrics.sides import open_side, require_videos
    from mocotool.metrics.sources import RenderedLatents
    from mocotool.trajectory import load_motion_and_generator

    # a model is sampled anew for every seed
    if fake is None or ev.names_motion(fake):
        model, network = load_motion_and_generator(
            fake,
            generator,
            pca=pca,
            device=device,
            precision=precision,
            warn=report.warn,
        )
        assert model.origin is not None
        return describe_model(
            model,
            network,
            name=model.origin.path,
            num_videos=choose_num_videos(clips, protocol),
            protocol=protocol,
            baselines=baselines,
            real=trajectories,
            start=start,
        )

    # latents and videos are as they are
    side = require_videos(
        open_side(fake, generator=generator, device=device, precision=precision, warn=report.warn)
    )
    if isinstance(side, RenderedLatents):
        return describe_latents(side, protocol=protocol, baselines=baselines, real=trajectories)
    return describe_videos(side, protocol=protocol, baselines=baselines)


def draw_table(rows: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[str]:
    """Format a table with a row per figure and a column per subject.

    Args:
        rows: Name -> figure -> "mean", "half_width" and "values".
    """
    from mocotool.metrics.motion_figures import Interval

    names = list(rows)
    figures = dict.fromkeys(figure for name in names for figure in rows[name])
    cells = [["", *names]]
    for figure in figures:
        line = [figure.replace("_", " ")]
        for name in names:
            found = rows[name].get(figure)
            line.append("-" if found is None else str(Interval(**found)))
        cells.append(line)
    widths = [max(len(row[column]) for row in cells) for column in range(len(names) + 1)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
