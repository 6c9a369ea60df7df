import json
import shutil

import numpy as np
import pytest
import torch
from reference.golden_files import find_golden
from reference.nvidia_pickles import stylegan2_pickle

from mocotool.generators.loading import load_generator
from mocotool.motion.checkpoint import load_motion, save_motion
from mocotool.motion.generator import MotionGenerator

ADA_NAMES = {
    "mapping.w_avg",
    "mapping.fc0.weight",
    "synthesis.b4.const",
    "synthesis.b4.conv1.noise_const",
    "synthesis.b8.conv0.resample_filter",
    "synthesis.b8.conv0.affine.weight",
    "synthesis.b8.torgb.bias",
}


@pytest.mark.parametrize("name", ["tf-config-f-64.pkl", "ada-cond-32.pkl", "biggan-64.pth"])
def test_a_converted_generator_is_the_same_bit_for_bit(run_moco, tmp_path, name):
    source, out = find_golden(name), tmp_path / "g.safetensors"

    result = run_moco("convert", source, "-o", out)

    assert result.exit_code == 0
    before, after = load_generator(source), load_generator(out)
    pairs = zip(before.state_dict().values(), after.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert after.origin.notes["source_file"] == name
    assert after.origin.notes["source_sha256"] == before.origin.file.sha256


def test_converting_the_native_file_again_gives_the_same_bytes(run_moco, tmp_path):
    first, second = tmp_path / "a.safetensors", tmp_path / "b.safetensors"

    run_moco("convert", find_golden("tf-config-f-64.pkl"), "-o", first)
    run_moco("convert", first, "-o", second)

    assert first.read_bytes() == second.read_bytes()


def test_a_pipe_gets_the_file(run_moco, toy_generator_path, tmp_path):
    out = tmp_path / "g.safetensors"
    run_moco("convert", toy_generator_path, "-o", out)

    result = run_moco("convert", toy_generator_path)

    assert result.stdout_bytes == out.read_bytes()


def test_ada_names_and_keywords_are_written_and_read_back(run_moco, tmp_path):
    source, out = find_golden("ada-cond-32.pkl"), tmp_path / "g.pt"

    result = run_moco("convert", source, "--to", "ada", "-o", out)

    assert result.exit_code == 0
    content = torch.load(out, weights_only=True)
    assert content["G_ema"].keys() >= ADA_NAMES
    assert content["init_kwargs"]["mapping_kwargs"]["num_layers"] == 2
    assert content["init_kwargs"]["synthesis_kwargs"]["conv_clamp"] == 256
    before, after = load_generator(source), load_generator(out)
    assert after.arch == before.arch
    assert all(
        torch.equal(before.state_dict()[name], value) for name, value in after.state_dict().items()
    )


def test_only_stylegan2_has_ada_names(run_moco, tmp_path):
    out = tmp_path / "g.pt"

    result = run_moco("convert", find_golden("biggan-64.pth"), "--to", "ada", "-o", out)

    assert result.exit_code == 4
    assert "biggan" in result.stderr
    assert not out.exists()


def test_half_precision_makes_a_smaller_file(run_moco, toy_generator_path, tmp_path):
    out = tmp_path / "half.safetensors"

    run_moco("convert", toy_generator_path, "--dtype", "bfloat16", "-o", out)

    assert out.stat().st_size < 0.75 * toy_generator_path.stat().st_size
    assert load_generator(out).resolution == 16


def test_json_is_one_object(run_moco, tmp_path):
    out = tmp_path / "g.safetensors"

    result = run_moco("convert", find_golden("ada-cond-32.pkl"), "-o", out, "--json")

    values = json.loads(result.stdout)
    assert values["wrote"] == str(out)
    assert (values["kind"], values["classes"]) == ("stylegan2", 3)


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["missing.pkl", "-o", "g.safetensors"], 3, "missing.pkl: no such file"),
        (["{toy}", "-o", "{toy}"], 2, "already exists"),
        (["{toy}", "--to", "ada", "--dtype", "float16", "-o", "x.pt"], 2, "always float32"),
        (
            ["{toy}", "--bn-eps", "7", "-o", "x.pt"],
            2,
            "bn_eps 7.0: expected more than 0 and less than 1",
        ),
        (["{toy}", "--to", "tensorflow", "-o", "x.pt"], 2, "tensorflow"),
        (["{toy}", "--json"], 2, "--json"),
    ],
    ids=["missing", "exists", "ada in half", "eps", "unknown form", "json and data"],
)
def test_what_cannot_be_done_is_said(
    run_moco, toy_generator_path, tmp_path, monkeypatch, args, code, said
):
    monkeypatch.chdir(tmp_path)

    result = run_moco("convert", *(arg.replace("{toy}", str(toy_generator_path)) for arg in args))

    assert result.exit_code == code
    assert said in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_rosinality_file_comes_back_bit_for_bit(run_moco, tmp_path, toy_generator_path):
    there, back = tmp_path / "g.pt", tmp_path / "g.safetensors"

    assert run_moco("convert", toy_generator_path, "--to", "rosinality", "-o", there).exit_code == 0
    assert run_moco("convert", there, "-o", back).exit_code == 0

    before, after = load_generator(toy_generator_path), load_generator(back)
    assert before.arch | {"conv_clamp": None} == after.arch
    assert before.state_dict().keys() == after.state_dict().keys()
    for name, value in before.state_dict().items():
        assert torch.equal(value, after.state_dict()[name]), name


