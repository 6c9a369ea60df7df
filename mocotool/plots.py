"""Line charts as pictures, drawn by matplotlib: a basis's variance curve, the curves of a run."""

import dataclasses
import warnings
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from mocotool.arrays import FramesU8
from mocotool.errors import ConfigError

INK, FAINT_INK, GRID = "#262a33", "#686e7a", "#e4e7ec"
# Told apart by those who do not see red and green as well (Okabe and Ito's order, darkened).
COLOURS = ("#0060a8", "#ce5400", "#008662", "#aa4682", "#806800", "#468cbe")
DPI = 100
STYLE = {
    "font.size": 11.0,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT_INK,
    "xtick.color": FAINT_INK,
    "ytick.color": FAINT_INK,
    "grid.color": GRID,
    "axes.axisbelow": True,
    "text.parse_math": False,  # names come from files: "$" is a letter
}


CAPTION_MARGIN = 4  # pixels before a line of text


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """One line of a chart; points that are not finite are left out."""

    name: str
    """What the legend says; nothing is said of a single line without a name."""
    x: Sequence[float] | npt.NDArray[np.float64]
    """x coordinates, [m]."""
    y: Sequence[float] | npt.NDArray[np.float64]
    """y coordinates, [m]."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """An annotated point of a chart."""

    x: float
    """x coordinate."""
    y: float
    """y coordinate."""
    text: str
    """Text beside the point."""


def draw_line_chart(
    series: Sequence[Series],
    *,
    title: str,
    x_label: str,
    y_label: str,
    y_range: tuple[float, float] | None = None,
    percent: bool = False,
    marks: Sequence[Mark] = (),
    size: tuple[int, int] = (960, 600),
) -> FramesU8:
    """Draw lines over numbered axes.

    Args:
        series: The lines; up to six have colours of their own.
        title: Above the chart.
        x_label: Below the horizontal axis.
        y_label: Beside the vertical axis.
        y_range: What the vertical axis spans; `None` for what the lines need.
        percent: Number the vertical axis in per cent.
        marks: Points with a word beside them.
        size: Width and height in pixels.

    Returns:
        uint8 [h, w, 3] RGB.

    Raises:
        ConfigError: There is not one finite point to draw.
    """
    lines = [_finite_points(one) for one in series]
    if not any(len(points) for points in lines):
        raise ConfigError(f"{title}: no finite numbers to draw")

    # Figures are made without pyplot, which would look for a display and keep them.
    import matplotlib.style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    with matplotlib.style.context(["default", STYLE]), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a letter that the font does not have
        figure = Figure(
            figsize=(size[0] / DPI, size[1] / DPI), dpi=DPI, layout="constrained", facecolor="white"
        )
        figure.get_layout_engine().set(w_pad=0.15, h_pad=0.15)  # type: ignore[union-attr, call-arg]
        canvas = FigureCanvasAgg(figure)
        axes = figure.add_subplot()

        # the lines, a dot where there is but one point
        handles = [
            axes.plot(
                points[:, 0],
                points[:, 1],
                color=COLOURS[idx % len(COLOURS)],
                linewidth=2.0,
                marker="o" if len(points) == 1 else "",
            )[0]
            for idx, points in enumerate(lines)
        ]
        middle = sum(axes.get_xlim()) / 2
        for mark in marks:
            is_right = mark.x > middle
            axes.plot([mark.x], [mark.y], "o", color=INK, markersize=5)
            axes.annotate(
                mark.text,
                (mark.x, mark.y),
                xytext=(-8 if is_right else 8, -14),
                textcoords="offset points",
                ha="right" if is_right else "left",
            )

        # the frame around them
        axes.set_title(title, loc="left", fontsize=14.0)
        axes.set_xlabel(x_label)
        axes.set_ylabel(y_label)
        axes.grid(visible=True)
        axes.spines[["top", "right"]].set_visible(False)
        if y_range is not None:
            axes.set_ylim(*y_range)
        if percent:
            axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        named = [(line, one.name) for line, one in zip(handles, series, strict=True) if one.name]
        if named:
            # A space in front: matplotlib leaves out names that begin with an underscore.
            names = [f" {name}" for _, name in named]
            figure.legend(
                [line for line, _ in named], names, loc="outside upper left", ncols=3, frameon=False
            )
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()  # [h, w, 3]


def draw_line(
    texts: Sequence[tuple[int, str]],
    *,
    width: int,
    height: int = 20,
    align: Literal["left", "center"] = "left",
) -> FramesU8:
    """Draw one line of text, black on white.

    Args:
        texts: Where each begins, or has its middle, in pixels from the left; and what it says.
        width: Of the line, in pixels; what goes beyond is cut.
        height: Of the line, in pixels.
        align: Which end of a text its place is.

    Returns:
        uint8 [height, width, 3] RGB.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")
    canvas = FigureCanvasAgg(figure)
    points = 0.6 * height * 72 / DPI  # letters of 0.6 of the line
    for x, text in texts:
        # A dollar would begin a formula.
        figure.text(
            x / width,
            0.5,
            text.replace("$", r"\$"),
            fontsize=points,
            ha=align,
            va="center_baseline",
            color="black",
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # a letter that the font does not have
        canvas.draw()
    drawn: FramesU8 = np.asarray(canvas.buffer_rgba())[..., :3]
    line = np.full((height, width, 3), 255, np.uint8)  # matplotlib rounds sizes as it likes
    kept = drawn[:height, :width]
    line[: kept.shape[0], : kept.shape[1]] = kept
    return line


def draw_variance_curve(
    explained_variance_ratio: npt.NDArray[np.float32], *, title: str = "Variance held by the basis"
) -> FramesU8:
    """Draw which share of the variance the first components hold together.

    Args:
        explained_variance_ratio: Share of each component, [k].
        title: Above the chart.

    Returns:
        uint8 [h, w, 3] RGB.

    Source:
        Paper: Appendix E.
    """
    held = np.concatenate([[0.0], np.cumsum(explained_variance_ratio, dtype=np.float64)])
    marks = []
    for share in (0.5, 0.85, 0.95):
        count = int(np.argmax(held >= share))
        if held[-1] >= share:
            text = f"{share:.0%} in {count} component{'s' if count != 1 else ''}"
            marks.append(Mark(x=count, y=float(held[count]), text=text))
    curve = Series(name="", x=np.arange(len(held), dtype=np.float64), y=held)
    return draw_line_chart(
        [curve],
        title=title,
        x_label="number of components",
        y_label="cumulative variance",
        y_range=(0.0, 1.0),
        percent=True,
        marks=marks,
    )


def _finite_points(series: Series) -> npt.NDArray[np.float64]:
    """Return the points of a line that can be drawn, [m, 2]."""
    points = np.stack([np.asarray(series.x, np.float64), np.asarray(series.y, np.float64)], axis=1)
    return points[np.isfinite(points).all(axis=1)]
