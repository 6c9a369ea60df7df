import io

import numpy as np
import pytest

from mocotool.latents import read_latents


def piped(result):
    assert result.exit_code == 0, result.stderr
    return read_latents(io.BytesIO(result.stdout_bytes), "<pipe>")


def test_a_pipe_and_a_file_are_mixed(run_moco, toy_latents_path, tmp_path):
    turned = tmp_path / "turned.npz"
    run_moco("cut", toy_latents_path, "--reverse", "-o", turned)

    result = run_moco("mix", "-", turned, input=toy_latents_path.read_bytes())

    before, after = read_latents(toy_latents_path), piped(result)
    expected = (before.latents + before.latents[:, ::-1]) / 2
    np.testing.assert_allclose(after.latents, expected, atol=1e-6)
    assert len(after.meta.history) == 1


def test_layers_come_from_the_second(run_moco, toy_latents_path, tmp_path):
    turned = tmp_path / "turned.npz"
    run_moco("cut", toy_latents_path, "--reverse", "-o", turned)

    after = piped(run_moco("mix", toy_latents_path, turned, "--layers", "0-1"))

    before = read_latents(toy_latents_path).latents
    np.testing.assert_array_equal(after.latents[:, :, 1], before[:, ::-1])
    np.testing.assert_array_equal(after.latents[:, :, 2], before)


def test_one_moves_as_the_other(run_moco, toy_latents_path, tmp_path):
    one = tmp_path / "one.npz"
    run_moco("cut", toy_latents_path, "--videos", "2", "-o", one)

    after = piped(run_moco("mix", "--motion-of", one, "--content-of", toy_latents_path))

    before = read_latents(toy_latents_path).latents
    np.testing.assert_array_equal(after.latents[:, 0], before[:, 0])
    for video in after.latents:
        np.testing.assert_allclose(np.diff(video, axis=0), np.diff(before[2], axis=0), atol=1e-5)


@pytest.mark.parametrize(
    ("args", "exit_code", "said"),
    [
        (["gone.npz", "{latents}"], 3, "gone.npz: no such file"),
        (["{latents}"], 2, "expected two files of latents"),
        (["--motion-of", "{latents}"], 2, "expected two files of latents"),
        (["{latents}", "{latents}", "--motion-of", "{latents}"], 2, "expected two files"),
        (["{latents}", "{latents}", "--layers", "4-9"], 2, "layers 4-9: the generator has"),
        (["{latents}", "{latents}", "-o", "{latents}"], 2, "already exists"),
    ],
)
def test_what_goes_wrong_is_said_in_a_sentence(run_moco, toy_latents_path, args, exit_code, said):
    result = run_moco("mix", *(arg.format(latents=toy_latents_path) for arg in args))

    assert result.exit_code == exit_code
    assert said in result.stderr
