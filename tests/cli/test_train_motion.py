"""`moco train-motion`, on a toy generator and one short clip."""

import json
import shutil
from pathlib import Path

import pytest

CLIP = Path(__file__).parent.parent / "golden" / "people-1.mp4"
SMALL = (
    *("--batch-size", 2, "--num-frames", 4, "--frame-size", 16, "--hidden-dim", 10),
    *("--noise-dim", 6, "--num-components", 8, "--video-width", 2, "--image-width", 2),
    *("--pair-width", 2, "--bank-size", 8, "--num-g-steps", 1, "--num-steps", 2),
    *("--save-every", 1, "--log-every", 1, "--preview-every", 2, "--device", "cpu"),
)


@pytest.fixture
def videos(tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in ("a.mp4", "b.mp4"):
        shutil.copy(CLIP, folder / name)
    return folder


@pytest.fixture
def train(run_moco, videos, toy_generator_path, toy_pca_path, tmp_path):
    def run(*args, out="run", pca=toy_pca_path, generator=toy_generator_path):
        inputs = ("--videos", videos, "--generator", generator, "--pca", pca)
        return run_moco("train-motion", *inputs, "-o", tmp_path / out, *SMALL, *args)

    return run


def test_a_run_leaves_everything_it_promises(train, tmp_path):
    result = train()

    assert result.exit_code == 0, result.stderr
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"config.json", "metrics.jsonl", "motion.safetensors", "samples", "state.pt"} <= names
    assert [path.name for path in (tmp_path / "run" / "samples").iterdir()] == ["00000002.mp4"]
    steps = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in steps] == [1, 2]


def test_what_it_learns_can_be_sampled(train, run_moco, tmp_path):
    train("--cross-domain")
    walk = tmp_path / "walk.npz"

    result = run_moco("sample", tmp_path / "run" / "motion.safetensors", "-o", walk)

    assert result.exit_code == 0, result.stderr
    assert walk.exists()


def test_the_saved_model_tells_its_settings(train, tmp_path):
    from mocotool.motion.checkpoint import load_motion, read_motion_record

    train("--recipe", "paper")

    path = tmp_path / "run" / "motion.safetensors"
    record = read_motion_record(path)
    assert record["config"]["recipe"] == "paper"
    assert record["notes"]["steps"] == 2
    assert load_motion(path).generator_record.kind == "stylegan2"


def test_a_run_can_be_resumed_and_lengthened(train, tmp_path):
    train()

    result = train("--num-steps", 3, "--resume")

    assert result.exit_code == 0, result.stderr
    steps = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in steps] == [1, 2, 3]


def test_a_run_that_torchrun_starts_again_goes_on(train, tmp_path, monkeypatch):
    train()
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "1")

    result = train("--num-steps", 3)

    assert result.exit_code == 0, result.stderr
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 3


def test_a_second_run_does_not_overwrite_the_first(train):
    train()

    result = train()

    assert result.exit_code == 2
    assert "already holds a run" in result.stderr
    assert "--resume" in result.stderr


def test_a_run_is_not_resumed_with_other_settings(train):
    train()

    result = train("--learning-rate", 0.5, "--resume")

    assert result.exit_code == 4
    assert "learning_rate was 0.0001, now 0.5" in result.stderr


def test_there_must_be_a_run_to_resume(train):
    result = train("--resume")

    assert result.exit_code == 2
    assert "no run to resume" in result.stderr


def test_a_dry_run_plans_and_writes_nothing(train, tmp_path):
    result = train("--dry-run", "--json")

    plan = json.loads(result.stdout)
    assert plan["videos"] == 2
    assert plan["parameters"]["motion"] > 0
    assert plan["estimated_hours"] > 0
    assert not (tmp_path / "run").exists()


def test_a_run_can_start_from_another_model(train, tmp_path):
    train()

    result = train("--motion", tmp_path / "run" / "motion.safetensors", out="second")

    assert result.exit_code == 0, result.stderr


def test_settings_that_do_not_fit_are_lowered_and_said(train, tmp_path):
    result = train("--frame-size", 128, "--num-components", 384, "--dry-run", "--json")

    assert result.exit_code == 0, result.stderr
    assert "frame size 16 (not 128)" in result.stderr
    assert "num components 12 (not 384)" in result.stderr
    assert json.loads(result.stdout)["frame_size"] == 16


