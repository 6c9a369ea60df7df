"""What holds for `train_motion_run` alone, as somebody calls it who writes Python."""

import dataclasses
import json
from pathlib import Path

import pytest
from same_runs import read_log

import mocotool as moco

CLIPS = Path(moco.__file__).parent / "bundled" / "clips"


@pytest.fixture
def train(motion_kind, few_clips, tmp_path):
    """Call `train_motion_run` with the toy generator into a folder by its name."""

    def call(out="run", *, videos=few_clips, **options):
        return motion_kind.train(videos, tmp_path / out, **options)

    return call


@pytest.mark.slow
def test_the_bundled_generator_learns_from_the_bundled_clips(motion_kind, tmp_path):
    notes, told = [], []

    trained = moco.train_motion_run(
        str(CLIPS),
        None,
        str(tmp_path / "run"),
        config=motion_kind.config,
        note=notes.append,
        progress=told.append,
    )

    generator = moco.load_generator()
    trajectory = moco.sample_trajectory(moco.load_motion(trained.motion), generator)
    assert trained == moco.TrainedMotion(motion=tmp_path / "run" / "motion.safetensors", steps=4)
    assert trajectory.latents.shape == (1, 4, generator.latent_dim)
    assert any("computing one of 100000 latents" in note for note in notes)
    assert [*dict.fromkeys(step.stage for step in told)] == ["latents", "frames decoded", "steps"]


def test_a_finished_run_can_be_made_longer_and_tells_where_it_was(train, motion_kind, tmp_path):
    longer, told = dataclasses.replace(motion_kind.config, num_steps=6), []
    train("whole", config=longer)
    train("parts")

    train("parts", config=longer, resume=True, progress=told.append)

    assert [step.done for step in told if step.stage == "steps"] == [4, 5, 6]
    assert {"g_loss", "motion_real"} <= told[-1].values.keys()
    states = [read_log(tmp_path / name)[-1] for name in ("whole", "parts")]
    assert states[0] == states[1]


def test_what_does_not_fit_is_lowered_and_noted(train, motion_kind, tmp_path):
    notes = []
    config = dataclasses.replace(motion_kind.config, num_components=384, num_steps=1)

    train(config=config, note=notes.append)

    record = json.loads((tmp_path / "run" / "config.json").read_text())
    assert record["config"]["num_components"] == 12
    assert any("num components 12 (not 384)" in note for note in notes)


def test_a_run_can_start_from_the_model_of_another(train):
    first = train("first")

    second = train("second", motion=str(first.motion))

    assert moco.load_motion(second.motion).hidden_dim == 10


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"pca": "missing.npz"}, "missing.npz"),
        ({"motion": "missing.safetensors"}, "missing.safetensors"),
        ({"init_run": "missing"}, "missing"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_a_file_that_is_not_there_is_named_and_leaves_nothing(train, tmp_path, options, said):
    with pytest.raises(moco.FileFormatError, match=said):
        train(**options)

    assert not (tmp_path / "run").exists()


def test_videos_that_are_too_short_are_said_and_leave_nothing(train, motion_kind, tmp_path):
    with pytest.raises(moco.FileFormatError, match="shorter than 120 frames"):
        train(config=dataclasses.replace(motion_kind.config, num_frames=60))

    assert not (tmp_path / "run").exists()