def test_what_rosinality_cannot_express_is_refused(run_moco, tmp_path):
    out = tmp_path / "g.pt"

    result = run_moco("convert", find_golden("ada-cond-32.pkl"), "--to", "rosinality", "-o", out)

    assert result.exit_code == 4
    assert "c_dim" in result.stderr
    assert not out.exists()


def test_a_motion_model_goes_back_to_the_authors_bit_for_bit(run_moco, tmp_path):
    source = find_golden("motion-64-modelR_epoch_0.pth")
    pca, own = tmp_path / "pca", tmp_path / "motion.safetensors"
    pca.mkdir()
    for name in ("pca_comp", "pca_stdev"):
        shutil.copy(find_golden(f"motion-64-{name}.npy"), pca / f"{name}.npy")
    save_motion(load_motion(source, pca=pca), own)

    result = run_moco("convert", own, "--to", "official", "-o", tmp_path / "theirs")

    assert result.exit_code == 0, result.stderr
    assert "--w_residual 0.2" in result.stderr
    theirs, ours = torch.load(source), torch.load(tmp_path / "theirs" / "modelR_epoch_0.pth")
    assert list(theirs) == list(ours)
    assert all(torch.equal(theirs[name], ours[name]) for name in theirs)
    k = ours["w"].shape[1]
    for name in ("pca_comp", "pca_stdev"):
        written = np.load(tmp_path / "theirs" / f"{name}.npy")
        assert np.array_equal(written, np.load(pca / f"{name}.npy")[:k])


def test_the_papers_form_has_no_place_in_their_program(run_moco, tmp_path):
    motion = MotionGenerator(
        latent_dim=6,
        noise_dim=4,
        hidden_dim=3,
        components=torch.eye(6)[:3],
        stdev=torch.ones(3),
        form="paper",
    )
    save_motion(motion, tmp_path / "m.safetensors")

    result = run_moco(
        "convert", tmp_path / "m.safetensors", "--to", "official", "-o", tmp_path / "x"
    )

    assert result.exit_code == 4
    assert not (tmp_path / "x").exists()


def test_a_tensor_that_is_left_out_is_named_unless_quiet(run_moco, toy_generator_path, tmp_path):
    made = load_generator(toy_generator_path)
    made.synthesis.b4.register_buffer("extra", torch.zeros(3))
    path = tmp_path / "g.pkl"
    path.write_bytes(stylegan2_pickle(made))

    loud = run_moco("convert", path, "-o", tmp_path / "loud.safetensors")
    quiet = run_moco("convert", path, "--quiet", "-o", tmp_path / "quiet.safetensors")

    said = f"moco: warning: {path}: the tensor synthesis.b4.extra is unknown and left out"
    assert said in loud.stderr
    assert (loud.exit_code, quiet.exit_code, quiet.stderr) == (0, 0, "")
    assert "left_out" in run_moco("info", tmp_path / "loud.safetensors").stdout
