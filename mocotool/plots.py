"""Line charts as pictures, drawn by hand: the variance curve of a basis, the curves of a run."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mocotool.errors import ConfigError
from mocotool.lettering import Canvas, Colour, draw_text, stroke, text_width

FramesU8 = npt.NDArray[np.uint8]

INK: Colour = (38, 42, 51)
FAINT_INK: Colour = (104, 110, 122)
GRID: Colour = (228, 231, 236)
# Told apart by those who do not see red and green as well (Okabe and Ito's order, darkened).
COLOURS: tuple[Colour, ...] = (
    (0, 96, 168),
    (206, 84, 0),
    (0, 134, 98),
    (170, 70, 130),
    (128, 104, 0),
    (70, 140, 190),
)
MARGIN_LEFT, MARGIN_RIGHT, MARGIN_TOP, MARGIN_BOTTOM = 92, 36, 64, 76
TITLE_BASELINE, LEGEND_BASELINE, LEGEND_HEIGHT = 38, 66, 26
TEXT_SIZE, TITLE_SIZE = 11.0, 14.0


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """One line of a chart; points that are not finite are left out."""

    name: str
    """What the legend says; nothing is said of a single line without a name."""
    x: Sequence[float] | npt.NDArray[np.float64]
    """Where, [m]."""
    y: Sequence[float] | npt.NDArray[np.float64]
    """How much, [m]."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """A point of a chart that is worth a word."""

    x: float
    """Where."""
    y: float
    """How much."""
    text: str
    """What is said beside it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Axis:
    """One axis: which numbers it spans and where they are in pixels."""

    low: float
    high: float
    start_px: float
    end_px: float
    ticks: tuple[float, ...]

    def place(self, values: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return where values are, in pixels."""
        share = (np.asarray(values, np.float64) - self.low) / (self.high - self.low)
        return self.start_px + share * (self.end_px - self.start_px)


def nice_ticks(low: float, high: float, *, count: int = 6) -> tuple[float, ...]:
    """Return round numbers, about `count` of them, that span `low` to `high`."""
    if not high > low:
        low, high = low - 0.5 * (abs(low) or 1.0), high + 0.5 * (abs(high) or 1.0)
    rough = (high - low) / max(count - 1, 1)
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = magnitude * next(factor for factor in (1, 2, 2.5, 5, 10) if rough <= factor * magnitude)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return tuple(idx * step for idx in range(first, last + 1))


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
    drawn = [points for points in lines if len(points)]
    if not drawn:
        raise ConfigError(f"{title}: no finite numbers to draw")
    width, height = size
    every = np.concatenate(drawn)
    y_low, y_high = y_range or (float(every[:, 1].min()), float(every[:, 1].max()))
    x_axis = _fit_axis(
        every[:, 0].min(), every[:, 0].max(), MARGIN_LEFT, width - MARGIN_RIGHT, tight=True
    )
    top = MARGIN_TOP + (LEGEND_HEIGHT if any(one.name for one in series) else 0)
    y_axis = _fit_axis(y_low, y_high, height - MARGIN_BOTTOM, top)
    canvas = np.full((height, width, 3), 255, np.float32)
    _draw_axes(canvas, x_axis, y_axis, percent=percent)
    _draw_labels(canvas, title=title, x_label=x_label, y_label=y_label)
    for line_idx, points in enumerate(lines):
        if len(points):
            placed = np.stack([x_axis.place(points[:, 0]), y_axis.place(points[:, 1])], axis=1)
            colour = COLOURS[line_idx % len(COLOURS)]
            _draw_line(canvas, _thin_out(placed), colour)
    for mark in marks:
        _draw_mark(canvas, mark, x_axis, y_axis)
    _draw_legend(canvas, [one.name for one in series])
    return canvas.round().clip(0, 255).astype(np.uint8)


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


def _finite_points(one: Series) -> npt.NDArray[np.float64]:
    points = np.stack([np.asarray(one.x, np.float64), np.asarray(one.y, np.float64)], axis=1)
    kept: npt.NDArray[np.float64] = points[np.isfinite(points).all(axis=1)]
    return kept


def _fit_axis(
    low: float, high: float, start_px: float, end_px: float, *, tight: bool = False
) -> Axis:
    """Span whole ticks, or with `tight` just the numbers from `low` to `high`."""
    ticks = nice_ticks(float(low), float(high))
    if tight and high > low:
        inside = tuple(tick for tick in ticks if low <= tick <= high)
        return Axis(float(low), float(high), start_px, end_px, inside)
    return Axis(ticks[0], ticks[-1], start_px, end_px, ticks)


def _draw_axes(canvas: Canvas, x_axis: Axis, y_axis: Axis, *, percent: bool) -> None:
    left, right, bottom, top = x_axis.start_px, x_axis.end_px, y_axis.start_px, y_axis.end_px
    for tick, y in zip(y_axis.ticks, y_axis.place(y_axis.ticks), strict=True):
        _draw_rule(canvas, (left, y), (right, y), GRID, 1.0)
        text = f"{tick:.0%}" if percent else _number(tick)
        draw_text(
            canvas, text, left - 12, y + TEXT_SIZE / 2, size=TEXT_SIZE, colour=FAINT_INK, anchor=1.0
        )
    for tick, x in zip(x_axis.ticks, x_axis.place(x_axis.ticks), strict=True):
        _draw_rule(canvas, (x, bottom), (x, bottom + 6), FAINT_INK, 1.2)
        draw_text(
            canvas,
            _number(tick),
            x,
            bottom + 12 + TEXT_SIZE,
            size=TEXT_SIZE,
            colour=FAINT_INK,
            anchor=0.5,
        )
    _draw_rule(canvas, (left, bottom), (right, bottom), FAINT_INK, 1.2)
    _draw_rule(canvas, (left, bottom), (left, top), FAINT_INK, 1.2)


def _draw_labels(canvas: Canvas, *, title: str, x_label: str, y_label: str) -> None:
    height, width = canvas.shape[:2]
    middle = (MARGIN_LEFT + width - MARGIN_RIGHT) / 2
    draw_text(canvas, title, MARGIN_LEFT, TITLE_BASELINE, size=TITLE_SIZE, colour=INK)
    draw_text(canvas, x_label, middle, height - 22, size=TEXT_SIZE, colour=INK, anchor=0.5)
    centre = (MARGIN_TOP + height - MARGIN_BOTTOM) / 2
    draw_text(canvas, y_label, 30, centre, size=TEXT_SIZE, colour=INK, anchor=0.5, upwards=True)


def _draw_rule(
    canvas: Canvas,
    start: tuple[float, float],
    end: tuple[float, float],
    colour: Colour,
    width: float,
) -> None:
    # Upon whole pixels, a thin rule stays thin.
    stroke(canvas, np.round(np.array([start, end])), colour=colour, width=width)


def _draw_line(canvas: Canvas, points: npt.NDArray[np.float64], colour: Colour) -> None:
    if len(points) == 1:
        stroke(canvas, np.repeat(points, 2, axis=0), colour=colour, width=7.0)
        return
    stroke(canvas, points, colour=colour, width=2.4)


def _draw_mark(canvas: Canvas, mark: Mark, x_axis: Axis, y_axis: Axis) -> None:
    x, y = float(x_axis.place(mark.x)), float(y_axis.place(mark.y))
    dot = np.array([[x, y], [x, y]])
    stroke(canvas, dot, colour=(255, 255, 255), width=11.0)
    stroke(canvas, dot, colour=COLOURS[0], width=8.0)
    fits_right = x + 14 + text_width(mark.text, size=TEXT_SIZE) < x_axis.end_px
    place, anchor = (x + 12, 0.0) if fits_right else (x - 12, 1.0)
    below = y + TEXT_SIZE + 8 if fits_right else y - 10
    draw_text(canvas, mark.text, place, below, size=TEXT_SIZE, colour=INK, anchor=anchor)


def _draw_legend(canvas: Canvas, names: Sequence[str]) -> None:
    x, middle = float(MARGIN_LEFT), LEGEND_BASELINE - TEXT_SIZE / 2
    for line_idx, name in enumerate(names):
        if name:
            sample = np.array([[x, middle], [x + 22.0, middle]])
            stroke(canvas, sample, colour=COLOURS[line_idx % len(COLOURS)], width=3.0)
            draw_text(canvas, name, x + 32, LEGEND_BASELINE, size=TEXT_SIZE, colour=INK)
            x += 32 + text_width(name, size=TEXT_SIZE) + 28


def _thin_out(points: npt.NDArray[np.float64], *, limit: int = 4000) -> npt.NDArray[np.float64]:
    """Keep at most `limit` points and so the highest and lowest of each stretch."""
    if len(points) <= limit:
        return points
    kept = []
    for stretch in np.array_split(np.arange(len(points)), limit // 2):
        heights = points[stretch, 1]
        kept.extend(sorted({int(stretch[heights.argmin()]), int(stretch[heights.argmax()])}))
    return points[kept]


def _number(value: float) -> str:
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e6:
        return f"{value:.6f}".rstrip("0").rstrip(".")
    return f"{value:.3g}".replace("e+0", "e").replace("e-0", "e-")
