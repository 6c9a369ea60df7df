import json
import zipfile

import numpy as np
import pytest

from mocotool.latents import read_latents
from mocotool.video.writing import write_video


@pytest.fixture
def videos(tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i, length in enumerate((40, 36, 10)):
        frames = np.repeat(rng.integers(0, 256, (1, 16, 16, 3), np.uint8), length, axis=0)
        write_video(folder / f"{i}.mkv", iter([frames]), fps=24.0)
    return folder


def test_a_folder_of_videos_becomes_one_trajectory_each(
    run_moco, toy_generator_path, videos, tmp_path
):
    out = tmp_path / "trajectories.npz"

    result = run_moco("invert", videos, "--generator", toy_generator_path, "-o", out)

    assert result.exit_code == 0, result.stderr
    trajectory = read_latents(out)
    assert trajectory.latents.shape == (2, 18, 12)  # every second of the shortest's 36 frames
    assert trajectory.meta.fps == 12
    assert "1 shorter" in result.stderr or "10 frames" in result.stderr or "short" in result.stderr
    assert not out.with_name("trajectories.npz.parts").exists()


def test_clips_in_an_archive_are_found_as_those_of_a_folder(
    run_moco, toy_generator_path, videos, tmp_path
):
    archive = tmp_path / "videos.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in videos.iterdir():
            packed.write(path, path.name)
    options = ("--num-frames", 4, "--generator", toy_generator_path)

    for source, name in ((videos, "folder.npz"), (archive, "archive.npz")):
        result = run_moco("invert", source, "-o", tmp_path / name, *options)
        assert result.exit_code == 0, result.stderr

    found, expected = (read_latents(tmp_path / f"{name}.npz") for name in ("archive", "folder"))
    assert found.latents.shape == (3, 4, 12)
    np.testing.assert_array_equal(found.latents, expected.latents)


def test_an_encoder_is_used_where_one_is_given(run_moco, toy_generator_path, videos, tmp_path):
    encoder, out = tmp_path / "encoder.safetensors", tmp_path / "trajectories.npz"
    trained = ("--num-steps", 2, "--batch-size", 4, "--width", 4)
    assert run_moco("train-encoder", toy_generator_path, "-o", encoder, *trained).exit_code == 0

    result = run_moco(
        *("invert", videos, "--generator", toy_generator_path, "--encoder", encoder),
        *("-o", out, "--num-frames", 4, "--json"),
    )

    assert result.exit_code == 0, result.stderr
    values = json.loads(result.stdout)
    assert values["num_clips"] == 3
    assert len(values["clips"]) == 3


def test_one_video_is_found_together_where_that_is_asked(
    run_moco, toy_generator_path, videos, tmp_path
):
    out = tmp_path / "one.npz"

    result = run_moco(
        *("invert", videos / "0.mkv", "--together", "--generator", toy_generator_path, "-o", out)
    )

    assert result.exit_code == 0, result.stderr
    assert read_latents(out).latents.shape == (1, 20, 12)


def test_whole_clips_go_into_latents_only(run_moco, toy_generator_path, videos, tmp_path):
    result = run_moco(
        "invert", videos, "--generator", toy_generator_path, "-o", tmp_path / "walk.mp4"
    )

    assert result.exit_code == 2
    assert "trajectories.npz" in result.stderr


@pytest.mark.parametrize(
    "option",
    [
        ("--perceptual", "none"),
        ("--perceptual", "squeezenet"),
        ("--perceptual-weights", "vgg16.pth"),
        ("--num-steps", 50),
        ("--align", "face"),
        ("--frames", "0,1"),
        ("--sheet", "sheet.png"),
    ],
    ids=lambda option: " ".join(map(str, option)),
)
def test_what_whole_clips_do_not_heed_is_refused_by_name(run_moco, videos, tmp_path, option):
    out = tmp_path / "trajectories.npz"

    result = run_moco("invert", videos, "-o", out, *option)

    assert result.exit_code == 2
    assert f"{option[0]} is for pictures and single videos" in result.stderr
    assert "--apart" in result.stderr
    assert not out.exists()
