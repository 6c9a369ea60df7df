import numpy as np
import pytest
import torch

from mocotool.basis import read_basis
from mocotool.configs.sample import SampleConfig
from mocotool.configs.traverse import TraverseConfig
from mocotool.errors import ConfigError, MismatchError
from mocotool.generators.stylegan2 import StyleGAN2
from mocotool.latents import LatentsMeta, Trajectory
from mocotool.motion.checkpoint import load_motion
from mocotool.provenance import FileRecord
from mocotool.trajectory import (
    check_motion_fits,
    draw_contents,
    draw_latents,
    sample_trajectory,
    traverse_basis,
)


@pytest.fixture
def sampled(toy_motion, toy_generator):
    def run(start=None, **config):
        return sample_trajectory(
            toy_motion, toy_generator, config=SampleConfig(**config), start=start
        )

    return run


def walk(latents, space="w", **meta):
    return Trajectory(
        latents=np.asarray(latents, np.float32), meta=LatentsMeta(space=space, **meta)
    )


def still(shape, space="w"):
    rng = np.random.default_rng(1)
    return walk(rng.standard_normal(shape), space)


# Sampling


def test_the_defaults_give_one_video_of_the_trained_length(sampled):
    assert sampled().latents.shape == (1, 16, 12)


def test_the_first_frame_is_the_latent_of_its_content_seed(sampled, toy_generator):
    trajectory = sampled(seeds=(5, 7), num_frames=3)

    first = draw_latents(toy_generator, [5, 7]).numpy()
    np.testing.assert_array_equal(trajectory.latents[:, 0], first)


def test_a_content_seed_is_that_of_nvlabs_programs(toy_generator):
    z = np.random.RandomState(85).randn(1, 8)

    expected = toy_generator.mapping(torch.from_numpy(z))

    torch.testing.assert_close(draw_latents(toy_generator, [85]), expected)


def test_the_same_seeds_give_the_same_trajectory(sampled):
    first, second = sampled(num_videos=2), sampled(num_videos=2)

    np.testing.assert_array_equal(first.latents, second.latents)


def test_a_video_is_the_same_alone_and_among_others(sampled):
    alone = sampled(seeds=(2,), motion_seeds=(2,))

    for others in (sampled(num_videos=5), sampled(num_videos=5, batch_size=2)):
        np.testing.assert_allclose(others.latents[2], alone.latents[0], atol=1e-5)


def test_a_longer_video_begins_with_the_shorter_one(sampled):
    short, long = sampled(num_frames=5), sampled(num_frames=40)

    np.testing.assert_allclose(long.latents[:, :5], short.latents, atol=1e-5)


def test_one_content_in_four_motions(sampled):
    trajectory = sampled(seeds=(0,), motion_seeds=(0, 1, 2, 3))

    assert (trajectory.latents[:, 0] == trajectory.latents[0, 0]).all()
    last = trajectory.latents[:, -1]
    assert min(np.abs(last[a] - last[b]).max() for a in range(4) for b in range(a)) > 0.1
    assert trajectory.meta.seeds == [0, 0, 0, 0]
    assert trajectory.meta.motion_seeds == [0, 1, 2, 3]


def test_one_motion_on_four_contents(toy_motion, sampled):
    trajectory = sampled(seeds=(0, 1, 2, 3), motion_seeds=(0,))

    assert trajectory.num_videos == 4
    assert len(np.unique(trajectory.latents[:, 0, 0])) == 4
    assert trajectory.meta.motion_seeds == [0, 0, 0, 0]


def test_content_and_motion_draw_from_streams_of_their_own(sampled):
    both, other = sampled(seeds=(0,), motion_seeds=(0,)), sampled(seeds=(1,), motion_seeds=(0,))

    assert not np.array_equal(both.latents, other.latents)


