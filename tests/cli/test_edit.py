import io

import numpy as np
import pytest

from mocotool.basis import read_basis
from mocotool.latents import read_latents


def piped(result):
    assert result.exit_code == 0, result.stderr
    return read_latents(io.BytesIO(result.stdout_bytes), "<pipe>")


def test_a_component_of_a_basis_is_gone_along(run_moco, toy_latents_path, toy_pca_path):
    result = run_moco(
        *("edit", "--pca", toy_pca_path, "--direction", "1:2,0:-1", "--schedule", "linear"),
        input=toy_latents_path.read_bytes(),
    )

    before, after = read_latents(toy_latents_path), piped(result)
    np.testing.assert_array_equal(after.latents[:, 0], before.latents[:, 0])
    basis = read_basis(toy_pca_path)
    moved = 2 * basis.stdev[1] * basis.components[1] - basis.stdev[0] * basis.components[0]
    away = after.latents[:, -1] - before.latents[:, -1]
    np.testing.assert_allclose(away, np.tile(moved, (3, 1)), atol=1e-5)


def test_without_a_basis_that_of_the_generator_is_computed(
    run_moco, toy_latents_path, toy_generator
):
    result = run_moco(*("edit", toy_latents_path, "--truncation-psi", "0.0", "--num-samples", 2000))

    after = piped(result)
    assert "computing a basis of 2000 latents" in result.stderr
    assert np.ptp(after.latents.reshape(-1, 12), axis=0).max() == pytest.approx(0, abs=1e-5)


def test_layers_make_w_plus_and_pictures(run_moco, toy_latents_path, toy_pca_path, tmp_path):
    args = (
        "edit",
        toy_latents_path,
        "--pca",
        toy_pca_path,
        "--direction",
        "0:1",
        "--layers",
        "4-5",
    )

    edited = piped(run_moco(*args))
    shown = run_moco(*args, "-o", tmp_path / "sheet.png")

    before = read_latents(toy_latents_path).latents
    assert edited.meta.space == "w+"
    np.testing.assert_array_equal(edited.latents[:, :, 0], before)
    assert not np.allclose(edited.latents[:, :, 5], before)
    assert shown.exit_code == 0, shown.stderr
    assert (tmp_path / "sheet.png").exists()


@pytest.mark.parametrize(
    ("args", "exit_code", "said"),
    [
        (["gone.npz"], 3, "gone.npz: no such file"),
        (["{latents}", "--direction", "3"], 2, "expected 3:+2.0"),
        (["{latents}", "--direction", "gone.npy"], 3, "gone.npy: no such file"),
        (["{latents}", "--truncation-psi", "a:b"], 2, "expected a number"),
        (["{latents}", "--layers", "5-2"], 2, "expected a range"),
        (["{latents}", "--smooth", "-1"], 2, "--smooth"),
        (["{latents}", "-o", "{latents}"], 2, "already exists"),
    ],
)
def test_what_goes_wrong_is_said_in_a_sentence(run_moco, toy_latents_path, args, exit_code, said):
    result = run_moco("edit", *(arg.format(latents=toy_latents_path) for arg in args))

    assert result.exit_code == exit_code
    assert said in result.stderr
