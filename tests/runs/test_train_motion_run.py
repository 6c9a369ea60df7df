"""`train_motion_run`, as somebody calls it who writes Python."""

import dataclasses
import json
from pathlib import Path

import pytest
from same_runs import assert_same_run, read_log

import mocotool as moco

CLIPS = Path(moco.__file__).parent / "bundled" / "clips"
SIZES = {
    "batch_size": 2,
    "num_frames": 4,
    "frame_size": 16,
    "hidden_dim": 10,
    "noise_dim": 6,
    "num_components": 8,
    "video_width": 2,
    "pair_width": 2,
    "num_g_steps": 1,
    "step_size": 0.2,
    "num_steps": 4,
    "save_every": 2,
    "log_every": 1,
    "preview_every": 4,
}
CONFIG = moco.TrainMotionConfig(**SIZES)


@pytest.fixture(scope="session")
def few_clips(tmp_path_factory):
    """Two of the bundled clips."""
    folder = tmp_path_factory.mktemp("clips")
    for path in sorted(CLIPS.glob("*.mp4"))[:2]:
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


@pytest.fixture
def train(few_clips, toy_generator_path, toy_pca_path, tmp_path):
    """Call `train_motion_run` with the toy generator into a folder by its name."""

    def call(out="run", *, videos=few_clips, generator=toy_generator_path, **options):
        options = {"config": CONFIG, "pca": toy_pca_path, "device": "cpu"} | options
        return moco.train_motion_run(videos, generator, tmp_path / out, **options)

    return call


def stop_after(num_steps):
    """Return listeners that stop a run."""
    steps = []

    def listen(told):
        if told.stage == "steps":
            steps.append(told.done)

    return {"progress": listen, "stop": lambda: steps[-1] == num_steps}


@pytest.mark.slow
def test_the_bundled_generator_learns_from_the_bundled_clips(tmp_path):
    notes, told = [], []

    trained = moco.train_motion_run(
        str(CLIPS),
        None,
        str(tmp_path / "run"),
        config=CONFIG,
        note=notes.append,
        progress=told.append,
    )

    generator = moco.load_generator()
    trajectory = moco.sample_trajectory(moco.load_motion(trained.motion), generator)
    assert trained == moco.TrainedMotion(motion=tmp_path / "run" / "motion.safetensors", steps=4)
    assert trajectory.latents.shape == (1, 4, generator.latent_dim)
    assert any("computing one of 100000 latents" in note for note in notes)
    assert [*dict.fromkeys(step.stage for step in told)] == ["latents", "frames decoded", "steps"]


@pytest.mark.parametrize("stop_at", [1, 2, 3])
def test_a_run_that_was_stopped_and_resumed_is_the_uninterrupted_one(train, tmp_path, stop_at):
    train("whole")

    with pytest.raises(moco.StoppedError, match=f"saved after {stop_at} steps"):
        train("parts", **stop_after(stop_at))
    trained = train("parts", resume=True)

    assert trained.steps == 4
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


def test_a_finished_run_can_be_made_longer(train, tmp_path):
    longer = dataclasses.replace(CONFIG, num_steps=6)
    train("whole", config=longer)
    train("parts")

    train("parts", config=longer, resume=True)

    states = [read_log(tmp_path / name)[-1] for name in ("whole", "parts")]
    assert states[0] == states[1]


def test_progress_tells_frames_and_steps_with_their_values(train):
    told = []

    train(progress=told.append)

    decoded = [step for step in told if step.stage == "frames decoded"]
    steps = [step for step in told if step.stage == "steps"]
    assert decoded[-1].done == decoded[-1].total
    assert all(step.values is None for step in decoded)
    assert [(step.done, step.total) for step in steps] == [(n, 4) for n in range(5)]
    assert steps[0].values == {}
    assert {"g_loss", "motion_real"} <= steps[-1].values.keys()


def test_progress_of_a_resumed_run_begins_where_it_was(train):
    told = []
    with pytest.raises(moco.StoppedError):
        train(**stop_after(3))

    train(resume=True, progress=told.append)

    assert [step.done for step in told if step.stage == "steps"] == [3, 4]


def test_the_command_writes_the_same_files(
    train, run_moco, few_clips, toy_generator_path, toy_pca_path, tmp_path
):
    train("called")

    options = [
        word for name, value in SIZES.items() for word in ("--" + name.replace("_", "-"), value)
    ]
    result = run_moco(
        *("train-motion", "--videos", few_clips, "--generator", toy_generator_path),
        *("--pca", toy_pca_path, "-o", tmp_path / "typed", "--device", "cpu", *options),
    )

    assert result.exit_code == 0, result.stderr
    assert_same_run(tmp_path / "called", tmp_path / "typed")
    records = [(tmp_path / name / "config.json").read_bytes() for name in ("called", "typed")]
    assert records[0] == records[1]


def test_what_does_not_fit_is_lowered_and_noted(train, tmp_path):
    notes = []

    train(config=dataclasses.replace(CONFIG, num_components=384, num_steps=1), note=notes.append)

    record = json.loads((tmp_path / "run" / "config.json").read_text())
    assert record["config"]["num_components"] == 12
    assert any("num components 12 (not 384)" in note for note in notes)


def test_a_run_can_start_from_the_model_of_another(train):
    first = train("first")

    second = train("second", motion=str(first.motion))

    assert moco.load_motion(second.motion).hidden_dim == 10


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"videos": "nowhere"}, moco.FileFormatError, "nowhere: no such folder"),
        ({"generator": "missing.pkl"}, moco.FileFormatError, "missing.pkl"),
        ({"pca": "missing.npz"}, moco.FileFormatError, "missing.npz"),
        ({"motion": "missing.safetensors"}, moco.FileFormatError, "missing.safetensors"),
        ({"init_run": "missing"}, moco.FileFormatError, "missing"),
        ({"resume": True}, moco.ConfigError, "no run to resume"),
        ({"precision": "fp16"}, moco.ConfigError, "fp16"),
        ({"device": "abacus"}, moco.ConfigError, "abacus"),
        (
            {"config": dataclasses.replace(CONFIG, num_frames=60)},
            moco.FileFormatError,
            "shorter than 120 frames",
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_bad_input_is_a_sentence_and_leaves_nothing(train, tmp_path, options, error, said):
    with pytest.raises(error, match=said):
        train(**options)

    assert not (tmp_path / "run").exists()


def test_a_run_is_neither_overwritten_nor_resumed_with_other_settings(train):
    train()

    with pytest.raises(moco.ConfigError, match="holds a run already"):
        train()
    with pytest.raises(moco.MismatchError, match=r"learning_rate was 0.0001, now 0.5"):
        train(config=dataclasses.replace(CONFIG, learning_rate=0.5), resume=True)


def test_a_plan_writes_nothing(few_clips, toy_generator_path, toy_pca_path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    plan = moco.plan_motion_run(few_clips, toy_generator_path, config=CONFIG, pca=toy_pca_path)

    assert plan["videos"] == 2
    assert plan["steps"] == 4
    assert plan["parameters"]["motion"] > 0
    assert list(tmp_path.iterdir()) == []
