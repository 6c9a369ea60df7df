"""`moco eval fvd|kvd|fid`: distances between generated and real videos."""

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
    """Compute the Frechet video distance, with its full protocol.

    Values are comparable only for the same protocol, detector and counts, so
    all of these are printed. Latents are rendered on the fly, without lossy
    compression.

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
    """Compute the kernel video distance: unbiased polynomial MMD.

    It needs no Gaussian assumption and is unbiased for few clips; the standard
    error is printed with it.

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
    """Compute the Frechet Inception distance of single frames.

    --detector squeezenet uses the bundled ImageNet features and needs no
    download; --detector pixels needs no network. Both are reported under their
    own names, not as FID.

    Example: moco eval fid people/train walk.npz --detector squeezenet
    """
    compare_sides(
        "fid", (real, fake), protocol=protocol, detector=detector, options=options, report=report
    )
