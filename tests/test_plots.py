import numpy as np
import pytest

from mocotool.errors import ConfigError
from mocotool.plots import COLOURS, Mark, Series, draw_line_chart, draw_variance_curve, nice_ticks


def chart(*lines, **options):
    series = [Series(name=f"line {idx}", x=range(len(y)), y=y) for idx, y in enumerate(lines)]
    return draw_line_chart(series, title="t", x_label="x", y_label="y", **options)


def has_colour(picture, colour):
    return (np.abs(picture.astype(int) - colour).max(axis=-1) <= 2).any()


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 1, (0, 0.2, 0.4, 0.6, 0.8, 1.0)),
        (0, 384, (0, 100, 200, 300, 400)),
        (-3, 3, (-4, -2, 0, 2, 4)),
        (5, 5, (2, 3, 4, 5, 6, 7, 8)),
        (0, 0, (-0.6, -0.4, -0.2, 0, 0.2, 0.4, 0.6)),
    ],
)
def test_ticks_are_round_numbers_around_the_range(low, high, ticks):
    np.testing.assert_allclose(nice_ticks(low, high), ticks, atol=1e-12)


def test_every_line_is_drawn_in_a_colour_of_its_own():
    picture = chart([1, 2, 3], [3, 2, 0])

    assert picture.shape == (600, 960, 3)
    assert picture.dtype == np.uint8
    assert has_colour(picture, COLOURS[0])
    assert has_colour(picture, COLOURS[1])
    assert not has_colour(picture, COLOURS[2])


def test_a_higher_number_is_higher_up():
    picture = chart([0.0, 1.0])

    ink = np.abs(picture.astype(int) - COLOURS[0]).max(axis=-1) <= 2
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

    ink = np.abs(picture.astype(int) - COLOURS[0]).max(axis=-1) <= 2
    assert np.nonzero(ink[90:])[0].min() < 30


def test_nothing_to_draw_is_refused():
    with pytest.raises(ConfigError, match="no finite numbers"):
        chart([np.nan])


def test_marks_near_the_right_edge_stay_inside():
    picture = chart([0.0, 1.0], marks=[Mark(x=1.0, y=0.5, text="a long word beside it")])

    assert (picture[:, -10:] == 255).all()


def test_the_variance_curve_ends_where_the_basis_does():
    picture = draw_variance_curve(np.full(4, 0.2, np.float32))

    ink = np.abs(picture.astype(int) - COLOURS[0]).max(axis=-1) <= 2
    rows, columns = np.nonzero(ink)
    top = 64 + 0.2 * (600 - 76 - 64)
    assert abs(rows[columns > 900].min() - top) < 3
