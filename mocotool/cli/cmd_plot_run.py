"""`moco plot-run`: plot the curves of a training run."""

from pathlib import Path
from typing import Annotated

import typer

from mocotool.cli import options as opt
from mocotool.cli.report import Report
from mocotool.files import check_output_path

PICTURE_NAME = "curves.png"


def plot_run(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of the run.")],
    *,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE.png",
            help="Output picture.",
            show_default=f"RUN/{PICTURE_NAME}",
            rich_help_panel="Output",
        ),
    ] = None,
    force: opt.Force = False,
    report: Report,
) -> None:
    """Plot the curves of a training run.

    Losses, accuracies, gradient norms and motion from its metrics.jsonl, during or after training.
    The plot in the run's own folder is overwritten each time.

    Example: moco plot-run run/ -o curves.png
    """
    target = run / PICTURE_NAME if out is None else check_output_path(out, force=force)

    from mocotool.training.run_curves import draw_run_curves, read_metrics
    from mocotool.video.pictures import write_png

    metrics = read_metrics(run)
    write_png(target, draw_run_curves(metrics))
    last = max(step for points in metrics.values() for step, _ in points)
    report.result({"wrote": target, "last_step": last, "curves": len(metrics)}, quiet_hides=True)
