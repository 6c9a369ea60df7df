"""`moco eval fvd|kvd|fid`: how far generated videos are from real ones."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mocotool.cli import eval_options as ev
from mocotool.cli.report import Report
from mocotool.cli.spread import Without
from mocotool.configs.evaluate import ROLES, FrameProtocol, VideoProtocol
from mocotool.errors import ConfigError

VideoDetector = Annotated[
    str,
    typer.Option(
        help="i3d (FVD proper), i3d-torchscript, motion, a file of I3D weights, "
        "or torchscript:FILE."
    ),
]
FrameDetector = Annotated[
    str,
    typer.Option(
        help="inception (FID proper), squeezenet, pixels, a file of Inception weights, or "
        "torchscript:FILE."
    ),
]


def fvd(
    real: ev.Real,
    fake: ev.Fake,
    *,
    detector: VideoDetector = "i3d",
    protocol: VideoProtocol,
    options: ev.DistanceOptions,
    report: Report,
) -> None:
    """Measure the Frechet video distance, with its whole protocol.

    Numbers compare only where protocol, detector and counts are the same, so
    all of them are printed. Latents are rendered on the fly, without a lossy
    file between.

    Example: moco eval fvd people/train walk.npz --protocol stylegan-v
    """
    _compare_clips(
        "fvd", (real, fake), protocol=protocol, detector=detector, options=options, report=report
    )


def kvd(
    real: ev.Real,
    fake: ev.Fake,
    *,
    detector: VideoDetector = "i3d",
    protocol: Annotated[VideoProtocol, Without(("covariance",))],
    options: ev.DistanceOptions,
    report: Report,
) -> None:
    """Measure the kernel video distance: polynomial MMD, unbiased.

    It assumes no Gaussian and is unbiased for few clips; a standard error
    says how far chance may have moved it.

    Example: moco eval kvd people/train walk.npz --num-frames 16
    """
    _compare_clips(
        "kvd", (real, fake), protocol=protocol, detector=detector, options=options, report=report
    )


def fid(
    real: ev.Real,
    fake: ev.Fake,
    *,
    detector: FrameDetector = "inception",
    protocol: FrameProtocol,
    options: ev.DistanceOptions,
    report: Report,
) -> None:
    """Measure the Frechet Inception distance of single frames.

    With --detector squeezenet it needs no download: a distance of ImageNet
    features that come along, and named so. With pixels it needs no network.

    Example: moco eval fid people/train walk.npz --detector squeezenet
    """
    for path in (real, fake):
        ev.check_side(path)
    targets = ev.choose_statistics(options.save_stats, force=options.force)

    from mocotool.metrics.frame_detectors import load_frame_detector
    from mocotool.metrics.frame_distances import compute_fid
    from mocotool.metrics.sides import save_statistics

    computing = options.computing
    with ev.start_measuring(
        report, device=computing.device, config=options.extraction, what="frames"
    ) as measuring:
        sides = ev.open_sides(
            (real, fake), measuring, latents=options.latents, computing=computing, report=report
        )
        result = compute_fid(
            *sides,
            protocol=protocol,
            detector=load_frame_detector(detector, warn=report.warn),
            measuring=measuring,
            ground_truth=options.ground_truth,
        )
        if measuring.processes.is_first:
            settings = dict.fromkeys(targets, {"frame_size": protocol.frame_size})
            save_statistics(result, targets, features=settings)
    ev.print_result(report, result, is_first=measuring.processes.is_first)


def _compare_clips(
    metric: Literal["fvd", "kvd"],
    paths: tuple[Path, Path],
    *,
    protocol: VideoProtocol,
    detector: str,
    options: ev.DistanceOptions,
    report: Report,
) -> None:
    for path in paths:
        ev.check_side(path)
    targets = ev.choose_statistics(options.save_stats, force=options.force)
    if targets and protocol.num_repeats > 1:
        raise ConfigError("--save-stats keeps one draw", hint="add --num-repeats 1")

    from mocotool.metrics.detectors import load_video_detector
    from mocotool.metrics.distances import compute_fvd, compute_kvd, feature_settings
    from mocotool.metrics.sides import save_statistics

    computing = options.computing
    with ev.start_measuring(
        report, device=computing.device, config=options.extraction
    ) as measuring:
        real, fake = ev.open_sides(
            paths, measuring, latents=options.latents, computing=computing, report=report
        )
        loaded = load_video_detector(detector, protocol=protocol, warn=report.warn)
        compute = compute_fvd if metric == "fvd" else compute_kvd
        result = compute(
            real,
            fake,
            protocol=protocol,
            detector=loaded,
            measuring=measuring,
            ground_truth=options.ground_truth,
        )
        if measuring.processes.is_first:
            own = {str(role): feature_settings(protocol, role) for role in ROLES}
            save_statistics(result, targets, features=own)
    ev.print_result(report, result, is_first=measuring.processes.is_first)
