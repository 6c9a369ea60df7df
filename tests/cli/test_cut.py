import io

import numpy as np
import pytest

from mocotool.latents import read_latents


def piped(result):
    assert result.exit_code == 0, result.stderr
    return read_latents(io.BytesIO(result.stdout_bytes), "<pipe>")


def test_a_pipe_goes_through(run_moco, toy_latents_path):
    result = run_moco(
        *("cut", "--videos", "2,0", "--frames", "1:", "--reverse", "--speed", 0.5),
        input=toy_latents_path.read_bytes(),
    )

    before, after = read_latents(toy_latents_path), piped(result)
    assert after.latents.shape == (2, 8, 12)
    np.testing.assert_array_equal(after.latents[:, 0], before.latents[[2, 0], 4])
    np.testing.assert_array_equal(after.latents[:, -1], before.latents[[2, 0], 1])
    assert after.meta.seeds == [before.meta.seeds[2], before.meta.seeds[0]]
    assert after.meta.fps == before.meta.fps


@pytest.mark.parametrize(
    ("args", "exit_code", "said"),
    [
        (["gone.npz"], 3, "gone.npz: no such file"),
        (["{latents}", "--frames", "9:12"], 2, "none of the 5"),
        (["{latents}", "--frames", "1-2"], 2, "expected a range"),
        (["{latents}", "--videos", "7"], 2, "no video 7"),
        (["{latents}", "--speed", "0"], 2, "speed"),
        (["{latents}", "-o", "{latents}"], 2, "already exists"),
    ],
)
def test_what_goes_wrong_is_said_in_a_sentence(run_moco, toy_latents_path, args, exit_code, said):
    result = run_moco("cut", *(arg.format(latents=toy_latents_path) for arg in args))

    assert result.exit_code == exit_code
    assert said in result.stderr
