import dataclasses
import json

import numpy as np
import pytest
import torch
from same_runs import assert_same_run

import mocotool as moco
from mocotool.generators.stylegan2 import StyleGAN2
from mocotool.latents import LatentsMeta, Trajectory, read_latents, write_latents
from mocotool.trajectory import draw_latents
from mocotool.weights.safetensors_file import read_safetensors

QUICK = ("--num-steps", 2, "--batch-size", 4, "--num-frames", 6, "--hidden-dim", 8)
QUICK += ("--set", "num_pictures=64")


@pytest.fixture(autouse=True)
def few_walks(monkeypatch):
    monkeypatch.setattr("mocotool.metrics.held_out_motion.NUM_WALKS", 4)
    monkeypatch.setattr("mocotool.metrics.held_out_motion.NUM_REAL", 4)


@pytest.fixture
def latents_path(toy_generator, tmp_path):
    first = draw_latents(toy_generator, list(range(6))).numpy()[:, None]
    rng = np.random.default_rng(0)
    steps = 0.05 * rng.standard_normal((6, 9, first.shape[-1])).cumsum(axis=1)
    latents = np.concatenate([first, first + steps], axis=1).astype(np.float32)
    meta = LatentsMeta(space="w", generator=toy_generator.origin.file, frame_stride=3)
    path = tmp_path / "trajectories.npz"
    with path.open("wb") as file:
        write_latents(Trajectory(latents=latents, meta=meta), file)
    return path


def test_motion_is_learnt_from_latents_and_sampled(run_moco, latents_path, tmp_path):
    run = tmp_path / "run"

    result = run_moco("train-motion", "--latents", latents_path, "-o", run, *QUICK, "--json")

    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["clips"] == 5
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert set(rows[-1]) >= {"held_out", "walk_energy", "content", "common", "walk_spread"}
    assert (run / "best.safetensors").exists()
    sampled = run_moco("sample", run / "motion.safetensors", "-o", tmp_path / "walk.npz")
    assert sampled.exit_code == 0, sampled.stderr
    assert read_latents(tmp_path / "walk.npz").meta.frame_stride == 3  # that of the clips
    info = run_moco("info", run / "motion.safetensors")
    assert info.exit_code == 0, info.stderr


def test_a_second_run_in_the_folder_is_refused_and_resumed(run_moco, latents_path, tmp_path):
    call = ("train-motion", "--latents", latents_path, "-o", tmp_path / "run", *QUICK)
    assert run_moco(*call).exit_code == 0

    refused, resumed = run_moco(*call), run_moco(*call, "--resume")

    assert refused.exit_code == 2
    assert resumed.exit_code == 0, resumed.stderr


def test_videos_and_latents_are_one_or_the_other(run_moco, latents_path, tmp_path):
    neither = run_moco("train-motion", "-o", tmp_path / "run")
    both = run_moco(
        "train-motion", "--latents", latents_path, "--videos", tmp_path, "-o", tmp_path / "run"
    )

    assert neither.exit_code == 2
    assert both.exit_code == 2
    assert "--latents" in neither.stderr


def test_a_generator_with_classes_is_refused_with_what_takes_it(run_moco, tmp_path):
    generator = StyleGAN2(z_dim=4, w_dim=4, c_dim=2, img_resolution=16, channels=[4] * 3)
    moco.save_generator(generator.freeze(), tmp_path / "g.safetensors")
    latents = np.zeros((3, 8, 4), np.float32)
    with (tmp_path / "walks.npz").open("wb") as file:
        write_latents(Trajectory(latents=latents, meta=LatentsMeta(space="w")), file)

    result = run_moco(
        *("train-motion", "--latents", tmp_path / "walks.npz", "-o", tmp_path / "run", *QUICK),
        *("--generator", tmp_path / "g.safetensors"),
    )

    assert result.exit_code == 2
    assert "latents of a generator that has classes" in result.stderr
    assert "--videos" in result.stderr
    assert not (tmp_path / "run").exists()


def test_options_of_the_games_are_refused(run_moco, latents_path, tmp_path):
    result = run_moco(
        "train-motion", "--latents", latents_path, "-o", tmp_path / "run", "--video-width", 8
    )

    assert result.exit_code == 2
    assert "--video-width" in result.stderr


