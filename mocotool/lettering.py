"""How plots write: strokes with soft edges, and letters made of them. No font file, no library."""

from functools import cache

import numpy as np
import numpy.typing as npt

Canvas = npt.NDArray[np.float32]
Points = npt.NDArray[np.float64]
Colour = tuple[int, int, int]

CAP_HEIGHT = 7.0  # glyph units; small letters are 4.8 high and reach 2.2 below the line
LETTER_GAP = 1.7
SPACE_WIDTH = 2.6
STROKE_UNITS = 0.85

# Strokes are separated by "/" and points by spaces, x,y in glyph units from the baseline up. "~"
# rounds a stroke's corners, "@" closes it as well.
GLYPHS = {
    "0": "@0,0 0,7 4,7 4,0",
    "1": "0.4,5.5 2.1,7 2.1,0 / 0.5,0 3.7,0",
    "2": "~0.1,5.2 0.3,7.2 4,7.4 4,4.4 1,1.4 0,0 / 0,0 4,0",
    "3": "~0.1,6 0.8,7.2 3.9,7.3 3.9,3.7 1.4,3.7 / ~1.4,3.7 4.3,3.7 4.2,-0.3 0.6,-0.3 0,1.2",
    "4": "3,0 3,7 0,2 4.2,2",
    "5": "3.7,7 0.6,7 0.3,3.7 / ~0.3,3.7 1.4,4.8 4.2,4.8 4.2,-0.2 0.6,-0.4 0,1",
    "6": "~3.6,6.2 2.8,7.2 0,7.4 0,2.2 / @0,0 0,4.4 4,4.4 4,0",
    "7": "0,7 4,7 1.4,0",
    "8": "@0.3,3.8 0.3,7 3.7,7 3.7,3.8 / @0,0 0,3.8 4,3.8 4,0",
    "9": "@0,2.6 0,7 4,7 4,2.6 / ~4,4.8 4,-0.4 1.2,-0.2 0.4,0.8",
    "A": "0,0 2.2,7 4.4,0 / 0.8,2.4 3.6,2.4",
    "B": "0,0 0,7 / 0,7 2,7 / ~2,7 3.8,7 3.8,3.7 2,3.7 / 0,3.7 2,3.7 / "
    "~2,3.7 4.2,3.7 4.2,0 2,0 / 2,0 0,0",
    "C": "~4.2,5.4 3.8,7 0,7.4 0,-0.4 3.8,0 4.2,1.6",
    "D": "0,0 0,7 1.6,7 / ~1.6,7 4.4,7 4.4,0 1.6,0 / 1.6,0 0,0",
    "E": "3.8,7 0,7 0,0 3.8,0 / 0,3.6 3.2,3.6",
    "F": "3.8,7 0,7 0,0 / 0,3.6 3.2,3.6",
    "G": "~4.2,5.4 3.8,7 0,7.4 0,-0.4 4.2,-0.2 4.2,3.1 / 4.2,3.1 2.6,3.1",
    "H": "0,0 0,7 / 4.2,0 4.2,7 / 0,3.6 4.2,3.6",
    "I": "0,0 0,7",
    "J": "2.8,7 2.8,2 / ~2.8,2 2.8,-0.2 0,-0.2 0,1.6",
    "K": "0,0 0,7 / 4,7 0,2.8 / 1.4,4.2 4.1,0",
    "L": "0,7 0,0 3.6,0",
    "M": "0,0 0,7 2.4,2.4 4.8,7 4.8,0",
    "N": "0,0 0,7 4.2,0 4.2,7",
    "O": "@0,0 0,7 4.6,7 4.6,0",
    "P": "0,0 0,7 2,7 / ~2,7 4.1,7 4.1,3.2 2,3.2 / 2,3.2 0,3.2",
    "Q": "@0,0 0,7 4.6,7 4.6,0 / 2.8,1.6 4.6,-0.4",
    "R": "0,0 0,7 2,7 / ~2,7 4.1,7 4.1,3.2 2,3.2 / 2,3.2 0,3.2 / 2,3.2 4.1,0",
    "S": "~3.8,5.6 3.6,7.2 0.1,7.2 0.1,3.9 4,3.5 4,-0.2 0.2,-0.2 0,1.4",
    "T": "0,7 4.4,7 / 2.2,7 2.2,0",
    "U": "0,7 0,2.2 / ~0,2.2 0,-0.1 4.2,-0.1 4.2,2.2 / 4.2,2.2 4.2,7",
    "V": "0,7 2.2,0 4.4,7",
    "W": "0,7 1.5,0 3,6 4.5,0 6,7",
    "X": "0,0 4.2,7 / 0,7 4.2,0",
    "Y": "0,7 2.1,3.4 4.2,7 / 2.1,3.4 2.1,0",
    "Z": "0,7 4,7 0,0 4,0",
    "a": "@0,0 0,4.8 3.4,4.8 3.4,0 / 3.4,4.8 3.4,0",
    "b": "0,7.4 0,0 / @0,0 0,4.8 3.5,4.8 3.5,0",
    "c": "~3.2,3.8 2.9,4.8 0,5 0,-0.2 2.9,0 3.2,1",
    "d": "3.5,7.4 3.5,0 / @0,0 0,4.8 3.5,4.8 3.5,0",
    "e": "0.1,2.5 3.4,2.5 / ~3.4,2.5 3.5,5 0,5 0,-0.2 2.8,-0.2 3.3,0.9",
    "f": "~2.5,7.2 1,7.7 0.9,5.8 / 0.9,5.8 0.9,0 / 0,4.8 2.2,4.8",
    "g": "@0,0 0,4.8 3.4,4.8 3.4,0 / 3.4,4.8 3.4,-0.4 / ~3.4,-0.4 3.4,-2.3 0.6,-2.3 0.2,-1.3",
    "h": "0,7.4 0,0 / ~0,2.6 0,4.9 3.2,4.9 3.2,2.6 / 3.2,2.6 3.2,0",
    "i": "0.2,0 0.2,4.8 / 0.2,6.7 0.2,6.8",
    "j": "1,4.8 1,-0.6 / ~1,-0.6 1,-2.2 -0.2,-2.1 / 1,6.7 1,6.8",
    "k": "0,7.4 0,0 / 3,4.8 0,1.9 / 1.1,2.9 3.2,0",
    "l": "0.2,7.4 0.2,0",
    "m": "0,4.8 0,0 / ~0,2.7 0,4.9 2.7,4.9 2.7,2.7 / 2.7,2.7 2.7,0 / "
    "~2.7,2.7 2.7,4.9 5.4,4.9 5.4,2.7 / 5.4,2.7 5.4,0",
    "n": "0,4.8 0,0 / ~0,2.6 0,4.9 3.2,4.9 3.2,2.6 / 3.2,2.6 3.2,0",
    "o": "@0,0 0,4.8 3.6,4.8 3.6,0",
    "p": "0,4.8 0,-2.2 / @0,0 0,4.8 3.5,4.8 3.5,0",
    "q": "3.5,4.8 3.5,-2.2 / @0,0 0,4.8 3.5,4.8 3.5,0",
    "r": "0,4.8 0,0 / ~0,2.6 0.1,4.8 2.1,4.8",
    "s": "~2.9,3.9 2.8,5 0,5 0,2.7 3.1,2.4 3.1,-0.2 0.2,-0.2 0,1",
    "t": "0.9,6.6 0.9,1.4 / ~0.9,1.4 0.9,-0.1 2.3,0.1 / 0,4.8 2.2,4.8",
    "u": "0,4.8 0,2.2 / ~0,2.2 0,-0.1 3.2,-0.1 3.2,2.2 / 3.2,4.8 3.2,0",
    "v": "0,4.8 1.7,0 3.4,4.8",
    "w": "0,4.8 1.3,0 2.6,4.4 3.9,0 5.2,4.8",
    "x": "0,4.8 3.2,0 / 3.2,4.8 0,0",
    "y": "0,4.8 1.8,0.2 / 3.5,4.8 1.2,-2.1 0.3,-2.2",
    "z": "0,4.8 3.1,4.8 0,0 3.1,0",
    ".": "0.2,0 0.2,0.1",
    ",": "0.5,0.2 0,-1.3",
    ":": "0.2,0.6 0.2,0.7 / 0.2,4 0.2,4.1",
    "-": "0,2.7 2.4,2.7",
    "+": "0,3 3.6,3 / 1.8,1.2 1.8,4.8",
    "=": "0,2 3.6,2 / 0,4 3.6,4",
    "/": "0,-0.6 2.6,7.4",
    "%": "@0,4 0,7 2,7 2,4 / @3,0 3,3 5,3 5,0 / 0.7,0 4.3,7",
    "(": "~1.4,7.8 0,6 0,0.4 1.4,-1.4",
    ")": "~0,7.8 1.4,6 1.4,0.4 0,-1.4",
    "_": "0,-1 3.6,-1",
    "'": "0.2,7.4 0.2,5.6",
    "<": "3,5.4 0,3 3,0.6",
    ">": "0,5.4 3,3 0,0.6",
}
UNKNOWN = "0,0 0,7 3,7 3,0 0,0"


