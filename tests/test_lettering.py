import string

import numpy as np
import pytest

from mocotool.lettering import GLYPHS, draw_text, stroke, text_width


def blank(height=60, width=400):
    return np.full((height, width, 3), 255, np.float32)


def inked(canvas):
    return (canvas < 250).any(axis=-1)


def test_every_sign_a_chart_needs_has_a_glyph():
    assert set(string.ascii_letters + string.digits + ".,:-+=/%()_'<>") == set(GLYPHS)


@pytest.mark.parametrize("letter", sorted(GLYPHS))
def test_a_letter_leaves_ink_within_its_width(letter):
    canvas = blank()

    draw_text(canvas, letter, 100, 40, size=20, colour=(0, 0, 0))

    rows, columns = np.nonzero(inked(canvas))
    assert columns.min() >= 95
    assert columns.max() <= 100 + text_width(letter, size=20) + 3
    assert rows.min() >= 40 - 20 * 7.9 / 7 - 3
    assert rows.max() <= 40 + 20 * 2.4 / 7 + 3


def test_letters_differ_from_each_other():
    pictures = set()
    for letter in GLYPHS:
        canvas = blank(60, 60)
        draw_text(canvas, letter, 20, 40, size=20, colour=(0, 0, 0))
        pictures.add(canvas.tobytes())

    assert len(pictures) == len(GLYPHS)


def test_text_can_end_where_it_is_anchored():
    canvas = blank()

    draw_text(canvas, "loss", 200, 40, size=20, colour=(0, 0, 0), anchor=1.0)

    assert np.nonzero(inked(canvas))[1].max() <= 203


def test_text_can_run_upwards():
    canvas = blank(400, 60)

    draw_text(canvas, "loss of G", 40, 300, size=20, colour=(0, 0, 0), upwards=True)

    rows, columns = np.nonzero(inked(canvas))
    assert rows.max() - rows.min() > 3 * (columns.max() - columns.min())
    assert rows.max() <= 303


def test_a_line_has_soft_edges_and_the_colour_asked_for():
    canvas = blank(20, 20)

    stroke(canvas, np.array([[2.0, 2.0], [17.0, 12.0]]), colour=(10, 20, 30), width=3.0)

    values = np.unique(canvas[..., 0].round())
    assert values.min() == 10
    assert len(values) > 4


def test_what_is_off_the_canvas_is_cut_off():
    canvas = blank(20, 20)

    stroke(canvas, np.array([[-50.0, 10.0], [5.0, 10.0]]), colour=(0, 0, 0), width=2.0)
    stroke(canvas, np.array([[-50.0, -10.0], [-5.0, -10.0]]), colour=(0, 0, 0), width=2.0)

    assert inked(canvas)[10, 0]
    assert not inked(canvas)[:, 10:].any()
