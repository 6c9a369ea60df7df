"""Loops: exact counts, exact ends, and a seam that is a step like the others."""

import numpy as np
import pytest

from mocotool.configs.loop import LoopConfig
from mocotool.configs.sample import SampleConfig
from mocotool.errors import ConfigError
from mocotool.frames import render_frames
from mocotool.generators.loading import load_generator
from mocotool.latents import LatentsMeta, Trajectory
from mocotool.motion.checkpoint import load_motion
from mocotool.steering.loops import close_trajectory, pull_back, remove_drift
from mocotool.trajectory import sample_trajectory


def walk(shape, seed=0, space="w"):
    steps = np.random.default_rng(seed).standard_normal(shape)
    return Trajectory(
        latents=np.cumsum(steps, axis=1).astype(np.float32), meta=LatentsMeta(space=space, fps=12.0)
    )


def close(trajectory, **config):
    return close_trajectory(trajectory, config=LoopConfig(**config)).latents


def closed_steps(latents):
    """Lengths of the steps of a loop [n, t]; the last is the one across the seam."""
    return np.linalg.norm(np.roll(latents, -1, axis=1) - latents, axis=-1)


@pytest.mark.parametrize("num_frames", [1, 2, 3, 20])
@pytest.mark.parametrize(
    ("mode", "expected"), [("drift", lambda n: n), ("back", lambda n: max(2 * n - 2, 1))]
)
def test_frame_counts_are_exact_and_the_first_frame_stays(mode, expected, num_frames):
    trajectory = walk((2, num_frames, 5))

    closed = close(trajectory, mode=mode)

    assert closed.shape == (2, expected(num_frames), 5)
    assert closed.dtype == np.float32
    np.testing.assert_array_equal(closed[:, 0], trajectory.latents[:, 0])


@pytest.mark.parametrize(("num_frames", "blend"), [(2, 1), (20, 1), (20, 7), (20, 10)])
def test_a_blend_takes_its_frames_from_the_length(num_frames, blend):
    trajectory = walk((2, num_frames, 4))

    closed = close(trajectory, mode="blend", blend=blend)

    assert closed.shape == (2, num_frames - blend, 4)
    middle = slice(blend, num_frames - blend)
    np.testing.assert_array_equal(closed[:, middle], trajectory.latents[:, middle])


def test_the_first_frame_of_a_blend_is_what_followed_the_last():
    trajectory = walk((1, 20, 4))

    closed = close(trajectory, mode="blend", blend=6)

    np.testing.assert_array_equal(closed[:, 0], trajectory.latents[:, 14])
    np.testing.assert_array_equal(closed[:, -1], trajectory.latents[:, 13])


def test_there_and_back_shows_the_given_frames_only():
    trajectory = walk((1, 5, 2))

    closed = close(trajectory, mode="back")

    np.testing.assert_array_equal(closed[0], trajectory.latents[0, [0, 1, 2, 3, 4, 3, 2, 1]])


def test_the_step_across_the_seam_is_the_last_given_step():
    trajectory = walk((3, 30, 6))

    closed = close(trajectory).astype(np.float64)

    np.testing.assert_allclose(
        closed[:, 0] - closed[:, -1], closed[:, -1] - closed[:, -2], atol=1e-5
    )


def test_a_drift_is_taken_from_every_step_alike():
    given = walk((2, 11, 3)).latents

    closed = remove_drift(given)

    changes = np.diff(closed, axis=1) - np.diff(given[:, :-1], axis=1)
    drift = given[:, -1] - given[:, 0]
    np.testing.assert_allclose(changes, np.repeat(-drift[:, None] / 10, 9, axis=1), atol=1e-5)


def test_a_loop_stays_the_loop_it_is():
    angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=-1)[None].astype(np.float32)

    closed = remove_drift(np.concatenate([circle, circle[:, :1]], axis=1))

    np.testing.assert_array_equal(closed, circle)


def test_layers_are_closed_one_by_one():
    trajectory = walk((1, 8, 3, 4), space="w+")

    closed = close(trajectory)

    layer = Trajectory(latents=trajectory.latents[:, :, 1], meta=LatentsMeta(space="w"))
    np.testing.assert_array_equal(closed[:, :, 1], close(layer))


