"""What holds for `train_motion_run` and `train_image_run` alike, as somebody calls them."""

import dataclasses

import pytest
from same_runs import assert_same_run

import mocotool as moco


@pytest.fixture(scope="module", params=["motion_kind", "image_kind"])
def kind(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def whole(kind, few_clips, tmp_path_factory):
    """The folder of a run that nothing has stopped, and what it told."""
    out, told = tmp_path_factory.mktemp("whole") / "run", []
    kind.train(few_clips, out, progress=told.append)
    return out, told


@pytest.mark.parametrize("stop_at", [1, 2, 3])
def test_a_run_that_was_stopped_and_resumed_is_the_uninterrupted_one(
    kind, whole, few_clips, tmp_path, stop_at
):
    out = tmp_path / "parts"

    with pytest.raises(
        moco.StoppedError, match=f"saved after {stop_at * kind.per_step} {kind.unit}"
    ):
        kind.train(few_clips, out, **kind.stop_after(stop_at))
    trained = kind.train(few_clips, out, resume=True)

    assert trained.steps == 4
    assert_same_run(whole[0], out)


def test_progress_tells_frames_and_steps_with_their_values(kind, whole):
    _, told = whole

    decoded = [step for step in told if step.stage == "frames decoded"]
    steps = [step for step in told if step.stage == kind.unit]
    assert decoded[-1].done == decoded[-1].total
    assert all(step.values is None for step in decoded)
    each = kind.per_step
    assert [(step.done, step.total) for step in steps] == [(n * each, 4 * each) for n in range(5)]
    assert steps[0].values == {}
    assert "g_loss" in steps[-1].values


def test_the_command_writes_the_same_files(kind, whole, run_moco, few_clips, tmp_path):
    words = kind.inputs | kind.sizes | {"device": "cpu", "precision": "fp32"}
    options = [
        word for name, value in words.items() for word in ("--" + name.replace("_", "-"), value)
    ]
    typed = tmp_path / "typed"

    result = run_moco(kind.command, "--videos", few_clips, "-o", typed, *options)

    assert result.exit_code == 0, result.stderr
    assert_same_run(whole[0], typed)
    assert (whole[0] / "config.json").read_bytes() == (typed / "config.json").read_bytes()


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"videos": "nowhere"}, moco.FileFormatError, "nowhere: no such folder"),
        ({"generator": "missing.pkl"}, moco.FileFormatError, "missing.pkl"),
        ({"resume": True}, moco.ConfigError, "no run to resume"),
        ({"precision": "fp16"}, moco.ConfigError, "fp16"),
        ({"device": "abacus"}, moco.ConfigError, "abacus"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_bad_input_is_a_sentence_and_leaves_nothing(
    kind, few_clips, tmp_path, options, error, said
):
    with pytest.raises(error, match=said):
        kind.train(**({"videos": few_clips, "out": tmp_path / "run"} | options))

    assert not (tmp_path / "run").exists()


def test_a_run_is_neither_overwritten_nor_resumed_with_other_settings(kind, whole, few_clips):
    out, _ = whole

    with pytest.raises(moco.ConfigError, match="already holds a run"):
        kind.train(few_clips, out)
    with pytest.raises(moco.MismatchError, match="seed was 0, now 1"):
        kind.train(few_clips, out, config=dataclasses.replace(kind.config, seed=1), resume=True)


def test_a_plan_writes_nothing(kind, few_clips, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    plan = kind.plan(few_clips, config=kind.config, **kind.inputs)

    assert plan["videos"] == 2
    assert plan["steps"] == 4
    assert list(tmp_path.iterdir()) == []