def stroke(canvas: Canvas, points: Points, *, colour: Colour, width: float) -> None:
    """Draw a line through points, with round ends and soft edges.

    Args:
        canvas: [h, w, 3], drawn upon; 0 to 255.
        points: x to the right and y downwards in pixels, [m, 2], m at least 2.
        colour: RGB, 0 to 255.
        width: In pixels.
    """
    height, width_px = canvas.shape[:2]
    reach = width / 2 + 1.0
    low = np.floor(points.min(axis=0) - reach).astype(int)
    high = np.ceil(points.max(axis=0) + reach).astype(int) + 1
    left, top = max(low[0], 0), max(low[1], 0)
    right, bottom = min(high[0], width_px), min(high[1], height)
    if left >= right or top >= bottom:
        return
    ink = np.zeros((bottom - top, right - left))
    for start, end in zip(points[:-1], points[1:], strict=True):
        near = np.floor(np.minimum(start, end) - reach).astype(int)
        far = np.ceil(np.maximum(start, end) + reach).astype(int) + 1
        xs = slice(max(near[0], left), min(far[0], right))
        ys = slice(max(near[1], top), min(far[1], bottom))
        if xs.start >= xs.stop or ys.start >= ys.stop:
            continue
        x, y = np.meshgrid(np.arange(xs.start, xs.stop), np.arange(ys.start, ys.stop))
        covered = np.clip(width / 2 + 0.5 - _distance(x, y, start, end), 0.0, 1.0)
        part = ink[ys.start - top : ys.stop - top, xs.start - left : xs.stop - left]
        np.maximum(part, covered, out=part)
    area = canvas[top:bottom, left:right]
    area += (np.asarray(colour, np.float32) - area) * ink[..., None].astype(np.float32)


