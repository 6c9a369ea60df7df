"""No command ends well with NaN in what it wrote."""

import dataclasses

import numpy as np
import pytest
import torch

from mocotool.basis import read_basis, write_basis
from mocotool.errors import DivergedError, FileFormatError
from mocotool.generators.loading import load_generator, save_generator
from mocotool.inversion.encoder_files import load_encoder, save_encoder
from mocotool.inversion.network_encoder import NetworkEncoder
from mocotool.metrics.detectors import load_weights
from mocotool.motion.checkpoint import load_motion, save_motion

NUMBERS = [float("nan"), float("inf"), -float("inf")]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_generator_with_other_than_numbers_is_refused(number, toy_generator_path, tmp_path):
    generator = load_generator(toy_generator_path)
    with torch.no_grad():
        next(generator.parameters()).view(-1)[-1] = number
    save_generator(generator, tmp_path / "g.safetensors")

    with pytest.raises(FileFormatError, match=r"g\.safetensors: the tensor .* holds NaN or inf"):
        load_generator(tmp_path / "g.safetensors")


@pytest.mark.parametrize("number", NUMBERS)
def test_a_motion_model_with_other_than_numbers_is_refused(
    number, toy_motion_path, tmp_path, run_moco
):
    motion = load_motion(toy_motion_path)
    with torch.no_grad():
        motion.coefficient_bias[0] = number
    save_motion(motion, tmp_path / "m.safetensors")

    result = run_moco("sample", tmp_path / "m.safetensors", "-o", tmp_path / "out.npz")

    assert result.exit_code == 3
    assert "m.safetensors: the tensor coefficient_bias holds NaN" in result.stderr
    assert not (tmp_path / "out.npz").exists()


@pytest.mark.parametrize("number", NUMBERS)
def test_a_detector_with_other_than_numbers_is_refused(number, tmp_path):
    torch.save({"weight": torch.tensor([[1.0, number]])}, tmp_path / "d.pt")

    with pytest.raises(FileFormatError, match=r"d\.pt: the tensor weight holds NaN or infinity"):
        load_weights(lambda: torch.nn.Linear(2, 1, bias=False), tmp_path / "d.pt")


@pytest.mark.parametrize("number", NUMBERS)
def test_an_encoder_with_other_than_numbers_is_refused(number, tmp_path):
    encoder = NetworkEncoder(latent_dim=8, img_channels=3, resolution=16, width=4)
    encoder.stdev[3] = number
    save_encoder(encoder, tmp_path / "e.safetensors")

    with pytest.raises(FileFormatError, match=r"e\.safetensors: the tensor stdev holds NaN"):
        load_encoder(tmp_path / "e.safetensors")


@pytest.mark.parametrize("name", ["out.npz", "out.png"])
def test_steps_that_leave_the_numbers_behind_end_in_a_sentence(
    name, toy_motion_path, tmp_path, run_moco
):
    result = run_moco("sample", toy_motion_path, "--step-size", "3.4e38", "-o", tmp_path / name)

    assert result.exit_code == 6
    assert "NaN or infinite" in result.stderr
    assert not (tmp_path / name).exists()


def test_a_trajectory_holds_numbers(toy_trajectory):
    latents = toy_trajectory.latents.copy()
    latents[1, 2, 3] = np.nan

    with pytest.raises(DivergedError):
        dataclasses.replace(toy_trajectory, latents=latents)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e400"])
@pytest.mark.parametrize(
    "words",
    [
        ("sample", "--step-size"),
        ("sample", "--truncation-psi"),
        ("traverse", "--reach"),
        ("train-motion", "--learning-rate"),
    ],
    ids=" ".join,
)
def test_options_take_numbers(words, value, run_moco):
    result = run_moco(*words, value)

    assert result.exit_code == 2
    assert f"{words[-1]} {float(value)}: expected a finite number" in result.stderr


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_frame_rates_are_in_their_range(value, run_moco):
    result = run_moco("sample", "--fps", value)

    assert result.exit_code == 2
    assert "--fps" in result.stderr
    assert "100000" in result.stderr


def test_components_without_variance_are_warned_of(toy_pca_path, tmp_path):
    basis = read_basis(toy_pca_path)
    stdev = basis.stdev.copy()
    stdev[-3:] = 0
    still = dataclasses.replace(basis, stdev=stdev)
    with (tmp_path / "still.npz").open("wb") as file:
        write_basis(still, file)

    assert basis.note is None
    assert "3 of 12 components have no variance" in read_basis(tmp_path / "still.npz").note


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("sample", "--num-videos", 10**9), "1000000000 videos"),
        (("sample", "--num-frames", 10**20), "GiB"),
        (("sample", "--num-videos", 10**6, "--num-frames", 10**7), "GiB"),
    ],
)
def test_what_no_memory_holds_is_refused_from_arithmetic(
    words, said, toy_motion_path, run_moco, tmp_path
):
    result = run_moco(*words, toy_motion_path, "-o", tmp_path / "out.npz")

    assert result.exit_code in (2, 5)
    assert said in result.stderr


def test_an_endless_interpolation_is_refused_from_arithmetic(toy_latents_path, run_moco, tmp_path):
    result = run_moco("interpolate", toy_latents_path, "--factor", 10**20, "-o", tmp_path / "x.npz")

    assert result.exit_code == 5
    assert "GiB" in result.stderr


@pytest.mark.parametrize("size", [20_000, 100_000, -1, True, 1.5, None])
def test_a_motion_model_of_another_size_than_its_tensors_is_refused(
    size, toy_motion_path, tmp_path, monkeypatch
):
    motion = load_motion(toy_motion_path)
    arch = motion.arch | {"hidden_dim": size}
    monkeypatch.setattr(type(motion), "arch", property(lambda _: arch))
    save_motion(motion, tmp_path / "m.safetensors")

    with pytest.raises(FileFormatError, match=r"m\.safetensors: .*hidden_dim"):
        load_motion(tmp_path / "m.safetensors")


@pytest.mark.parametrize("name", ["out.mp4", "out.png"])
def test_weights_that_overflow_give_no_pictures(
    name, toy_generator_path, toy_latents_path, run_moco, tmp_path
):
    generator = load_generator(toy_generator_path)
    for weight in generator.parameters():
        if weight.ndim == 4:
            weight.data.fill_(3e38)
    save_generator(generator, tmp_path / "g.safetensors")
    words = ("render", toy_latents_path, "--generator", tmp_path / "g.safetensors")

    result = run_moco(*words, "-o", tmp_path / name)

    assert result.exit_code == 6
    assert "the pictures of video 0 became NaN or infinite" in result.stderr
    assert not list(tmp_path.glob("out*"))


def test_an_overflow_is_one_sentence(toy_latents_path, run_moco, tmp_path):
    words = ("mix", toy_latents_path, toy_latents_path, "--weight", "1e39")

    result = run_moco(*words, "-o", tmp_path / "out.npz")

    assert result.exit_code == 6
    assert result.stderr.startswith("moco: error: the latents became NaN or infinite\nmoco: hint:")
