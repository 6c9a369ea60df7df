"""`moco eval kid|two-sample`: are single frames of generated videos told from real ones?"""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mocotool.cli import eval_options as ev
from mocotool.cli.report import Report
from mocotool.configs.evaluate import SampleProtocol

Detector = Annotated[
    str,
    typer.Option(
        help="squeezenet, inception (KID proper), pixels, a file of Inception weights, or "
        "torchscript:FILE."
    ),
]


def kid(
    real: ev.Real,
    fake: ev.Fake,
    *,
    detector: Detector = "squeezenet",
    protocol: SampleProtocol,
    options: ev.DistanceOptions,
    report: Report,
) -> None:
    """Measure the kernel distance of single frames: cubic MMD, unbiased.

    It needs fewer frames than a Frechet distance, and a standard error says
    how far chance may have moved it. Real against real is 0 on average.

    Example: moco eval kid people/train walk.npz
    """
    _compare(
        "kid", (real, fake), detector=detector, protocol=protocol, options=options, report=report
    )


def two_sample(
    real: ev.Real,
    fake: ev.Fake,
    *,
    detector: Detector = "squeezenet",
    protocol: SampleProtocol,
    options: ev.DistanceOptions,
    report: Report,
) -> None:
    """Measure how often a frame's nearest neighbour tells its side.

    From as many frames of either side: 0.5 where they are alike, 1 where they
    are apart; and the same among real and generated frames alone.

    Example: moco eval two-sample people/train walk.npz
    """
    _compare(
        "two-sample",
        (real, fake),
        detector=detector,
        protocol=protocol,
        options=options,
        report=report,
    )


def _compare(
    metric: Literal["kid", "two-sample"],
    paths: tuple[Path, Path],
    *,
    detector: str,
    protocol: SampleProtocol,
    options: ev.DistanceOptions,
    report: Report,
) -> None:
    for path in paths:
        ev.check_side(path)
    targets = ev.choose_statistics(options.save_stats, force=options.force)

    from mocotool.metrics.frame_detectors import load_frame_detector
    from mocotool.metrics.frame_distances import compute_kid, compute_two_sample
    from mocotool.metrics.sides import save_statistics

    computing = options.computing
    with ev.start_measuring(
        report, device=computing.device, config=options.extraction, what="frames"
    ) as measuring:
        sides = ev.open_sides(
            paths, measuring, latents=options.latents, computing=computing, report=report
        )
        compute = compute_kid if metric == "kid" else compute_two_sample
        result = compute(
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
