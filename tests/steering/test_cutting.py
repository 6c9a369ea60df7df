"""Cuts and joints: exact counts, exact ends."""

import numpy as np
import pytest

from mocotool.configs.cat import CatConfig
from mocotool.configs.cut import CutConfig, parse_frames
from mocotool.errors import ConfigError, MismatchError
from mocotool.latents import LatentsMeta, Trajectory
from mocotool.steering.cutting import cut_trajectory, join_trajectories


def clip(num_frames=12, num_videos=2, seed=0, labels=None, **meta):
    shape = (num_videos, num_frames, 3)
    latents = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    labels = None if labels is None else np.array(labels)
    return Trajectory(latents=latents, labels=labels, meta=LatentsMeta(space="w", **meta))


def cut(trajectory, **config):
    return cut_trajectory(trajectory, config=CutConfig(**config)).latents


def join(*clips, **config):
    return join_trajectories(clips, config=CatConfig(**config)).latents


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10:50", slice(10, 50)),
        (":50", slice(0, 50)),
        ("10:", slice(10, 100)),
        ("-24:", slice(76, 100)),
        (":-1", slice(0, 99)),
        ("7", slice(7, 8)),
        ("-1", slice(99, 100)),
    ],
)
def test_frames_are_typed_as_in_python(text, expected):
    trajectory = clip(100)

    found = cut(trajectory, frames=parse_frames(text))

    np.testing.assert_array_equal(found, trajectory.latents[:, expected])


@pytest.mark.parametrize("text", ["", "a", "1:2:3", "1-5", "--1"])
def test_what_is_no_range_is_refused(text):
    with pytest.raises(ConfigError, match="expected a range"):
        parse_frames(text)


def test_an_empty_range_is_refused():
    with pytest.raises(ConfigError, match="frames 20:30: none of the 12"):
        cut(clip(), frames=(20, 30))


def test_backwards_is_the_same_frames():
    trajectory = clip()

    np.testing.assert_array_equal(cut(trajectory, reverse=True), trajectory.latents[:, ::-1])


@pytest.mark.parametrize("mode", ["linear", "cubic", "pchip", "slerp"])
@pytest.mark.parametrize(("speed", "num_frames"), [(0.5, 24), (2, 6), (3.3, 4), (0.7, 17), (99, 1)])
def test_speed_makes_exact_counts_and_keeps_both_ends(mode, speed, num_frames):
    trajectory = clip()

    changed = cut(trajectory, speed=speed, mode=mode)

    assert changed.shape == (2, num_frames, 3)
    np.testing.assert_array_equal(changed[:, 0], trajectory.latents[:, 0])
    if num_frames > 1:
        np.testing.assert_array_equal(changed[:, -1], trajectory.latents[:, -1])


def test_a_loop_of_half_the_speed_keeps_every_frame():
    trajectory = clip()

    slow = cut(trajectory, speed=0.5, ends="periodic")

    np.testing.assert_array_equal(slow[:, ::2], trajectory.latents)
    np.testing.assert_allclose(
        slow[:, -1], (trajectory.latents[:, -1] + trajectory.latents[:, 0]) / 2, atol=1e-6
    )
    np.testing.assert_array_equal(
        cut(trajectory, speed=2, ends="periodic"), trajectory.latents[:, ::2]
    )


def test_videos_keep_their_class_and_seed():
    trajectory = clip(num_videos=3, labels=[5, 6, 7], seeds=[1, 2, 3], names=["a", "b", "c"])

    found = cut_trajectory(trajectory, config=CutConfig(videos=(2, 0)))

    np.testing.assert_array_equal(found.latents, trajectory.latents[[2, 0]])
    assert found.labels.tolist() == [7, 5]
    assert (found.meta.seeds, found.meta.names) == ([3, 1], ["c", "a"])
    with pytest.raises(ConfigError, match="no video 3, the last is 2"):
        cut(trajectory, videos=(3,))


# Joints


def test_joined_clips_are_all_their_frames():
    a, b, c = clip(5), clip(1, seed=1), clip(7, seed=2)

    joined = join(a, b, c)

    np.testing.assert_array_equal(joined, np.concatenate([a.latents, b.latents, c.latents], axis=1))


def test_a_blend_shortens_by_its_frames_and_keeps_the_rest():
    a, b, c = clip(8), clip(9, seed=1), clip(7, seed=2)

    joined = join(a, b, c, blend=3)

    assert joined.shape[1] == 8 + 9 + 7 - 2 * 3
    np.testing.assert_array_equal(joined[:, :5], a.latents[:, :5])
    np.testing.assert_array_equal(joined[:, 8:11], b.latents[:, 3:6])
    np.testing.assert_array_equal(joined[:, 14:], c.latents[:, 3:])
    middle = (a.latents[:, 6] + b.latents[:, 1]) / 2
    np.testing.assert_allclose(joined[:, 6], middle, atol=1e-6)


def test_a_single_video_serves_for_all():
    a, b = clip(4, num_videos=3), clip(4, num_videos=1, seed=1)

    joined = join(a, b)

    np.testing.assert_array_equal(joined[:, 4:], np.repeat(b.latents, 3, axis=0))


def test_clips_that_cannot_be_joined_are_refused():
    with pytest.raises(ConfigError, match="clip 1 has 5 frames, its blends need 6"):
        join(clip(9), clip(5), clip(9), blend=3)
    with pytest.raises(MismatchError, match="2 videos, expected 1 or 3"):
        join(clip(num_videos=3), clip(num_videos=2))
    with pytest.raises(MismatchError, match="different classes"):
        join(clip(labels=[0, 1]), clip(labels=[0, 2]))
