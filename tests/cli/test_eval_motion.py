import json

import numpy as np
import pytest

from mocotool.video.writing import write_video

QUICK = ("--num-frames", 5, "--max-frames", 10, "--num-seeds", 1, "--real-stride", 1)


@pytest.fixture
def videos(tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    for i in range(4):
        frames = np.random.default_rng(i).integers(0, 256, (10, 16, 16, 3), np.uint8)
        write_video(folder / f"{i}.mkv", iter([frames]), fps=8.0)
    return folder


def test_a_motion_model_is_measured_with_its_baselines(run_moco, toy_motion_path, videos):
    result = run_moco("eval", "motion", videos, toy_motion_path, "--baselines", *QUICK)

    assert result.exit_code == 0, result.stderr
    head, *lines = result.stdout.splitlines()
    assert "random walk" in head
    assert "real, other places" in head
    assert [line.split("  ")[0] for line in lines][:3] == ["distance", "accuracy", "liveliness"]
    assert "4 real clips" in result.stderr


def test_the_json_has_every_value_and_the_protocol(run_moco, toy_motion_path, videos):
    result = run_moco("eval", "motion", videos, toy_motion_path, "--json", *QUICK, "--num-seeds", 2)

    values = json.loads(result.stdout)
    assert values["protocol"]["num_seeds"] == 2
    (name, row), _ = values["details"]["rows"].items()
    assert name.endswith("motion.safetensors")
    assert set(row) >= {"distance", "own", "own_10", "content", "where_gain", "accuracy"}
    assert len(row["distance"]["values"]) == 2
    assert values["value"] == row["distance"]["mean"]


def test_folders_of_videos_are_compared_too(run_moco, videos):
    result = run_moco("eval", "motion", videos, videos, *QUICK)

    assert result.exit_code == 0, result.stderr
    assert "own" in result.stdout


def test_a_start_takes_the_place_of_drawn_contents(run_moco, toy_motion_path, videos, tmp_path):
    made = run_moco("sample", toy_motion_path, "--num-videos", 3, "-o", tmp_path / "start.npz")
    assert made.exit_code == 0, made.stderr

    result = run_moco(
        "eval", "motion", videos, toy_motion_path, "--start", tmp_path / "start.npz", *QUICK
    )

    assert result.exit_code == 0, result.stderr


def test_a_missing_side_is_a_sentence(run_moco, videos, tmp_path):
    result = run_moco("eval", "motion", videos, tmp_path / "no.safetensors")

    assert result.exit_code == 3
    assert "no such file or folder" in result.stderr
