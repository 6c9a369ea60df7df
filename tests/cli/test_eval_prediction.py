import json

import numpy as np
import pytest

from mocotool.video.cutting import read_squares
from mocotool.video.opening import open_video
from mocotool.video.pictures import read_image
from mocotool.video.writing import write_video

QUICK = ("--num-steps", 20, "--num-latents", 4, "--perceptual", "none")


@pytest.fixture
def videos(tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    frames = np.random.default_rng(0).integers(0, 256, (10, 16, 16, 3), np.uint8)
    write_video(folder / "long.mkv", iter([frames]), fps=8.0)
    write_video(folder / "short.mkv", iter([frames[:3]]), fps=8.0)
    return folder


def test_the_number_comes_with_its_protocol(run_moco, toy_motion_path, videos):
    result = run_moco("eval", "prediction", toy_motion_path, "--videos", videos, *QUICK, "--json")

    assert result.exit_code == 0, result.stderr
    values = json.loads(result.stdout)
    assert values["metric"] == "prediction PSNR"
    assert values["protocol"]["num_frames"] == 8
    assert values["inputs"]["videos"]["num_short"] == 1
    assert set(values["details"]) >= {"ssim", "up_b", "still_frame", "videos"}


def test_the_table_has_up_b_and_the_still_frame(run_moco, toy_motion_path, videos):
    result = run_moco("eval", "prediction", toy_motion_path, "--videos", videos, *QUICK)

    assert "prediction PSNR" in result.stdout
    assert "up b" in result.stdout
    assert "still frame" in result.stdout


def test_videos_that_are_all_too_short_are_a_sentence(run_moco, toy_motion_path, videos):
    result = run_moco("eval", "prediction", toy_motion_path, "--videos", videos, "--num-steps", 20)

    assert result.exit_code == 3
    assert "2 shorter than 32 frames" in result.stderr


def test_a_missing_folder_is_a_sentence(run_moco, toy_motion_path, tmp_path):
    result = run_moco("eval", "prediction", toy_motion_path, "--videos", tmp_path / "no")

    assert result.exit_code == 3
    assert "no such file or folder" in result.stderr


def test_the_predicted_frames_are_those_that_were_measured(
    run_moco, toy_motion_path, videos, tmp_path
):
    frames = tmp_path / "frames"
    args = ("--videos", videos, *QUICK, "--num-polish-steps", 0, "--frames", frames)

    result = run_moco("eval", "prediction", toy_motion_path, *args, "--json")

    values = json.loads(result.stdout)
    assert values["protocol"]["num_polish_steps"] == 0
    names = [f"{number:04d}.png" for number in range(1, 9)]
    assert sorted(path.name for path in (frames / "0001-long").iterdir()) == names
    real = read_squares(open_video(videos / "long.mkv"), range(8), 16).transpose(0, 2, 3, 1)
    psnr = []
    for number in range(1, 8):
        found = read_image(frames / "0001-long" / names[number])
        error = np.square(found.astype(float) - real[number]).mean()
        psnr.append(10 * np.log10(255**2 / error))
    assert values["value"] == pytest.approx(np.mean(psnr), rel=1e-6)


def test_a_folder_with_frames_is_not_written_into(run_moco, toy_motion_path, videos):
    args = ("--videos", videos, *QUICK, "--frames", videos)

    result = run_moco("eval", "prediction", toy_motion_path, *args)

    assert result.exit_code == 2
    assert "is not empty" in result.stderr