@pytest.mark.parametrize(
    ("config", "seeds", "motion_seeds"),
    [
        ({}, [0], [0]),
        ({"seed": 4, "num_videos": 3}, [4, 5, 6], [4, 5, 6]),
        ({"seeds": (7, 9)}, [7, 9], [0, 1]),
        ({"motion_seeds": (7, 9)}, [0, 1], [7, 9]),
        ({"seeds": (7,), "num_videos": 2}, [7, 7], [0, 1]),
        ({"seeds": (7, 8), "motion_seeds": (1, 2)}, [7, 8], [1, 2]),
        ({"labels": (0, 3), "seeds": (7,)}, [7, 7], [0, 1]),
    ],
)
def test_seeds_pair_up(config, seeds, motion_seeds):
    plan = SampleConfig(**config).plan_videos()

    assert (plan.seeds, plan.motion_seeds) == (seeds, motion_seeds)


@pytest.mark.parametrize(
    "config",
    [
        {"seeds": (0, 1, 2), "motion_seeds": (0, 1)},
        {"seeds": (0, 1), "num_videos": 3},
        {"labels": (0, 1), "seeds": (0, 1, 2)},
        {"num_frames": 0},
        {"num_videos": 0},
        {"fps": 0.0},
        {"seeds": (2**32,)},
    ],
)
def test_settings_that_contradict_each_other_are_refused(config):
    with pytest.raises(ConfigError):
        SampleConfig(**config)


def test_psi_zero_begins_at_the_mean(sampled, toy_generator):
    trajectory = sampled(truncation_psi=0.0)

    np.testing.assert_allclose(trajectory.latents[0, 0], toy_generator.latent_mean, atol=1e-6)


def test_a_step_size_of_zero_gives_a_still_trajectory(toy_motion_path, toy_generator):
    motion = load_motion(toy_motion_path, step_size=0.0)

    trajectory = sample_trajectory(motion, toy_generator)

    assert (trajectory.latents == trajectory.latents[:, :1]).all()


def test_one_frame_is_the_start(sampled):
    assert sampled(num_frames=1).latents.shape == (1, 1, 12)


def test_the_records_of_both_models_are_kept(sampled, toy_generator, toy_motion):
    meta = sampled().meta

    assert meta.generator == toy_generator.origin.file
    assert meta.motion == toy_motion.origin
    assert meta.fps == 12.0


def test_latents_say_what_their_frames_stand_for(toy_motion, toy_generator, monkeypatch):
    monkeypatch.setattr(toy_motion, "frame_stride", 2)

    assert sample_trajectory(toy_motion, toy_generator).meta.frame_stride == 2


def test_progress_counts_every_video(toy_motion, toy_generator):
    done = []
    config = SampleConfig(num_videos=5, batch_size=2)

    sample_trajectory(toy_motion, toy_generator, config=config, progress=done.append)

    assert done == [2, 2, 1]


# Starting from latents


def test_it_goes_on_from_the_last_frame_of_each_start(sampled):
    start = still((2, 3, 12))

    trajectory = sampled(start=start, num_frames=4)

    np.testing.assert_array_equal(trajectory.latents[:, 0], start.latents[:, -1])
    assert trajectory.meta.seeds is None


def test_another_frame_of_the_start_can_be_chosen(sampled):
    start = still((2, 3, 12))

    trajectory = sampled(start=start, start_frame=0)

    np.testing.assert_array_equal(trajectory.latents[:, 0], start.latents[:, 0])


def test_one_start_serves_several_motions(sampled):
    trajectory = sampled(start=still((1, 1, 12)), motion_seeds=(0, 1, 2))

    assert trajectory.num_videos == 3
    assert (trajectory.latents[:, 0] == trajectory.latents[0, 0]).all()


def test_every_layer_of_a_start_in_w_plus_takes_the_same_steps(sampled):
    start = still((1, 1, 6, 12), "w+")

    latents = sampled(start=start).latents

    assert latents.shape == (1, 16, 6, 12)
    np.testing.assert_array_equal(latents[:, 0], start.latents[:, 0])
    steps = latents - latents[:, :1]
    np.testing.assert_allclose(steps, np.broadcast_to(steps[:, :, :1], steps.shape), atol=1e-5)
    assert np.abs(steps[:, -1]).max() > 0.1


def test_equal_layers_in_w_plus_move_as_w_does(sampled):
    start = still((1, 1, 12))
    layered = walk(np.repeat(start.latents[:, :, None], 6, axis=2), "w+")

    plain, plus = sampled(start=start), sampled(start=layered)

    np.testing.assert_allclose(plus.latents[:, :, 3], plain.latents, atol=1e-5)


