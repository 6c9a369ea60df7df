"""Frames between frames."""

import dataclasses

import numpy as np
import pytest

from mocotool.configs.interpolate import InterpolateConfig
from mocotool.errors import ConfigError
from mocotool.interpolation import interpolate_trajectory
from mocotool.latents import LatentsMeta, Trajectory

MODES = ["linear", "cubic", "pchip", "slerp"]


def walk(latents, space="w", **meta):
    return Trajectory(
        latents=np.asarray(latents, np.float32), meta=LatentsMeta(space=space, **meta)
    )


def still(shape, space="w"):
    rng = np.random.default_rng(1)
    return walk(rng.standard_normal(shape), space)


def longer(trajectory, **config):
    return interpolate_trajectory(trajectory, config=InterpolateConfig(**config)).latents


def natural_spline(y, positions):
    """The textbook's natural cubic spline of y at 0, 1, 2...: solve for the second derivatives."""
    n = len(y)
    system, right = np.eye(n), np.zeros(n)
    for i in range(1, n - 1):
        system[i, i - 1 : i + 2] = 1 / 6, 2 / 3, 1 / 6
        right[i] = y[i + 1] - 2 * y[i] + y[i - 1]
    second = np.linalg.solve(system, right)
    values = []
    for x in positions:
        i = min(int(x), n - 2)
        a, b = i + 1 - x, x - i
        bend = (a**3 - a) * second[i] + (b**3 - b) * second[i + 1]
        values.append(a * y[i] + b * y[i + 1] + bend / 6)
    return np.array(values)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("num_frames", [1, 2, 16])
@pytest.mark.parametrize("factor", [1, 2, 5])
def test_t_frames_become_factor_times_t_and_both_ends_stay(mode, num_frames, factor):
    trajectory = still((2, num_frames, 6))

    result = interpolate_trajectory(trajectory, config=InterpolateConfig(mode=mode, factor=factor))

    assert result.latents.shape == (2, factor * num_frames, 6)
    assert result.latents.dtype == np.float32
    np.testing.assert_array_equal(result.latents[:, 0], trajectory.latents[:, 0])
    np.testing.assert_array_equal(result.latents[:, -1], trajectory.latents[:, -1])


@pytest.mark.parametrize("mode", ["linear", "cubic", "pchip"])
def test_a_straight_walk_stays_straight(mode):
    straight = np.linspace(0, 1, 4)[None, :, None] * np.ones((1, 1, 3))

    result = interpolate_trajectory(walk(straight), config=InterpolateConfig(factor=3, mode=mode))

    expected = np.linspace(0, 1, 12)[None, :, None] * np.ones((1, 1, 3))
    np.testing.assert_allclose(result.latents, expected, atol=1e-6)


def test_factor_one_changes_nothing():
    trajectory = still((1, 5, 3))

    same = interpolate_trajectory(trajectory, config=InterpolateConfig(factor=1, mode="cubic"))

    np.testing.assert_array_equal(same.latents, trajectory.latents)


def test_slerp_keeps_the_length_of_latents():
    latents = np.array([[[1.0, 0.0], [0.0, 1.0]]])

    result = interpolate_trajectory(walk(latents, "z"), config=InterpolateConfig(mode="slerp"))

    np.testing.assert_allclose(np.linalg.norm(result.latents, axis=-1), 1.0, atol=1e-6)
    np.testing.assert_allclose(
        result.latents[0, 1], [np.cos(np.pi / 6), np.sin(np.pi / 6)], atol=1e-6
    )


@pytest.mark.parametrize(
    "pair", [[[1, 2], [1, 2]], [[0, 0], [0, 0]], [[1, 0], [-1, 0]], [[0, 0], [3, 4]]]
)
def test_slerp_of_latents_without_an_angle_is_a_straight_line(pair):
    result = interpolate_trajectory(walk([pair], "z"), config=InterpolateConfig(mode="slerp"))

    expected = np.linspace(pair[0], pair[1], 4)
    np.testing.assert_allclose(result.latents[0], expected, atol=1e-6)


