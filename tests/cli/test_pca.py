import io
import json

import pytest

from mocotool.basis import read_basis
from mocotool.video.pictures import read_image


def test_the_basis_is_written_and_described(run_moco, toy_generator_path, tmp_path):
    result = run_moco("pca", toy_generator_path, "-o", tmp_path / "p.npz", "--num-samples", 500)

    assert result.exit_code == 0
    assert "num_components             12" in result.stdout
    basis = read_basis(tmp_path / "p.npz")
    assert basis.num_samples == 500
    assert len(basis.meta.history) == 1


def test_fewer_components_than_the_default_are_mentioned(run_moco, toy_generator_path, tmp_path):
    result = run_moco("pca", toy_generator_path, "-o", tmp_path / "p.npz", "--num-samples", 500)

    assert "12 components, which is all there are" in result.stderr


def test_the_same_command_writes_the_same_bytes(run_moco, toy_generator_path, tmp_path):
    out = tmp_path / "p.npz"
    command = ("pca", toy_generator_path, "-o", out, "--num-samples", 500, "-q")

    run_moco(*command)
    first = out.read_bytes()
    result = run_moco(*command, "--force")

    assert result.exit_code == 0
    assert result.stdout + result.stderr == ""
    assert out.read_bytes() == first


def test_a_pipe_gets_the_basis(run_moco, toy_generator_path):
    result = run_moco("pca", toy_generator_path, "--num-samples", 500)

    assert read_basis(io.BytesIO(result.stdout_bytes), "<pipe>").num_components == 12


def test_json_is_one_object(run_moco, toy_generator_path, tmp_path):
    result = run_moco(
        "pca", toy_generator_path, "-o", tmp_path / "p.npz", "--num-samples", 500, "--json"
    )

    values = json.loads(result.stdout)
    assert values["num_components"] == 12
    assert values["explained_variance"] == pytest.approx(1.0)


def test_the_variance_curve_is_drawn(run_moco, toy_generator_path, tmp_path):
    run_moco(
        *("pca", toy_generator_path, "-o", tmp_path / "p.npz", "--num-samples", 500),
        *("--plot", tmp_path / "v.png"),
    )

    assert read_image(tmp_path / "v.png").shape == (600, 960, 3)


@pytest.mark.parametrize(
    ("args", "exit_code", "said"),
    [
        (["gone.pkl", "-o", "p.npz"], 3, "gone.pkl: no such file"),
        (["{folder}", "-o", "p.npz"], 3, "is a folder"),
        (["{generator}", "-o", "/nowhere/p.npz"], 2, "there is no folder /nowhere"),
        (["{generator}", "-o", "{pca}"], 2, "pca.npz: already exists"),
        (["{generator}", "-o", "p.npz", "--plot", "{pca}"], 2, "pca.npz: already exists"),
        (["{generator}", "-o", "p.npz", "--num-components", "13"], 2, "12 dimensions"),
        (["{generator}", "-o", "p.npz", "--device", "tpu"], 2, "--device tpu"),
        (["{generator}", "--json"], 2, "--json and the data both need stdout"),
        (["{pca}", "-o", "p.npz"], 3, "pca.npz"),
        (["{motion}", "-o", "p.npz"], 3, "motion.safetensors"),
    ],
)
def test_what_goes_wrong_is_said_in_a_sentence(
    run_moco, toy_folder, tmp_path, monkeypatch, args, exit_code, said
):
    monkeypatch.chdir(tmp_path)
    names = {
        "folder": tmp_path,
        "generator": toy_folder / "generator.safetensors",
        "pca": toy_folder / "pca.npz",
        "motion": toy_folder / "motion.safetensors",
    }

    result = run_moco("pca", *(arg.format(**names) for arg in args))

    assert result.exit_code == exit_code
    assert said in result.stderr
    assert result.stderr.startswith("moco: error: ")
    assert list(tmp_path.iterdir()) == []
