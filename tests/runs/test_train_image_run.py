"""`train_image_run`, as somebody calls it who writes Python."""

import dataclasses
import json
from pathlib import Path

import pytest
from same_runs import assert_same_run

import mocotool as moco

CLIPS = Path(moco.__file__).parent / "bundled" / "clips"
SIZES = {
    "resolution": 8,
    "num_images": 16,
    "batch_size": 4,
    "channel_base": 64,
    "channel_max": 8,
    "z_dim": 6,
    "w_dim": 6,
    "num_mapping_layers": 2,
    "save_every": 2,
    "preview_every": 4,
    "log_every": 1,
}
CONFIG = moco.TrainImageConfig(**SIZES)


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    """A folder with one of the bundled clips."""
    folder = tmp_path_factory.mktemp("clip")
    path = min(CLIPS.glob("*.mp4"))
    (folder / path.name).write_bytes(path.read_bytes())
    return folder


@pytest.fixture
def train(clip, tmp_path):
    """Call `train_image_run` into a folder by its name."""

    def call(out="run", *, videos=clip, **options):
        options = {"config": CONFIG, "device": "cpu", "precision": "fp32"} | options
        return moco.train_image_run(videos, tmp_path / out, **options)

    return call


def stop_after(num_images):
    """Return listeners that stop a run."""
    shown = []

    def listen(told):
        if told.stage == "images":
            shown.append(told.done)

    return {"progress": listen, "stop": lambda: shown[-1] == num_images}


def test_a_run_makes_a_generator(train, tmp_path):
    told = []

    trained = train(progress=told.append)

    assert trained == moco.TrainedGenerator(
        generator=tmp_path / "run" / "generator.safetensors", steps=4, images=16
    )
    assert moco.load_generator(trained.generator).resolution == 8
    images = [step for step in told if step.stage == "images"]
    assert [(step.done, step.total) for step in images] == [(n, 16) for n in (0, 4, 8, 12, 16)]
    assert {"d_loss", "g_loss"} <= images[-1].values.keys()


@pytest.mark.parametrize("stop_at", [4, 8, 12])
def test_a_run_that_was_stopped_and_resumed_is_the_uninterrupted_one(train, tmp_path, stop_at):
    train("whole")

    with pytest.raises(moco.StoppedError, match=f"saved after {stop_at} images"):
        train("parts", **stop_after(stop_at))
    trained = train("parts", resume=True)

    assert trained.images == 16
    assert_same_run(tmp_path / "whole", tmp_path / "parts")


def test_the_command_writes_the_same_files(train, run_moco, clip, tmp_path):
    train("called")

    options = [
        word for name, value in SIZES.items() for word in ("--" + name.replace("_", "-"), value)
    ]
    result = run_moco(
        *("train-image", "--videos", clip, "-o", tmp_path / "typed", *options),
        *("--device", "cpu", "--precision", "fp32"),
    )

    assert result.exit_code == 0, result.stderr
    assert_same_run(tmp_path / "called", tmp_path / "typed")
    records = [(tmp_path / name / "config.json").read_bytes() for name in ("called", "typed")]
    assert records[0] == records[1]


# Starting from a generator

RHYTHM = {"num_images": 8, "batch_size": 4}


@pytest.mark.parametrize(("settings", "resolution"), [({}, 16), ({"resolution": 32}, 32)])
def test_the_start_decides_the_size_and_may_be_doubled(
    train, toy_generator_path, tmp_path, settings, resolution
):
    config = moco.TrainImageConfig(**RHYTHM, **settings)

    trained = train(config=config, generator=str(toy_generator_path))

    assert moco.load_generator(trained.generator).resolution == resolution
    record = json.loads((tmp_path / "run" / "config.json").read_text())
    assert record["config"]["z_dim"] == 8
    assert record["inputs"]["generator"]["path"] == str(toy_generator_path)


def test_sizes_that_were_asked_for_are_not_overruled(train, toy_generator_path, tmp_path):
    with pytest.raises(moco.MismatchError, match="z_dim 7 was asked for, it has 8"):
        train(config=moco.TrainImageConfig(z_dim=7), generator=toy_generator_path)
    with pytest.raises(moco.MismatchError, match="z_dim 512 was asked for, it has 8"):
        train(config=moco.TrainImageConfig(), asked=["z_dim"], generator=toy_generator_path)

    assert not (tmp_path / "run").exists()


# What cannot work


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
def test_bad_input_is_a_sentence_and_leaves_nothing(train, tmp_path, options, error, said):
    with pytest.raises(error, match=said):
        train(**options)

    assert not (tmp_path / "run").exists()


def test_a_run_is_neither_overwritten_nor_resumed_with_other_settings(train):
    train()

    with pytest.raises(moco.ConfigError, match="holds a run already"):
        train()
    with pytest.raises(moco.MismatchError, match=r"style_mixing was 0.9, now 0.5"):
        train(config=dataclasses.replace(CONFIG, style_mixing=0.5), resume=True)


def test_a_plan_writes_nothing(clip, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    plan = moco.plan_image_run(clip, config=CONFIG)

    assert plan["videos"] == 1
    assert plan["steps"] == 4
    assert plan["generator_parameters"] > 0
    assert list(tmp_path.iterdir()) == []
