import io

import numpy as np
import pytest

from mocotool.latents import read_latents
from mocotool.video.opening import open_video


def test_seeds_and_files_make_a_path(run_moco, toy_latents_path, toy_generator_path, tmp_path):
    result = run_moco(
        *("path", "seed:5@0", f"{toy_latents_path}#1:2@4", "seed:6@9", "--num-frames", 10),
        *("--fps", 6, "-o", tmp_path / "path.npz"),
    )

    assert result.exit_code == 0, result.stderr
    found, given = read_latents(tmp_path / "path.npz"), read_latents(toy_latents_path)
    assert (found.num_videos, found.num_frames, found.meta.fps) == (1, 10, 6.0)
    np.testing.assert_array_equal(found.latents[0, 4], given.latents[1, 2])
    assert found.meta.generator.path == str(toy_generator_path)
    assert len(found.meta.history) == 1


def test_a_seed_is_the_picture_that_sample_begins_with(
    run_moco, toy_generator_path, toy_motion_path, tmp_path
):
    path = run_moco("path", "seed:3", "seed:4", "--generator", toy_generator_path)
    walk = run_moco("sample", toy_motion_path, "--seeds", "3", "--num-frames", 2)

    found = read_latents(io.BytesIO(path.stdout_bytes), "<pipe>")
    begun = read_latents(io.BytesIO(walk.stdout_bytes), "<pipe>")
    np.testing.assert_allclose(found.latents[0, 0], begun.latents[0, 0], atol=1e-6)


def test_a_pipe_is_a_keyframe_and_pictures_find_their_generator(
    run_moco, toy_latents_path, tmp_path
):
    result = run_moco(
        *("path", "-", f"{toy_latents_path}#2:0", "--loop", "--num-frames", 6),
        *("-o", tmp_path / "clip.mp4"),
        input=toy_latents_path.read_bytes(),
    )

    assert result.exit_code == 0, result.stderr
    assert open_video(tmp_path / "clip.mp4").num_frames == 6


@pytest.mark.parametrize(
    ("args", "exit_code", "said"),
    [
        (["gone.npz"], 3, "gone.npz: no such file"),
        (["seed:x"], 2, "not a keyframe"),
        (["seed:1@5", "seed:2"], 2, "all or none"),
        (["seed:1@5", "seed:2@50"], 2, "frames 0 to 47"),
        (["{latents}#9"], 2, "no frame 9"),
        (["seed:1", "--ease", "bounce"], 2, "bounce"),
        (["seed:1", "-o", "{latents}"], 2, "already exists"),
    ],
)
def test_what_goes_wrong_is_said_in_a_sentence(run_moco, toy_latents_path, args, exit_code, said):
    result = run_moco("path", *(arg.format(latents=toy_latents_path) for arg in args))

    assert result.exit_code == exit_code
    assert said in result.stderr
