"""Mixes: exact at 0 and 1, layer by layer, and one's motion on another's content."""

import numpy as np
import pytest

from mocotool.configs.mix import MixConfig
from mocotool.errors import ConfigError, MismatchError
from mocotool.latents import LatentsMeta, Trajectory
from mocotool.steering.agreement import agree
from mocotool.steering.mixing import carry_motion, mix_trajectories


def clip(seed, num_videos=1, num_frames=6, num_ws=None, labels=None, **meta):
    shape = (num_videos, num_frames, *([] if num_ws is None else [num_ws]), 4)
    latents = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    space = "w" if num_ws is None else "w+"
    labels = None if labels is None else np.array(labels)
    return Trajectory(latents=latents, labels=labels, meta=LatentsMeta(space=space, **meta))


def mix(first, second, num_ws=None, **config):
    return mix_trajectories(first, second, config=MixConfig(**config), num_ws=num_ws).latents


def test_half_of_each_is_the_default():
    a, b = clip(0), clip(1)

    np.testing.assert_allclose(mix(a, b), (a.latents + b.latents) / 2, atol=1e-6)


def test_at_its_ends_a_blend_is_one_of_the_two_to_the_last_bit():
    a, b = clip(0), clip(1)

    mixed = mix(a, b, weight=(0.0, 1.0))

    np.testing.assert_array_equal(mixed[:, 0], a.latents[:, 0])
    np.testing.assert_array_equal(mixed[:, -1], b.latents[:, -1])
    np.testing.assert_array_equal(mix(a, b, weight=(0.0, 0.0)), a.latents)
    np.testing.assert_array_equal(mix(a, b, weight=(1.0, 1.0)), b.latents)


def test_chosen_layers_are_the_second_ones():
    a, b = clip(0, num_ws=6), clip(1, num_ws=6)

    mixed = mix(a, b, layers=(2, 3))

    np.testing.assert_array_equal(mixed[:, :, 2:4], b.latents[:, :, 2:4])
    np.testing.assert_array_equal(mixed[:, :, [0, 1, 4, 5]], a.latents[:, :, [0, 1, 4, 5]])


def test_layers_of_latents_in_w_make_them_w_plus():
    a, b = clip(0), clip(1)

    mixed = mix_trajectories(a, b, config=MixConfig(layers=(3, 5)), num_ws=6)

    assert mixed.meta.space == "w+"
    np.testing.assert_array_equal(mixed.latents[:, :, 0], a.latents)
    np.testing.assert_array_equal(mixed.latents[:, :, 5], b.latents)


def test_a_single_video_and_a_single_frame_serve_for_all():
    a, b = clip(0, num_videos=3, labels=[1, 1, 1]), clip(1, num_frames=1, labels=[1])

    mixed = mix(a, b)

    np.testing.assert_allclose(mixed, (a.latents + b.latents) / 2, atol=1e-6)
    assert mix(b, a).shape == (3, 6, 4)


def test_what_is_not_equally_long_or_of_one_class_is_refused():
    with pytest.raises(MismatchError, match="clips of 5 and 6 frames"):
        mix(clip(0), clip(1, num_frames=5))
    with pytest.raises(MismatchError, match="2 videos, expected 1 or 3"):
        mix(clip(0, num_videos=3), clip(1, num_videos=2))
    with pytest.raises(MismatchError, match="different classes"):
        mix(clip(0, labels=[1]), clip(1, labels=[2]))
    with pytest.raises(ConfigError, match="layers 4-9"):
        mix(clip(0, num_ws=6), clip(1, num_ws=6), layers=(4, 9))


def test_a_content_takes_the_steps_of_a_motion():
    motion, content = clip(0, num_frames=9, fps=24.0), clip(1, num_videos=3, seeds=[4, 5, 6])

    moved = carry_motion(motion, content)

    assert moved.latents.shape == (3, 9, 4)
    np.testing.assert_array_equal(moved.latents[:, 0], content.latents[:, 0])
    for video in moved.latents:
        np.testing.assert_allclose(
            np.diff(video, axis=0), np.diff(motion.latents[0], axis=0), atol=1e-5
        )
    assert (moved.meta.fps, moved.meta.seeds) == (24.0, [4, 5, 6])


def test_motion_in_w_moves_every_layer_of_a_content_in_w_plus():
    (motion, content), _ = agree([clip(0), clip(1, num_ws=3)], ["a", "b"])

    moved = carry_motion(motion, content).latents

    for layer in range(3):
        np.testing.assert_allclose(
            np.diff(moved[:, :, layer], axis=1), np.diff(clip(0).latents, axis=1), atol=1e-5
        )
