import io

import numpy as np
import pytest

from mocotool.latents import read_latents


def piped(result):
    assert result.exit_code == 0, result.stderr
    return read_latents(io.BytesIO(result.stdout_bytes), "<pipe>")


def test_a_pipe_and_files_are_joined(run_moco, toy_latents_path):
    result = run_moco(
        *("cat", "-", toy_latents_path, toy_latents_path, "--blend", 1),
        input=toy_latents_path.read_bytes(),
    )

    before, after = read_latents(toy_latents_path), piped(result)
    assert after.latents.shape == (3, 13, 12)
    np.testing.assert_array_equal(after.latents[:, :4], before.latents[:, :4])
    np.testing.assert_array_equal(after.latents[:, -4:], before.latents[:, -4:])
    assert after.meta.generator == before.meta.generator


@pytest.mark.parametrize(
    ("args", "exit_code", "said"),
    [
        (["gone.npz"], 3, "gone.npz: no such file"),
        (["{latents}", "{latents}", "--blend", "6"], 2, "its blends need 6"),
        (["{latents}", "-o", "{latents}"], 2, "already exists"),
    ],
)
def test_what_goes_wrong_is_said_in_a_sentence(run_moco, toy_latents_path, args, exit_code, said):
    result = run_moco("cat", *(arg.format(latents=toy_latents_path) for arg in args))

    assert result.exit_code == exit_code
    assert said in result.stderr
