import dataclasses
import tracemalloc

import numpy as np
import pytest
import torch

from mocotool.configs.render import RenderConfig
from mocotool.errors import ConfigError, MismatchError
from mocotool.frames import render_frames, render_video
from mocotool.latents import LatentsMeta, Trajectory
from mocotool.layouts import to_frames_u8


def rendered(generator, trajectory, **config):
    videos = [[] for _ in trajectory.latents]
    for video_idx, frames_u8 in render_frames(generator, trajectory, config=RenderConfig(**config)):
        videos[video_idx].append(frames_u8)
    return np.stack([np.concatenate(chunks) for chunks in videos])


def test_every_frame_is_the_generators_picture_of_its_latent(toy_generator, toy_trajectory):
    frames_u8 = rendered(toy_generator, toy_trajectory)

    expected = to_frames_u8(toy_generator.synthesis(torch.from_numpy(toy_trajectory.latents[1])))
    assert frames_u8.shape == (3, 5, 16, 16, 3)
    assert frames_u8.dtype == np.uint8
    np.testing.assert_array_equal(frames_u8[1], expected.numpy())


@pytest.mark.parametrize("noise", ["const", "random", "none"])
@pytest.mark.parametrize("chunk_size", [1, 2, 100])
def test_the_chunk_size_changes_rounding_only(toy_generator, toy_trajectory, noise, chunk_size):
    whole = rendered(toy_generator, toy_trajectory, noise=noise)

    parts = rendered(toy_generator, toy_trajectory, noise=noise, chunk_size=chunk_size)

    assert np.abs(whole.astype(int) - parts).max() <= 1


def test_random_noise_stays_for_all_frames_of_a_video(toy_generator):
    still = Trajectory(latents=np.ones((2, 4, 12), np.float32), meta=LatentsMeta(space="w"))

    frames_u8 = rendered(toy_generator, still, noise="random", chunk_size=2)

    assert np.abs(frames_u8.astype(int) - frames_u8[:, :1]).max() <= 1
    assert np.abs(frames_u8[0].astype(int) - frames_u8[1]).max() > 1


def test_random_noise_follows_the_seed(toy_generator, toy_trajectory):
    first, again, other = (
        rendered(toy_generator, toy_trajectory, noise="random", seed=seed) for seed in (0, 0, 1)
    )

    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_noise_modes_differ(toy_generator, toy_trajectory):
    const, none = (
        rendered(toy_generator, toy_trajectory, noise=mode) for mode in ("const", "none")
    )

    assert not np.array_equal(const, none)


def test_chosen_frames_come_in_their_order(toy_generator, toy_trajectory):
    whole = rendered(toy_generator, toy_trajectory)

    chosen = np.concatenate(
        list(render_video(toy_generator, toy_trajectory, 1, frame_idxs=np.array([4, 0])))
    )

    assert np.abs(whole[1, [4, 0]].astype(int) - chosen).max() <= 1


def test_one_latent_a_layer_is_rendered(toy_generator, toy_trajectory):
    layered = Trajectory(
        latents=np.repeat(toy_trajectory.latents[:, :, None], 6, axis=2),
        meta=LatentsMeta(space="w+"),
    )

    frames_u8 = rendered(toy_generator, layered)

    assert np.abs(frames_u8.astype(int) - rendered(toy_generator, toy_trajectory)).max() <= 1


def test_classes_reach_the_synthesis(toy_generator, toy_trajectory):
    seen = []

    class Painter:
        device = torch.device("cpu")

        def synthesis(self, latent, *, labels, noise_mode, noise):
            seen.append(labels.tolist())
            return toy_generator.synthesis(latent)

    labelled = dataclasses.replace(toy_trajectory, labels=np.array([4, 5, 6]))

    list(render_frames(Painter(), labelled, config=RenderConfig(chunk_size=5)))

    assert seen == [[4] * 5, [5] * 5, [6] * 5]


def test_grey_pictures_become_rgb(toy_trajectory):
    class Grey:
        device = torch.device("cpu")

        def synthesis(self, latent, *, labels, noise_mode, noise):
            return torch.zeros(len(latent), 1, 4, 4)

    assert rendered(Grey(), toy_trajectory).shape == (3, 5, 4, 4, 3)


def test_progress_counts_every_frame(toy_generator, toy_trajectory):
    done = []

    list(render_frames(toy_generator, toy_trajectory, progress=done.append))

    assert sum(done) == 15


def test_latents_that_do_not_fit_are_refused(toy_generator):
    wrong = Trajectory(latents=np.ones((1, 2, 11), np.float32), meta=LatentsMeta(space="w"))

    with pytest.raises(MismatchError):
        list(render_frames(toy_generator, wrong))


def test_a_hundred_times_the_frames_take_no_more_memory(toy_generator):
    def peak(num_frames):
        latents = np.zeros((1, num_frames, 12), np.float32)
        trajectory = Trajectory(latents=latents, meta=LatentsMeta(space="w"))
        tracemalloc.start()
        for _ in render_frames(toy_generator, trajectory, config=RenderConfig(chunk_size=4)):
            pass
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(8)
    assert peak(800) < 1.5 * peak(8) + 20_000


@pytest.mark.parametrize("changes", [{"chunk_size": 0}, {"fps": 0.0}])
def test_impossible_settings_are_refused(changes):
    with pytest.raises(ConfigError):
        RenderConfig(**changes)
