import dataclasses

import numpy as np
import pytest
import torch

from mocotool.configs.invert import InvertConfig
from mocotool.configs.prediction import PredictionConfig
from mocotool.errors import ConfigError
from mocotool.frames import render_frames
from mocotool.latents import LatentsMeta, Trajectory
from mocotool.metrics.prediction import choose_evenly, compare_frames, compute_prediction
from mocotool.motion.checkpoint import load_motion
from mocotool.video.listing import list_videos
from mocotool.video.writing import write_video

QUICK = PredictionConfig(
    num_latents=4, invert=InvertConfig(num_steps=100, num_starts=50, batch_size=4)
)


@pytest.fixture
def stills_folder(toy_generator, tmp_path):
    """Two videos of eight equal frames each, which the toy generator can render."""
    w = toy_generator.mapping(torch.randn(2, 8, generator=torch.Generator().manual_seed(3)))
    latents = w.numpy()[:, None].repeat(8, axis=1)
    walk = Trajectory(latents=latents, meta=LatentsMeta(space="w"))
    for video_idx, frames in render_frames(toy_generator, walk):
        write_video(tmp_path / f"{video_idx}.mkv", iter([frames]), fps=8.0)
    return tmp_path


def test_a_motion_model_that_stands_still_predicts_a_still_video(
    toy_motion_path, toy_generator, stills_folder
):
    motion = load_motion(toy_motion_path, step_size=0.0)

    result = compute_prediction(motion, toy_generator, list_videos(stills_folder), config=QUICK)

    up_b = result.details["up_b"]
    assert result.value == pytest.approx(up_b["value"], abs=0.01)
    assert result.details["ssim"]["value"] == pytest.approx(up_b["ssim"], abs=1e-3)
    assert result.details["still_frame"]["value"] > 40


def test_a_motion_model_that_moves_predicts_worse_and_says_so(
    toy_motion, toy_generator, stills_folder
):
    result = compute_prediction(toy_motion, toy_generator, list_videos(stills_folder), config=QUICK)

    assert result.value < result.details["up_b"]["value"]
    assert "standing still comes nearer" in result.warnings[0]


def test_the_result_says_what_it_depends_on(toy_motion, toy_generator, stills_folder):
    steps = []

    result = compute_prediction(
        toy_motion,
        toy_generator,
        list_videos(stills_folder),
        config=QUICK,
        progress=steps.append,
    )

    assert result.protocol["num_frames"] == 8
    assert result.protocol["compared"] == "frames 2 to 8"
    assert result.inputs["videos"]["num_videos"] == 2
    assert len(result.details["videos"]) == 2
    assert result.details["generator"]["sha256"] == toy_generator.origin.file.sha256
    assert sum(steps) == 2 * QUICK.invert.num_steps_in_all


def test_tuning_lifts_what_can_be_expected(toy_motion, toy_generator, tmp_path):
    ramp = np.linspace(0, 255, 16, dtype=np.uint8)
    picture = np.stack(
        [np.tile(ramp, (16, 1)), np.tile(255 - ramp, (16, 1)), np.full((16, 16), 90, np.uint8)], -1
    )
    write_video(tmp_path / "a.mkv", iter([np.repeat(picture[None], 8, axis=0)]), fps=8.0)
    search = InvertConfig(num_steps=20, num_starts=20, num_polish_steps=0, num_tune_steps=40)
    config = dataclasses.replace(QUICK, invert=search)
    before, after = (
        compute_prediction(toy_motion, toy_generator, list_videos(tmp_path), config=changed)
        for changed in (config, dataclasses.replace(config, tune=True))
    )

    assert after.details["up_b"]["value"] > before.details["up_b"]["value"] + 2
    assert after.protocol["num_tune_steps"] == 40


def test_videos_are_chosen_evenly():
    assert choose_evenly(tuple("abcde"), 3) == ("a", "c", "e")
    assert choose_evenly(tuple("ab"), 3) == ("a", "b")
    assert choose_evenly(tuple("ab"), None) == ("a", "b")


def test_equal_frames_count_as_a_hundred_decibels():
    frames = np.random.default_rng(0).integers(0, 256, (2, 3, 16, 16), np.uint8)

    same = compare_frames(frames, frames)

    assert (same.psnr, same.ssim) == (100.0, pytest.approx(1.0))


@pytest.mark.parametrize("values", [{"num_latents": 1}, {"factor": 0}, {"num_videos": 0}])
def test_settings_out_of_range_are_refused(values):
    with pytest.raises(ConfigError):
        PredictionConfig(**values)


def test_repeats_draw_other_motion_from_the_same_first_latents(
    toy_motion, toy_generator, stills_folder, tmp_path
):
    config = dataclasses.replace(
        QUICK, num_repeats=2, invert=InvertConfig(num_steps=10, num_starts=5, num_polish_steps=0)
    )
    listing = list_videos(stills_folder)  # before frames are written beside the videos
    steps = []

    result = compute_prediction(
        toy_motion,
        toy_generator,
        listing,
        config=config,
        frames_folder=str(tmp_path / "frames"),
        progress=steps.append,
    )

    first, second = result.details["values"]
    assert first != second
    assert result.std == pytest.approx(abs(first - second) / 2**0.5)
    assert result.details["up_b"]["std"] == 0.0
    assert sum(steps) == 2 * config.invert.num_steps_in_all
    later = compute_prediction(
        toy_motion,
        toy_generator,
        listing,
        config=dataclasses.replace(config, num_repeats=1, seed=2),
    )
    assert later.value == pytest.approx(second)
