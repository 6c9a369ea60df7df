"""`moco eval stats|merge`: measure parts of a set on many machines, and put them together."""

from pathlib import Path
from typing import Annotated

import typer

from mocotool.cli import eval_options as ev
from mocotool.cli import options as opt
from mocotool.cli.report import Report
from mocotool.configs.evaluate import ExtractionConfig, SideRole, VideoProtocol, parse_shard
from mocotool.files import check_input_file, check_output_path

StatisticsOut = Annotated[
    Path,
    typer.Option("--out", "-o", metavar="FILE.npz", help="Where to write the statistics."),
]


def stats(
    videos: ev.Videos,
    *,
    out: StatisticsOut,
    side: Annotated[
        SideRole, typer.Option(help="Whose clips the protocol chooses: real or generated ones.")
    ] = "real",
    shard: Annotated[
        str, typer.Option(help="I/N: measure part I of N, from 0; merge them later.")
    ] = "0/1",
    detector: Annotated[
        str, typer.Option(help="i3d, i3d-torchscript, motion, a file, or torchscript:FILE.")
    ] = "i3d",
    protocol: ev.Protocol = "stylegan-v",
    num_frames: ev.NumFrames = None,
    frame_stride: ev.FrameStride = None,
    real_clips: ev.RealClips = None,
    fake_clips: ev.FakeClips = None,
    num_real: ev.NumReal = None,
    num_fake: ev.NumFake = None,
    frame_size: ev.FrameSize = None,
    resize: ev.Resize = None,
    interpolation: ev.Interpolation = None,
    seed: ev.ProtocolSeed = None,
    generator: ev.Generator = None,
    noise: opt.Noise = "const",
    force: opt.Force = False,
    batch_size: ev.BatchSize = None,
    cache: ev.Cache = True,
    device: opt.Device = "auto",
    precision: ev.RenderPrecision = "fp32",
    json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Measure one side of an FVD or KVD, and save its statistics.

    The file stands in for the videos in moco eval fvd and kvd.

    Example: moco eval stats people/train --shard 0/4 -o part-0.npz
    """
    report = Report(json=json, quiet=quiet)
    settings = VideoProtocol.from_preset(
        protocol,
        num_frames=num_frames,
        frame_stride=frame_stride,
        real_clips=real_clips,
        fake_clips=fake_clips,
        num_real=num_real,
        num_fake=num_fake,
        frame_size=frame_size,
        resize=resize,
        interpolation=interpolation,
        num_repeats=1,
        seed=seed,
    )
    config = ExtractionConfig(batch_size=batch_size, use_cache=cache, shard=parse_shard(shard))
    ev.check_side(videos)
    check_output_path(out, force=force)

    from mocotool.metrics.detectors import load_video_detector
    from mocotool.metrics.distances import (
        check_clip_length,
        describe_detector,
        feature_settings,
        measure_clips,
    )
    from mocotool.metrics.sides import require_videos, write_side

    with ev.start_measuring(report, device=device, config=config) as measuring:
        sides = ev.open_sides(
            (videos,),
            measuring,
            generator=generator,
            noise=noise,
            precision=precision,
            report=report,
        )
        loaded = load_video_detector(detector, protocol=settings, warn=report.warn)
        check_clip_length(settings, loaded)
        measured = measure_clips(
            require_videos(sides[0]),
            side,
            protocol=settings,
            detector=loaded,
            measuring=measuring,
        )
        if not measuring.processes.is_first:
            return
        write_side(
            measured,
            out,
            detector=describe_detector(loaded, measured.stats.feature_dim),
            features=feature_settings(settings),
        )
    report.result({"out": str(out), "shard": shard, **measured.report}, quiet_hides=True)


def merge(
    parts: Annotated[
        list[Path], typer.Argument(metavar="STATISTICS...", help="Files of moco eval stats.")
    ],
    *,
    out: StatisticsOut,
    force: opt.Force = False,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Merge saved statistics of the parts of one set.

    The result equals the statistics of all videos together, up to rounding.

    Example: moco eval merge part-0.npz part-1.npz -o real.npz
    """
    report = Report(json=json, quiet=quiet)
    for part in parts:
        check_input_file(part)
    check_output_path(out, force=force)

    from mocotool.metrics.sides import merge_statistics
    from mocotool.metrics.statistics import write_statistics

    merged, meta = merge_statistics(parts)
    write_statistics(merged, out, meta=meta)
    report.result(
        {
            "out": str(out),
            "num_parts": len(parts),
            "num_clips": merged.num_samples,
            "feature_dim": merged.feature_dim,
            "has_features": merged.features is not None,
        },
        quiet_hides=True,
    )
