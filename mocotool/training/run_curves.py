"""Curves of a training run's metrics, as one picture."""

from pathlib import Path

import numpy as np

from mocotool.arrays import FramesU8
from mocotool.errors import FileFormatError
from mocotool.plots import Series, draw_line_chart
from mocotool.training.run_files import LOG_NAME, read_log

MAX_LINES = 6  # as many as a chart has colours for
COLUMNS = 2
COSTS = frozenset({"seconds", "memory_mb", "images", "images_per_s"})
RIGHT, GRADIENTS, MOTION = "Discriminators are right", "Gradient norms", "Motion of clips"
GENERATOR, OTHERS = "Generator losses", "Discriminators"
ORDER = (GENERATOR, OTHERS, MOTION, RIGHT, GRADIENTS)


def read_metrics(run: Path) -> dict[str, list[tuple[int, float]]]:
    """Read a run's log.

    Args:
        run: The run's folder.

    Returns:
        Name -> (step, value) of every logged step; lines that a kill tore are left out, and numbers
        that were not finite are NaN.

    Raises:
        FileFormatError: There is no log, or nothing is in it.
    """
    path = run / LOG_NAME
    if not path.exists():
        raise FileFormatError(
            f"{path}: no such file",
            hint="name the folder that train-motion or train-image wrote with -o",
        )
    metrics: dict[str, list[tuple[int, float]]] = {}
    for step, row, _ in read_log(run):
        for name, value in row.items():
            metrics.setdefault(name, []).append((step, value))
    if not metrics:
        raise FileFormatError(f"{path}: nothing has been logged yet")
    return metrics


def draw_run_curves(metrics: dict[str, list[tuple[int, float]]]) -> FramesU8:
    """Draw a run's numbers, those of one kind in one chart.

    Args:
        metrics: From `read_metrics`.

    Returns:
        uint8 [h, w, 3] RGB, two charts per row.
    """
    groups: dict[str, list[Series]] = {}
    for name, points in metrics.items():
        if name not in COSTS:
            steps, values = zip(*points, strict=True)
            groups.setdefault(group_of(name), []).append(Series(name=name, x=steps, y=values))
    charts = [
        draw_line_chart(
            lines[start : start + MAX_LINES], title=title, x_label="step", y_label="value"
        )
        for title, lines in sorted(groups.items(), key=lambda item: ORDER.index(item[0]))
        for start in range(0, len(lines), MAX_LINES)
    ]
    blank = np.full_like(charts[0], 255)
    charts += [blank] * (-len(charts) % COLUMNS)
    rows = [
        np.concatenate(charts[start : start + COLUMNS], axis=1)
        for start in range(0, len(charts), COLUMNS)
    ]
    return np.concatenate(rows)


def group_of(name: str) -> str:
    """Return the title of the chart that a number belongs in."""
    if "_right_" in name:
        return RIGHT
    if name.endswith("_grad"):
        return GRADIENTS
    if name.startswith(("motion_", "drift_")):
        return MOTION
    return GENERATOR if name.startswith("g_") else OTHERS