def test_w_plus_is_interpolated_layer_by_layer():
    trajectory = still((1, 4, 6, 3), "w+")

    result = interpolate_trajectory(trajectory).latents

    layer = interpolate_trajectory(walk(trajectory.latents[:, :, 2])).latents
    np.testing.assert_array_equal(result[:, :, 2], layer)


def test_the_duration_stays():
    trajectory = walk(np.ones((1, 16, 3)), fps=12.0)

    assert interpolate_trajectory(trajectory).meta.fps == 24.0
    assert interpolate_trajectory(walk(np.ones((1, 2, 3)))).meta.fps is None


@pytest.mark.parametrize(("stride", "factor", "after"), [(2, 2, 1), (4, 2, 2), (1, 2, None)])
def test_frames_between_frames_stand_for_fewer_of_the_videos(stride, factor, after):
    trajectory = walk(np.ones((1, 16, 3)), frame_stride=stride)

    found = interpolate_trajectory(trajectory, config=InterpolateConfig(factor=factor))

    assert found.meta.frame_stride == after


def test_everything_else_of_a_trajectory_is_kept():
    trajectory = dataclasses.replace(
        walk(np.ones((2, 3, 4)), seeds=[1, 2]), labels=np.array([0, 1])
    )

    result = interpolate_trajectory(trajectory)

    assert result.meta.seeds == [1, 2]
    np.testing.assert_array_equal(result.labels, [0, 1])


def test_a_factor_below_one_is_refused():
    with pytest.raises(ConfigError, match="factor 0"):
        InterpolateConfig(factor=0)


def test_cubic_is_the_natural_spline_of_the_textbook():
    trajectory = still((1, 7, 2))

    found = longer(trajectory, mode="cubic", factor=5)[0, :, 1]

    expected = natural_spline(trajectory.latents[0, :, 1], np.linspace(0, 6, 35))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_pchip_never_leaves_the_range_of_the_frames_around():
    trajectory = still((3, 9, 4))

    found = longer(trajectory, mode="pchip", factor=7)

    before = np.minimum(np.linspace(0, 8, 63).astype(int), 7)
    pair = np.stack([trajectory.latents[:, before], trajectory.latents[:, before + 1]])
    assert (found >= pair.min(axis=0) - 1e-6).all()
    assert (found <= pair.max(axis=0) + 1e-6).all()
    assert not np.allclose(found, longer(trajectory, factor=7), atol=1e-3)


# Loops


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("num_frames", [1, 2, 3, 8])
def test_a_loop_keeps_every_given_frame(mode, num_frames):
    trajectory = still((2, num_frames, 5))

    found = longer(trajectory, mode=mode, factor=3, ends="periodic")

    assert found.shape == (2, 3 * num_frames, 5)
    np.testing.assert_array_equal(found[:, ::3], trajectory.latents)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("num_frames", [2, 3, 4, 9])
def test_a_loop_has_no_beginning(mode, num_frames):
    trajectory = still((1, num_frames, 5))
    turned = dataclasses.replace(trajectory, latents=np.roll(trajectory.latents, 1, axis=1))

    found = longer(trajectory, mode=mode, factor=4, ends="periodic")

    np.testing.assert_allclose(
        longer(turned, mode=mode, factor=4, ends="periodic"),
        np.roll(found, 4, axis=1),
        atol=1e-5,
    )


def test_the_last_new_frames_of_a_loop_lead_back_to_the_first():
    found = longer(walk([[[0.0], [1.0], [2.0]]]), factor=4, ends="periodic")

    np.testing.assert_allclose(found[0, 8:, 0], [2.0, 1.5, 1.0, 0.5], atol=1e-6)


def test_a_cubic_loop_follows_a_circle():
    angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    circle = walk(np.stack([np.cos(angles), np.sin(angles)], axis=-1)[None])

    found = longer(circle, mode="cubic", factor=6, ends="periodic")

    np.testing.assert_allclose(np.linalg.norm(found, axis=-1), 1.0, atol=5e-4)
