"""`moco eval fvd|kvd|fid`: how far generated videos are from real ones."""

from typing import Annotated

import typer

from mocotool.cli import eval_options as ev
from mocotool.cli.eval_comparison import compare_sides
from mocotool.cli.report import Report
from mocotool.cli.spread import Without
from mocotool.configs.evaluate import FrameProtocol, VideoProtocol

VideoDetector = Annotated[
    str,
    typer.Option(
        help="i3d (FVD proper), i3d-torchscript, motion, tracks, a file of I3D weights, "
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
    protocol: Annotated[VideoProtocol, Without(("kernel",))],
    options: ev.DistanceOptions,
    report: Report,
) -> None:
    """Measure the Frechet video distance, with its whole protocol.

    Numbers compare only where protocol, detector and counts are the same, so
    all of them are printed. Latents are rendered on the fly, without a lossy
    file between.

    Example: moco eval fvd people/train walk.npz --protocol stylegan-v
    """
    compare_sides(
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
    compare_sides(
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
    compare_sides(
        "fid", (real, fake), protocol=protocol, detector=detector, options=options, report=report
    )
