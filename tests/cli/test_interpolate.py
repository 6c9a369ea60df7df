import io

import numpy as np
import pytest

from mocotool.latents import read_latents
from mocotool.video.opening import open_video


def test_a_pipe_goes_through(run_moco, toy_latents_path):
    result = run_moco("interpolate", input=toy_latents_path.read_bytes())

    before = read_latents(toy_latents_path)
    after = read_latents(io.BytesIO(result.stdout_bytes), "<pipe>")
    assert after.num_frames == 2 * before.num_frames
    assert after.meta.fps == 2 * before.meta.fps
    np.testing.assert_array_equal(after.latents[:, [0, -1]], before.latents[:, [0, -1]])
    assert len(after.meta.history) == 1


@pytest.mark.parametrize("mode", ["linear", "cubic", "slerp"])
def test_every_mode_and_factor(run_moco, toy_latents_path, tmp_path, mode):
    result = run_moco(
        *("interpolate", toy_latents_path, "--factor", 3, "--mode", mode),
        *("-o", tmp_path / "long.npz"),
    )

    assert result.exit_code == 0
    assert read_latents(tmp_path / "long.npz").num_frames == 15


def test_pictures_find_their_generator(run_moco, toy_latents_path, tmp_path):
    result = run_moco("interpolate", toy_latents_path, "-o", tmp_path / "clip.mp4", "--grid")

    assert result.exit_code == 0, result.stderr
    video = open_video(tmp_path / "clip.mp4")
    assert (video.num_frames, float(video.fps)) == (10, 24.0)


@pytest.mark.parametrize(
    ("args", "exit_code", "said"),
    [
        (["gone.npz"], 3, "gone.npz: no such file"),
        (["{pca}"], 3, "no field 'latents'"),
        (["{motion}"], 3, "not a readable .npz"),
        (["{latents}", "--factor", "0"], 2, "--factor"),
        (["{latents}", "--mode", "quintic"], 2, "quintic"),
        (["{latents}", "-o", "{latents}"], 2, "already exists"),
    ],
)
def test_what_goes_wrong_is_said_in_a_sentence(
    run_moco, toy_folder, toy_latents_path, args, exit_code, said
):
    names = {
        "pca": toy_folder / "pca.npz",
        "motion": toy_folder / "motion.safetensors",
        "latents": toy_latents_path,
    }

    result = run_moco("interpolate", *(arg.format(**names) for arg in args))

    assert result.exit_code == exit_code
    assert said in result.stderr


def test_an_empty_pipe_points_at_the_command_before(run_moco):
    result = run_moco("interpolate", input=b"")

    assert result.exit_code == 3
    assert "the pipe is empty" in result.stderr
