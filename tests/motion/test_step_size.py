"""`--step-size auto`: untrained clips change as much as real ones."""

import dataclasses
import json

import pytest
import torch
from reference.toy_clips import ToyClips
from test_motion_trainer import make_config

from mocotool.basis import read_basis
from mocotool.configs.train_motion import RECIPES, TrainMotionConfig, merge_settings
from mocotool.errors import ConfigError
from mocotool.motion.step_size import match_step_size, measure_change
from mocotool.motion.trainer import MotionTrainer


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_an_untrained_model_changes_as_much_as_real_clips(toy_generator, toy_pca_path, share):
    config, basis = make_config(batch_size=32), read_basis(toy_pca_path)
    real = next(ToyClips(batch_size=32)).float() / 127.5 - 1
    real = real[:, :1] + share * (real - real[:, :1])

    step_size = match_step_size(toy_generator, basis, config, real)

    measured = dataclasses.replace(config, step_size=step_size)
    trainer = MotionTrainer(toy_generator, basis, measured)
    with torch.no_grad():
        clips = trainer.generate("test").frames
    # Other walks than those that were looked at, and all of their steps.
    assert measure_change(clips) / measure_change(real) == pytest.approx(1.0, rel=0.25)


def test_change_is_the_mean_difference_of_neighbouring_frames():
    video = torch.tensor([0.0, 0.5, 0.2])[None, :, None, None, None].expand(1, 3, 3, 4, 4)

    assert measure_change(video) == pytest.approx((0.5 + 0.3) / 2)


def test_it_is_measured_where_nothing_says_how_far():
    assert merge_settings({}).step_size == "auto"
    assert merge_settings({"cross_domain": True}).step_size == "auto"
    for recipe in ("reference", "paper"):
        said = RECIPES[recipe, False].get("step_size", 0.2)
        assert merge_settings({"recipe": recipe}).step_size == said
    assert merge_settings({}, preset="sky").step_size == 0.2
    assert merge_settings({"step_size": 0.4}).step_size == 0.4
    assert merge_settings({"step_size": "auto"}, preset="sky").step_size == "auto"
    assert merge_settings({}, from_file={"step_size": 0.3}).step_size == 0.3


def test_a_word_of_ones_own_is_refused():
    with pytest.raises(ConfigError, match="expected a number or auto"):
        TrainMotionConfig(step_size="some")


def test_a_trainer_wants_a_number(toy_generator, toy_pca_path):
    config = make_config(step_size="auto")

    with pytest.raises(ConfigError, match="is measured by `train_motion_run`"):
        MotionTrainer(toy_generator, read_basis(toy_pca_path), config)


def test_the_number_found_is_recorded_and_kept_by_a_resumed_run(
    run_moco, toy_generator_path, toy_pca_path, real_clips_folder, tmp_path
):
    run = tmp_path / "run"
    words = [
        *("train-motion", "--videos", real_clips_folder, "--generator", toy_generator_path),
        *("--pca", toy_pca_path, "-o", run, "--batch-size", 2, "--num-frames", 4),
        *("--frame-size", 16, "--hidden-dim", 8, "--noise-dim", 4, "--num-components", 6),
        *("--video-width", 2, "--pair-width", 2, "--num-g-steps", 1, "--step-size", "auto"),
        *("--device", "cpu"),
    ]

    first = run_moco(*words, "--num-steps", 1)
    second = run_moco(*words, "--num-steps", 2, "--resume")

    from mocotool.motion.checkpoint import load_motion

    assert (first.exit_code, second.exit_code) == (0, 0), first.stderr + second.stderr
    step_size = json.loads((run / "config.json").read_text())["config"]["step_size"]
    assert load_motion(run / "motion.safetensors").step_size == step_size
    assert f"step size {step_size:g}: untrained clips change as much" in first.stderr
    assert "step size" not in second.stderr
