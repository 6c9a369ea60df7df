"""`moco eval stats|merge`: measure parts of a dataset on many machines, and merge them."""

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import typer

from mocotool.cli import eval_options as ev
from mocotool.cli import options as opt
from mocotool.cli.report import Report
from mocotool.cli.spread import Without
from mocotool.configs.evaluate import ExtractionConfig, SideRole, VideoProtocol
from mocotool.configs.shard import parse_shard
from mocotool.files import check_input_file, check_output_path

Layout = Literal["moco", "mu-sigma"]
StatisticsOut = Annotated[
    Path,
    typer.Option("--out", "-o", metavar="FILE.npz", help="Output file."),
]


def stats(
    videos: ev.ManyVideos,
    *,
    out: StatisticsOut,
    side: Annotated[
        SideRole, typer.Option(help="Side of the protocol: real or generated (fake).")
    ] = "real",
    shard: Annotated[
        str, typer.Option(help="I/N: measure part I of N, from 0; merge them later.")
    ] = "0/1",
    detector: Annotated[
        str, typer.Option(help="i3d, i3d-torchscript, motion, tracks, a file, or torchscript:FILE.")
    ] = "i3d",
    protocol: Annotated[VideoProtocol, Without(("covariance", "kernel", "num_repeats"))],
    layout: Annotated[
        Layout,
        typer.Option(
            help="moco, or mu-sigma: only mean and covariance (n - 1), for pytorch-fid and "
            "clean-fid.",
            rich_help_panel="Output",
        ),
    ] = "moco",
    latents: ev.LatentsOrMotion,
    force: opt.Force = False,
    extraction: ExtractionConfig,
    computing: opt.MetricComputing,
    report: Report,
) -> None:
    """Compute and save the statistics of one side of an FVD or KVD.

    moco eval fvd and kvd accept the file in place of the videos. --layout
    mu-sigma writes it for other programs; VIDEOS may then be saved statistics.

    Example: moco eval stats people/train --shard 0/4 -o part-0.npz
    """
    settings = dataclasses.replace(protocol, num_repeats=1)
    config = dataclasses.replace(extraction, shard=parse_shard(shard))
    ev.check_side(videos)
    check_output_path(out, force=force)

    from mocotool.metrics.foreign_statistics import write_mean_and_covariance
    from mocotool.metrics.measuring import (
        describe_detector,
        feature_settings,
        load_detector,
        measure_side,
    )
    from mocotool.metrics.saved_statistics import SavedStatistics, write_side
    from mocotool.metrics.sides import require_frames

    with ev.join_extractor(report, device=computing.device, config=config) as extractor:
        sides = ev.open_sides(
            (videos,),
            extractor,
            latents=latents,
            computing=computing,
            report=report,
        )

        # saved statistics are only written in the other layout
        if layout == "mu-sigma" and isinstance(sides[0], SavedStatistics):
            saved = sides[0].stats
            write_mean_and_covariance(saved, out)
            values = {"num_samples": saved.num_samples, "feature_dim": saved.feature_dim}
            report.result({"out": str(out), **values}, quiet_hides=True)
            return

        # videos are measured, by all processes together; the first one writes
        loaded = load_detector(detector, protocol=settings, warn=report.warn)
        measured = measure_side(
            require_frames(sides[0]),
            side,
            protocol=settings,
            detector=loaded,
            extractor=extractor,
        )
        if not extractor.processes.is_first:
            return
        if layout == "mu-sigma":
            write_mean_and_covariance(measured.stats, out)
        else:
            write_side(
                measured,
                out,
                detector=describe_detector(loaded, measured.stats.feature_dim),
                features=feature_settings(settings, loaded, side),
                shard=config.shard,
            )
    report.result({"out": str(out), "shard": shard, **measured.report}, quiet_hides=True)


def merge(
    parts: Annotated[
        list[Path], typer.Argument(metavar="STATISTICS...", help="Files of moco eval stats.")
    ],
    *,
    out: StatisticsOut,
    force: opt.Force = False,
    report: Report,
) -> None:
    """Merge saved statistics of the parts of one dataset, as moco merge does.

    The result equals the statistics of all videos together, up to rounding.

    Example: moco eval merge part-0.npz part-1.npz -o real.npz
    """
    for part in parts:
        check_input_file(part)
    check_output_path(out, force=force)

    from mocotool.merging import merge_files

    merged = merge_files(parts, out, what="statistics")
    report.result({"out": str(out), "num_clips": merged["num_samples"]} | merged, quiet_hides=True)