def test_a_preset_sets_the_authors_batch(train):
    result = train("--preset", "afhq-vox", "--dry-run", "--json")

    plan = json.loads(result.stdout)
    assert plan["domain"] == "cross"
    assert plan["clips_per_step"] == 2  # what is typed wins


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (("--frame-size", 48), 2, "frame_size 48: expected 16, 32, 64, 128 or 256"),
        (("--num-frames", 1), 2, "should be greater than or equal to 2"),
        (("--learning-rate", 0), 2, "learning_rate 0.0: expected more than 0"),
        (("--recipe", "secret"), 2, "secret"),
        (("--ablate", "everything"), 2, "everything"),
        (("--preset", "ucf10"), 2, "did you mean ucf101?"),
        (("--motion", "missing.safetensors"), 3, "missing.safetensors: no such file"),
        (("--num-frames", 100), 3, "shorter than 200 frames"),
        (
            ("--preset", "sky", "--ablate", "image-disc", "--batch-size", 0),
            2,
            "should be greater than or equal to 1",
        ),
    ],
    ids=lambda value: str(value[0]) if isinstance(value, tuple) else None,
)
def test_what_is_wrong_is_said_in_a_sentence(train, tmp_path, arguments, exit_code, said):
    result = train(*arguments)

    assert result.exit_code == exit_code, result.stderr
    assert said in " ".join(result.stderr.split())
    assert not (tmp_path / "run").exists()


def test_a_basis_of_another_generator_is_refused(train, tmp_path):
    import numpy as np
    import torch

    from mocotool.basis import PCABasis, write_basis

    other = tmp_path / "other.npz"
    with other.open("wb") as file:
        write_basis(PCABasis(components=torch.eye(9).numpy(), stdev=np.ones(9, np.float32)), file)

    result = train(pca=other)

    assert result.exit_code == 4
    assert "9 dimensions, the generator's latents 12" in result.stderr


def test_without_a_compiler_nothing_is_written(train, tmp_path, monkeypatch):
    import torch
    from torch._dynamo.exc import BackendCompilerFailed

    def fail(*_args, **_options):
        raise BackendCompilerFailed("inductor", RuntimeError("No working C++ compiler found"), None)

    monkeypatch.setattr(torch, "compile", fail)

    result = train("--compile")

    assert result.exit_code == 5
    assert "cannot compile for cpu here: No working C++ compiler found" in result.stderr
    assert "leave --compile out" in result.stderr
    assert not (tmp_path / "run").exists()


def test_graphs_without_a_gpu_are_refused_by_name(train, tmp_path):
    for plan in ((), ("--dry-run",)):
        result = train("--cuda-graphs", *plan, "--device", "cpu")

        assert result.exit_code == 5
        assert "--cuda-graphs: needs a CUDA device, and this run computes on cpu" in result.stderr
        assert not (tmp_path / "run").exists()


def test_a_compiled_run_may_go_on_without_compiling(train, tmp_path, monkeypatch):
    from mocotool.motion.compilation import Compilation

    asked = []
    for name in ("check", "compile_discriminators"):
        monkeypatch.setattr(Compilation, name, lambda *_: None)
    monkeypatch.setattr(Compilation, "compile_generator", lambda _, given: asked.append(given))
    train("--compile")

    result = train("--num-steps", 3, "--resume")

    assert result.exit_code == 0, result.stderr
    assert "compiled was True, is False" in result.stderr
    assert len(asked) == 1


def test_a_missing_folder_of_videos_is_named(run_moco, tmp_path):
    result = run_moco("train-motion", "--videos", tmp_path / "nowhere", "-o", tmp_path / "run")

    assert result.exit_code == 3
    assert "nowhere: no such folder" in result.stderr


def test_without_a_basis_one_is_made(run_moco, videos, toy_generator_path, tmp_path):
    result = run_moco(
        *("train-motion", "--videos", videos, "--generator", toy_generator_path),
        *("-o", tmp_path / "run", *SMALL),
    )

    assert result.exit_code == 0, result.stderr
    assert "no --pca: computing one of 100000 latents" in result.stderr


def test_epochs_count_the_videos(train, tmp_path):
    result = train("--num-epochs", 3)

    assert result.exit_code == 0, result.stderr
    steps = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert len(steps) == 3  # two videos, two clips a step
