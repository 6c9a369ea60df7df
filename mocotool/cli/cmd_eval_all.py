"""`moco eval all`: every metric that the inputs allow, in one table."""

from typing import Annotated

from mocotool.cli import eval_options as ev
from mocotool.cli import options as opt
from mocotool.cli.report import Report
from mocotool.cli.spread import Without
from mocotool.configs.evaluate import ExtractionConfig, VideoProtocol


def all_metrics(
    real: ev.Real,
    fake: ev.Fake,
    *,
    protocol: Annotated[
        VideoProtocol,
        Without(("frame_size", "resize", "interpolation", "covariance", "num_repeats")),
    ],
    latents: ev.Latents,
    extraction: ExtractionConfig,
    computing: opt.MeasuringComputing,
    report: Report,
) -> None:
    """Measure everything that the inputs and the detectors at hand allow.

    Distances, scores and identity in one table, real against real beside
    each; what cannot be measured says why. One metric alone tells more.

    Example: moco eval all people/train walk.npz
    """
    for path in (real, fake):
        ev.check_side(path)

    from mocotool.metrics.overview import compute_all

    with ev.start_measuring(
        report, device=computing.device, config=extraction, what="samples"
    ) as measuring:
        sides = ev.open_sides(
            (real, fake),
            measuring,
            latents=latents,
            computing=computing,
            report=report,
        )
        overview = compute_all(*sides, protocol=protocol, measuring=measuring, warn=report.warn)
    if not measuring.processes.is_first:
        return
    for warning in sorted({text for result in overview.results for text in result.warnings}):
        report.warn(warning)
    report.result(overview.as_json() if report.json else overview.as_table())