def _distance(
    x: npt.NDArray[np.int64], y: npt.NDArray[np.int64], start: Points, end: Points
) -> npt.NDArray[np.float64]:
    """Return the distance of pixels to the line from `start` to `end`."""
    along = end - start
    length2 = float(along @ along)
    place = ((x - start[0]) * along[0] + (y - start[1]) * along[1]) / (length2 or 1.0)
    place = np.clip(place, 0.0, 1.0)
    distance: npt.NDArray[np.float64] = np.hypot(
        x - start[0] - place * along[0], y - start[1] - place * along[1]
    )
    return distance


def text_width(text: str, *, size: float) -> float:
    """Return how wide a text is in pixels.

    Args:
        text: One line.
        size: Height of a capital letter in pixels.
    """
    units = sum(_glyph(letter)[1] + LETTER_GAP for letter in text)
    return max(units - LETTER_GAP, 0.0) * size / CAP_HEIGHT


def draw_text(
    canvas: Canvas,
    text: str,
    x: float,
    y: float,
    *,
    size: float,
    colour: Colour,
    anchor: float = 0.0,
    upwards: bool = False,
) -> None:
    """Write one line.

    Args:
        canvas: [h, w, 3], drawn upon; 0 to 255.
        text: What to write; signs without a glyph become boxes.
        x: Where the line stands, in pixels.
        y: The baseline, in pixels.
        size: Height of a capital letter in pixels.
        colour: RGB, 0 to 255.
        anchor: Which part of the text is at that place: 0 its start, 0.5 its middle, 1 its end.
        upwards: Write from below to above, as beside an axis.
    """
    scale = size / CAP_HEIGHT
    position = -anchor * text_width(text, size=size)
    for letter in text:
        strokes, advance = _glyph(letter)
        for points in strokes:
            along, above = points[:, 0] * scale + position, points[:, 1] * scale
            placed = (x - above, y - along) if upwards else (x + along, y - above)
            stroke(canvas, np.stack(placed, axis=1), colour=colour, width=STROKE_UNITS * scale)
        position += (advance + LETTER_GAP) * scale


@cache
def _glyph(letter: str) -> tuple[tuple[Points, ...], float]:
    """Return the strokes of a letter and its width, in glyph units."""
    if letter == " ":
        return (), SPACE_WIDTH
    strokes = tuple(_read_stroke(text.strip()) for text in GLYPHS.get(letter, UNKNOWN).split("/ "))
    return strokes, max(float(points[:, 0].max()) for points in strokes)


def _read_stroke(text: str) -> Points:
    kind = text[0] if text[0] in "~@" else ""
    points = np.array(
        [[float(number) for number in pair.split(",")] for pair in text.lstrip("~@").split()]
    )
    return _round_corners(points, closed=kind == "@") if kind else points


def _round_corners(points: Points, *, closed: bool) -> Points:
    """Cut corners four times over (Chaikin), which nears a quadratic B-spline."""
    for _ in range(4):
        following = np.roll(points, -1, axis=0) if closed else points[1:]
        leading = points if closed else points[:-1]
        cut = np.stack([0.75 * leading + 0.25 * following, 0.25 * leading + 0.75 * following], 1)
        inner = cut.reshape(-1, 2)
        points = inner if closed else np.concatenate([points[:1], inner[1:-1], points[-1:]])
    return np.concatenate([points, points[:1]]) if closed else points