def test_a_clip_too_short_for_its_blend_is_refused():
    with pytest.raises(ConfigError, match="not twice as many"):
        close(walk((1, 9, 2)), mode="blend", blend=5)


# Walks that are held


def test_a_pull_goes_back_a_share_of_the_way():
    given = walk((1, 40, 3)).latents.astype(np.float64)

    pulled = pull_back(given.astype(np.float32), 0.25)

    latent = given[0, 0]
    for t in range(1, 40):  # the plain recursion
        latent = latent + (given[0, t] - given[0, t - 1]) - 0.25 * (latent - given[0, 0])
        np.testing.assert_allclose(pulled[0, t], latent, atol=1e-4)


def test_no_pull_changes_nothing():
    given = walk((2, 9, 3)).latents

    np.testing.assert_array_equal(pull_back(given, 0.0), given)


def test_a_pulled_walk_stays_where_the_formula_says():
    given = walk((200, 300, 4)).latents

    pulled = pull_back(given, 0.05)

    away = (pulled[:, 200:] - pulled[:, :1]).std()
    assert away == pytest.approx(1 / np.sqrt(1 - 0.95**2), rel=0.05)


# Motion that was learnt


@pytest.fixture(scope="module")
def learnt_loops():
    motion, generator = load_motion(None), load_generator(None)
    config = SampleConfig(num_videos=16, num_frames=24, loop=True)
    return generator, sample_trajectory(motion, generator, config=config)


def test_learnt_loops_begin_as_open_walks_do_and_lose_the_jump_at_the_end(learnt_loops):
    generator, loops = learnt_loops
    config = SampleConfig(num_videos=16, num_frames=24)
    open_walks = sample_trajectory(load_motion(None), generator, config=config)

    steps = closed_steps(loops.latents)

    assert loops.num_frames == 24
    np.testing.assert_array_equal(loops.latents[:, 0], open_walks.latents[:, 0])
    jumps = closed_steps(open_walks.latents)[:, -1]
    assert (jumps > steps[:, -1]).all()  # what --loop takes away
    assert np.median(jumps / steps[:, -1]) > 2


def test_the_seam_of_learnt_loops_is_a_step_like_any_other(learnt_loops):
    generator, _ = learnt_loops
    config = SampleConfig(num_videos=64, num_frames=24, loop=True)
    loops = sample_trajectory(load_motion(None), generator, config=config)

    steps = closed_steps(loops.latents)

    # Of 24 steps that are alike, each place in their order is as likely as any other: the seam is
    # in the middle on average, and the smallest or the largest of all once in twelve loops.
    place = (steps[:, :-1] < steps[:, -1:]).sum(axis=1)  # 0 to 23
    assert abs(place.mean() - 11.5) < 3 * np.sqrt((24**2 - 1) / 12 / 64)
    assert np.isin(place, [0, 23]).mean() < 1 / 12 + 3 * np.sqrt(1 / 12 * 11 / 12 / 64)


@pytest.mark.slow
def test_the_seam_of_learnt_loops_is_no_larger_a_change_of_pixels_than_others(learnt_loops):
    generator, loops = learnt_loops
    videos = [[] for _ in range(loops.num_videos)]
    for video_idx, frames_u8 in render_frames(generator, loops):
        videos[video_idx].append(frames_u8)
    pixels = np.stack([np.concatenate(chunks) for chunks in videos]).astype(np.float32)

    changes = np.abs(np.roll(pixels, -1, axis=1) - pixels).mean(axis=(2, 3, 4))  # [n, t]

    # Of 24 changes that are alike, the seam is the largest in more than three of 16 loops once in
    # 300 times, and in the middle on average.
    place = (changes[:, :-1] < changes[:, -1:]).sum(axis=1)  # 0 to 23
    assert (place == 23).sum() <= 3
    assert abs(place.mean() - 11.5) < 3 * np.sqrt((24**2 - 1) / 12 / 16)