def test_seeds_and_history_of_a_start_are_kept(sampled):
    start = walk(np.ones((2, 1, 12)), seeds=[8, 9], history=("moco invert",))

    meta = sampled(start=start).meta

    assert meta.seeds == [8, 9]
    assert meta.history == ("moco invert",)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"seeds": (1,)}, "a start replaces"),
        ({"start_frame": 3}, "no frame 3"),
        ({"motion_seeds": (0, 1, 2)}, "--start has 2"),
    ],
)
def test_starts_that_contradict_the_settings_are_refused(sampled, config, said):
    with pytest.raises(ConfigError, match=said):
        sampled(start=still((2, 3, 12)), **config)


def test_a_start_of_another_size_is_refused(sampled):
    with pytest.raises(MismatchError, match="11 dimensions"):
        sampled(start=still((2, 3, 11)))


# Belonging together


def other_generator(w_dim):
    return StyleGAN2(
        z_dim=8, w_dim=w_dim, img_resolution=8, channels=[4, 4], num_mapping_layers=1
    ).freeze()


def test_a_motion_model_of_another_size_is_refused_by_name(toy_motion):
    with pytest.raises(MismatchError, match=r"motion\.safetensors: moves latents of 12"):
        sample_trajectory(toy_motion, other_generator(10))


def test_a_generator_of_the_same_size_brings_a_warning(toy_motion, toy_generator, toy_motion_path):
    motion = load_motion(toy_motion_path)
    motion.generator_record = FileRecord(path="/old.pkl", sha256="1" * 64, kind="stylegan2")

    warning = check_motion_fits(motion, toy_generator)

    assert "/old.pkl" in warning
    assert check_motion_fits(toy_motion, toy_generator) is None


# Traversing


def test_each_strip_walks_along_its_own_component(toy_generator, toy_pca_path):
    basis = read_basis(toy_pca_path)

    strips = traverse_basis(toy_generator, basis, config=TraverseConfig(num_components=3))

    middle = draw_latents(toy_generator, [0]).numpy()[0]
    assert strips.latents.shape == (3, 5, 12)
    for component in range(3):
        for step, reach in enumerate((-2, -1, 0, 1, 2)):
            expected = middle + reach * basis.stdev[component] * basis.components[component]
            np.testing.assert_allclose(strips.latents[component, step], expected, atol=1e-5)


def test_the_middle_of_a_traversal_is_the_latent_itself(toy_generator, toy_pca_path):
    strips = traverse_basis(
        toy_generator, read_basis(toy_pca_path), config=TraverseConfig(num_components=12)
    )

    np.testing.assert_array_equal(
        strips.latents[:, 2], np.repeat(draw_latents(toy_generator, [0]).numpy(), 12, axis=0)
    )


def test_more_components_than_the_basis_has_are_refused(toy_generator, toy_pca_path):
    with pytest.raises(ConfigError, match="20 components, the basis has 12"):
        traverse_basis(toy_generator, read_basis(toy_pca_path))


def test_a_basis_of_another_generator_is_refused(toy_pca_path):
    with pytest.raises(MismatchError, match="12 dimensions"):
        traverse_basis(
            other_generator(10), read_basis(toy_pca_path), config=TraverseConfig(num_components=1)
        )


@pytest.mark.parametrize(
    "changes", [{"num_components": 0}, {"num_frames": 0}, {"reach": 0.0}, {"fps": -1.0}]
)
def test_impossible_traversals_are_refused(changes):
    with pytest.raises(ConfigError):
        TraverseConfig(**changes)


def test_latents_say_on_which_gpu_they_were_made(sampled, toy_generator, monkeypatch):
    assert sampled().meta.gpu is None

    monkeypatch.setattr("mocotool.trajectory.describe_gpu", lambda _: {"gpu": "Tesla T4"})

    assert sampled().meta.gpu == {"gpu": "Tesla T4"}
    assert draw_contents(toy_generator, [1]).meta.gpu == {"gpu": "Tesla T4"}
