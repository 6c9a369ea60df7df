import numpy as np
import pytest

from mocotool.errors import ConfigError
from mocotool.plots import COLOURS, GRID, Mark, Series, draw_line_chart, draw_variance_curve


def chart(*lines, **options):
    series = [Series(name=f"line {idx}", x=range(len(y)), y=y) for idx, y in enumerate(lines)]
    return draw_line_chart(series, title="t", x_label="x", y_label="y", **options)


def find_ink(picture, colour):
    """Return where a picture has a colour, [h, w]."""
    rgb = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
    return np.abs(picture.astype(int) - rgb).max(axis=-1) <= 2


def has_colour(picture, colour):
    return find_ink(picture, colour).any()


def test_every_line_is_drawn_in_a_colour_of_its_own():
    picture = chart([1, 2, 3], [3, 2, 0])

    assert picture.shape == (600, 960, 3)
    assert picture.dtype == np.uint8
    assert has_colour(picture, COLOURS[0])
    assert has_colour(picture, COLOURS[1])
    assert not has_colour(picture, COLOURS[2])


def test_a_higher_number_is_higher_up():
    picture = chart([0.0, 1.0])

    ink = find_ink(picture, COLOURS[0])
    rows, columns = np.nonzero(ink[90:])  # below the legend
    assert rows[columns.argmax()] < rows[columns.argmin()]


def test_numbers_that_are_not_finite_are_left_out():
    with_gap = chart([0.0, np.nan, 2.0, np.inf, 4.0])

    assert has_colour(with_gap, COLOURS[0])


def test_one_point_is_a_dot():
    assert has_colour(chart([1.0]), COLOURS[0])


def test_a_long_run_keeps_its_peaks():
    y = np.zeros(100_000)
    y[77_777] = 1.0

    picture = chart(y)

    ink = find_ink(picture, COLOURS[0])
    assert np.nonzero(ink[90:])[0].min() < 30


def test_nothing_to_draw_is_refused():
    with pytest.raises(ConfigError, match="no finite numbers"):
        chart([np.nan])


def test_marks_near_the_right_edge_stay_inside():
    picture = chart([0.0, 1.0], marks=[Mark(x=1.0, y=0.5, text="a long word beside it")])

    assert (picture[:, -10:] == 255).all()


def test_the_variance_curve_ends_where_the_basis_does():
    picture = draw_variance_curve(np.full(4, 0.2, np.float32))

    rows, columns = np.nonzero(find_ink(picture, COLOURS[0]))
    start, end = rows[columns.argmin()], rows[columns.argmax()]
    grid = np.nonzero(find_ink(picture, GRID).mean(axis=1) > 0.5)[0]  # 0 to 1, top to bottom
    height = (start - end) / (start - grid.min())
    assert height == pytest.approx(0.8, abs=0.02)


def test_names_from_files_are_drawn_as_they_are():
    hostile = [
        Series(name=name, x=[0, 1], y=[0, 1]) for name in ("$\\frac$", "_hidden", "\u4eba", "%d{}")
    ]

    picture = draw_line_chart(hostile, title="$\\nothing$", x_label="x", y_label="y")

    assert has_colour(picture, COLOURS[3])


def test_the_same_numbers_give_the_same_picture():
    np.testing.assert_array_equal(chart([1, 2, 3]), chart([1, 2, 3]))
