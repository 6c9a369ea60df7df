"""`moco eval kid|two-sample|precision-recall`: are generated samples like real ones?"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mocotool.cli import eval_options as ev
from mocotool.cli.report import Report
from mocotool.configs.eval_features import ManifoldProtocol, TwoSampleProtocol
from mocotool.configs.evaluate import ROLES, SampleProtocol

if TYPE_CHECKING:
    from mocotool.metrics.results import MetricResult

FrameDetector = Annotated[
    str,
    typer.Option(
        help="squeezenet, inception (KID proper), pixels, a file of Inception weights, or "
        "torchscript:FILE."
    ),
]
SampleDetector = Annotated[
    str,
    typer.Option(
        help="Of frames: squeezenet, inception, pixels, a file of Inception weights, or "
        "torchscript:FILE. Of clips: motion or i3d."
    ),
]


def kid(
    real: ev.Real,
    fake: ev.Fake,
    *,
    detector: FrameDetector = "squeezenet",
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
    detector: SampleDetector = "squeezenet",
    protocol: TwoSampleProtocol,
    options: ev.DistanceOptions,
    report: Report,
) -> None:
    """Measure how often samples are told apart: frames, or clips.

    By each one's nearest neighbour, or by logistic regression that learnt
    from the others. From as many samples of either side: 0.5 where they are
    alike, 1 where they are apart, with a 95 % interval.

    Example: moco eval two-sample people/train walk.npz --classifier logistic
    """
    _compare(
        "two-sample",
        (real, fake),
        detector=detector,
        protocol=protocol,
        options=options,
        report=report,
    )


def precision_recall(
    real: ev.Real,
    fake: ev.Fake,
    *,
    detector: SampleDetector = "squeezenet",
    protocol: ManifoldProtocol,
    options: ev.DistanceOptions,
    report: Report,
) -> None:
    """Measure precision and recall, density and coverage.

    Precision and density: are generated samples like real ones? Recall and
    coverage: are all kinds of real ones among them? By balls that reach to
    each sample's k-th nearest neighbour.

    Example: moco eval precision-recall people/train walk.npz --detector motion
    """
    _compare(
        "precision-recall",
        (real, fake),
        detector=detector,
        protocol=protocol,
        options=options,
        report=report,
    )


def _compare(
    metric: Literal["kid", "two-sample", "precision-recall"],
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

    from mocotool.metrics.compared_sides import load_sample_detector, sample_settings
    from mocotool.metrics.frame_distances import compute_kid
    from mocotool.metrics.precision_recall import compute_precision_recall
    from mocotool.metrics.sides import save_statistics
    from mocotool.metrics.two_sample import compute_two_sample

    compute: Callable[..., MetricResult] = {
        "kid": compute_kid,
        "two-sample": compute_two_sample,
        "precision-recall": compute_precision_recall,
    }[metric]

    computing = options.computing
    with ev.start_measuring(
        report, device=computing.device, config=options.extraction, what="frames"
    ) as measuring:
        sides = ev.open_sides(
            paths, measuring, latents=options.latents, computing=computing, report=report
        )
        loaded = load_sample_detector(detector, protocol=protocol, warn=report.warn)
        result = compute(
            *sides,
            protocol=protocol,
            detector=loaded,
            measuring=measuring,
            ground_truth=options.ground_truth,
        )
        if measuring.processes.is_first:
            own = {str(role): sample_settings(protocol, loaded, role) for role in ROLES}
            save_statistics(result, targets, features=own)
    ev.print_result(report, result, is_first=measuring.processes.is_first)
