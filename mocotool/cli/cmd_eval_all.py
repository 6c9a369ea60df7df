"""`moco eval all`: all metrics that the inputs allow, in one table."""

from typing import Annotated

import typer

from mocotool.cli import eval_options as ev
from mocotool.cli import options as opt
from mocotool.cli.report import Report
from mocotool.cli.spread import Without
from mocotool.configs.evaluate import ExtractionConfig, VideoProtocol
from mocotool.errors import ConfigError


def all_metrics(
    real: ev.Real,
    fake: ev.Fake,
    *,
    protocol: Annotated[
        VideoProtocol,
        Without(
            (
                "frame_size",
                "resize",
                "interpolation",
                "pixels",
                "covariance",
                "kernel",
            )
        ),
    ],
    latents: ev.ComparedLatents,
    markdown: Annotated[
        bool,
        typer.Option("--markdown", help="Rows of a Markdown table.", rich_help_panel="Output"),
    ] = False,
    latex: Annotated[
        bool, typer.Option("--latex", help="Rows of a LaTeX table.", rich_help_panel="Output")
    ] = False,
    extraction: ExtractionConfig,
    computing: opt.MetricComputing,
    report: Report,
) -> None:
    """Compute every metric for which inputs and detectors are available.

    Distances, scores and identity in one table, each next to its value for
    real against real; skipped metrics say why. A metric's own command has more
    options. --markdown and --latex print rows for a paper.

    Example: moco eval all people/train walk.npz --latex
    """
    if markdown + latex + report.json > 1:
        raise ConfigError("--markdown, --latex and --json exclude each other")
    ev.check_sides(real, fake)

    from mocotool.metrics.overview import compute_all

    with ev.join_extractor(
        report, device=computing.device, config=extraction, what="samples"
    ) as extractor:
        sides = ev.open_sides(
            (real, fake),
            extractor,
            latents=latents,
            computing=computing,
            report=report,
        )
        overview = compute_all(*sides, protocol=protocol, extractor=extractor, warn=report.warn)
    if not extractor.processes.is_first:
        return
    for warning in sorted({text for result in overview.results for text in result.warnings}):
        report.warn(warning)
    if markdown or latex:
        typer.echo(overview.as_rows(fake.stem, "latex" if latex else "markdown"))
        return
    report.result(overview.as_json() if report.json else overview.as_table())
