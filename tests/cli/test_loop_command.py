import io

import numpy as np
import pytest

from mocotool.latents import read_latents
from mocotool.video.opening import open_video


@pytest.mark.parametrize(
    ("args", "num_frames"),
    [([], 5), (["--mode", "back"], 8), (["--mode", "blend", "--blend", 2], 3)],
)
def test_a_pipe_goes_through(run_moco, toy_latents_path, args, num_frames):
    result = run_moco("loop", *args, input=toy_latents_path.read_bytes())

    before = read_latents(toy_latents_path)
    after = read_latents(io.BytesIO(result.stdout_bytes), "<pipe>")
    assert (after.num_videos, after.num_frames) == (before.num_videos, num_frames)
    assert after.meta.fps == before.meta.fps
    assert len(after.meta.history) == 1


def test_pictures_find_their_generator(run_moco, toy_latents_path, tmp_path):
    result = run_moco("loop", toy_latents_path, "-o", tmp_path / "loop.gif", "--grid")

    assert result.exit_code == 0, result.stderr
    assert open_video(tmp_path / "loop.gif").num_frames == 5


def test_sampled_motion_closes(run_moco, toy_motion_path):
    closed = run_moco("sample", toy_motion_path, "--num-frames", 12, "--loop")
    walk = run_moco("sample", toy_motion_path, "--num-frames", 13)

    loop = read_latents(io.BytesIO(closed.stdout_bytes), "<pipe>").latents.astype(np.float64)
    given = read_latents(io.BytesIO(walk.stdout_bytes), "<pipe>").latents.astype(np.float64)
    drift = (given[:, -1] - given[:, 0]) / 12
    seam = given[:, 12] - given[:, 11] - drift
    assert loop.shape[1] == 12
    np.testing.assert_allclose(loop[:, 0] - loop[:, -1], seam, atol=1e-5)


def test_a_pull_keeps_long_walks_near(run_moco, toy_motion_path):
    def far(*args):
        result = run_moco("sample", toy_motion_path, "--num-frames", 200, *args)
        latents = read_latents(io.BytesIO(result.stdout_bytes), "<pipe>").latents
        return np.linalg.norm(latents[:, 100:] - latents[:, :1], axis=-1).mean()

    assert far("--pull", 0.1) < 0.5 * far()


@pytest.mark.parametrize(
    ("args", "exit_code", "said"),
    [
        (["gone.npz"], 3, "gone.npz: no such file"),
        (["{latents}", "--mode", "blend"], 2, "not twice as many"),
        (["{latents}", "--mode", "fade"], 2, "fade"),
        (["{latents}", "-o", "{latents}"], 2, "already exists"),
    ],
)
def test_what_goes_wrong_is_said_in_a_sentence(run_moco, toy_latents_path, args, exit_code, said):
    result = run_moco("loop", *(arg.format(latents=toy_latents_path) for arg in args))

    assert result.exit_code == exit_code
    assert said in result.stderr
