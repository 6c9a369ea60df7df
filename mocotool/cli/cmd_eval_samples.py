"""`moco eval kid|two-sample|precision-recall`: are generated samples like real ones?"""

from typing import Annotated

import typer

from mocotool.cli import eval_options as ev
from mocotool.cli.eval_comparison import compare_sides
from mocotool.cli.report import Report
from mocotool.configs.eval_features import ManifoldProtocol, TwoSampleProtocol
from mocotool.configs.evaluate import SampleProtocol

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
        "torchscript:FILE. Of clips: motion, tracks or i3d."
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
    """Compute the kernel distance of single frames: unbiased cubic MMD.

    It needs fewer frames than a Frechet distance; the standard error is
    printed with it. Real against real is 0 on average.

    Example: moco eval kid people/train walk.npz
    """
    compare_sides(
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
    """Classifier two-sample test: can real and generated samples be told apart?

    Accuracy of the nearest neighbour, or of cross-validated logistic
    regression, on frames or clips, with a 95 % interval. Sides are balanced:
    0.5 means indistinguishable, 1 perfectly separable.

    Example: moco eval two-sample people/train walk.npz --classifier logistic
    """
    compare_sides(
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
    """Compute precision and recall, density and coverage.

    Precision and density: are generated samples realistic? Recall and
    coverage: do they cover all real ones? Estimated with balls that reach to
    each sample's k-th nearest neighbour.

    Example: moco eval precision-recall people/train walk.npz --detector motion
    """
    compare_sides(
        "precision-recall",
        (real, fake),
        detector=detector,
        protocol=protocol,
        options=options,
        report=report,
    )
