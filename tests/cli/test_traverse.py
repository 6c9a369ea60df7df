import io

import pytest

from mocotool.latents import read_latents
from mocotool.video.opening import open_video
from mocotool.video.pictures import read_image


def test_the_strip_has_a_row_for_each_component(
    run_moco, toy_generator_path, toy_pca_path, tmp_path
):
    result = run_moco(
        *("traverse", toy_generator_path, "--pca", toy_pca_path, "--num-components", 4),
        *("-o", tmp_path / "strip.png"),
    )

    assert result.exit_code == 0, result.stderr
    assert read_image(tmp_path / "strip.png").shape == (4 * 16, 5 * 16, 3)


def test_a_pipe_gets_latents(run_moco, toy_generator_path, toy_pca_path):
    result = run_moco("traverse", toy_generator_path, "--pca", toy_pca_path, "--num-components", 4)

    trajectory = read_latents(io.BytesIO(result.stdout_bytes), "<pipe>")
    assert trajectory.latents.shape == (4, 5, 12)


def test_smooth_walks_become_a_video(run_moco, toy_generator_path, toy_pca_path, tmp_path):
    run_moco(
        *("traverse", toy_generator_path, "--pca", toy_pca_path, "--num-components", 4),
        *("--num-frames", 9, "--reach", 3, "--grid", "-o", tmp_path / "walks.mp4"),
    )

    assert open_video(tmp_path / "walks.mp4").num_frames == 9


def test_without_a_basis_one_is_computed(run_moco, toy_generator_path, tmp_path):
    result = run_moco(
        *("traverse", toy_generator_path, "--num-components", 2, "--num-samples", 100),
        *("-o", tmp_path / "strip.png"),
    )

    assert result.exit_code == 0, result.stderr
    assert "computing a basis of 100 latents" in result.stderr


@pytest.mark.parametrize(
    ("args", "exit_code", "said"),
    [
        (["gone.pkl"], 3, "gone.pkl: no such file"),
        (["{generator}", "--pca", "gone.npz"], 3, "gone.npz: no such file"),
        (["{generator}", "--pca", "{latents}"], 3, "no field 'components'"),
        (["{generator}", "--pca", "{pca}"], 2, "20 components, the basis has 12"),
        (["{generator}", "--reach", "0"], 2, "reach 0.0"),
        (["{generator}", "--label", "0", "--num-samples", "100"], 2, "the basis has 12"),
    ],
)
def test_what_goes_wrong_is_said_in_a_sentence(
    run_moco, toy_folder, toy_latents_path, args, exit_code, said
):
    names = {
        "generator": toy_folder / "generator.safetensors",
        "pca": toy_folder / "pca.npz",
        "latents": toy_latents_path,
    }

    result = run_moco("traverse", *(arg.format(**names) for arg in args))

    assert result.exit_code == exit_code, result.stderr
    assert said in result.stderr
    assert result.stdout_bytes == b""