def test_the_call_writes_what_the_command_does(run_moco, latents_path, tmp_path):
    config = moco.TrainLatentMotionConfig(
        num_pictures=64, num_steps=2, batch_size=4, num_frames=6, hidden_dim=8
    )
    told = []

    trained = moco.train_latent_motion_run(
        latents_path, None, tmp_path / "called", config=config, progress=told.append, device="cpu"
    )
    typed = ("--latents", latents_path, "-o", tmp_path / "typed", "--device", "cpu", *QUICK)
    assert run_moco("train-motion", *typed).exit_code == 0

    assert_same_run(tmp_path / "called", tmp_path / "typed")
    assert (trained.steps, trained.clips, trained.held_out) == (2, 5, 1)
    assert [step.done for step in told if step.stage == "steps"] == [0, 1, 2]


def test_a_stopped_call_goes_on_to_the_same_files(latents_path, tmp_path):
    config = moco.TrainLatentMotionConfig(
        num_pictures=64,
        num_steps=5,
        batch_size=4,
        num_frames=6,
        hidden_dim=8,
        save_every=2,
        log_every=1,
    )
    steps = []

    def train(out, **options):
        return moco.train_latent_motion_run(
            latents_path, None, tmp_path / out, config=config, device="cpu", **options
        )

    train("whole")
    with pytest.raises(moco.StoppedError, match="saved after 3 steps"):
        train("parts", progress=steps.append, stop=lambda: steps[-1].done == 3)
    train("parts", resume=True)

    assert_same_run(tmp_path / "whole", tmp_path / "parts")


def test_a_dry_run_plans_within_its_time(run_moco, latents_path, tmp_path, monkeypatch):
    monkeypatch.setattr("mocotool.training.budget.SHARE", 0.01)
    words = ("train-motion", "--latents", latents_path, "-o", tmp_path / "run", *QUICK[2:])

    result = run_moco(*words, "--budget", "20s", "--dry-run", "--json")

    plan = json.loads(result.stdout)
    assert (plan["clips"], plan["held_out"]) == (5, 1)
    assert plan["steps"] * plan["estimated_seconds_per_step"] < 5
    assert not (tmp_path / "run").exists()
    assert f"0.333 minutes: {plan['steps']} steps" in result.stderr


def test_a_run_that_is_refused_renders_nothing_before(
    run_moco, latents_path, tmp_path, monkeypatch
):
    words = ("train-motion", "--latents", latents_path, "-o", tmp_path / "run", *QUICK)
    assert run_moco(*words).exit_code == 0
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / latents_path.name
    trajectory = moco.read_latents(latents_path)
    moco.write_latents(dataclasses.replace(trajectory, latents=2 * trajectory.latents), other)

    def render(*_, **__):
        raise AssertionError("rendered")

    monkeypatch.setattr("mocotool.runs.train_latent_motion.fit_surrogate", render)
    monkeypatch.setattr("mocotool.runs.train_latent_motion.picture_clips", render)
    again = run_moco(*words, "--resume")
    exchanged = run_moco(
        "train-motion", "--latents", other, "-o", tmp_path / "run", *QUICK, "--resume"
    )

    assert again.exit_code == 0, again.stderr  # what the run knows of pictures is kept
    assert exchanged.exit_code == 4
    assert "latents" in exchanged.stderr


def test_a_surrogate_left_in_the_folder_is_not_taken_for_a_new_run(
    run_moco, latents_path, tmp_path
):
    words = ("train-motion", "--latents", latents_path, *QUICK)
    run, fresh = tmp_path / "run", tmp_path / "fresh"
    run.mkdir()
    (run / "surrogate.safetensors").write_bytes(b"of something else")

    left, right = run_moco(*words, "-o", run), run_moco(*words, "-o", fresh)

    assert left.exit_code == right.exit_code == 0, left.stderr
    taken, made = (read_safetensors(x / "surrogate.safetensors")[0] for x in (run, fresh))
    assert all(torch.equal(taken[name], made[name]) for name in made)


def test_too_few_pictures_are_refused(run_moco, latents_path, tmp_path):
    result = run_moco(
        *("train-motion", "--latents", latents_path, "-o", tmp_path / "run"),
        *("--set", "num_pictures=3"),
    )

    assert result.exit_code == 2
    assert "num_pictures 3, expected at least 64, or 0" in result.stderr
    assert not (tmp_path / "run").exists()
