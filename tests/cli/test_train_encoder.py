import json

import numpy as np
import pytest
import torch

from mocotool.inversion.encoder_files import load_encoder
from mocotool.latents import read_latents
from mocotool.layouts import from_frames_u8
from mocotool.video.writing import write_video

QUICK = ("--num-steps", 2, "--batch-size", 4, "--width", 4)


def test_an_encoder_is_trained_and_measured(run_moco, toy_generator_path, tmp_path):
    out = tmp_path / "encoder.safetensors"

    result = run_moco("train-encoder", toy_generator_path, "-o", out, *QUICK, "--json")

    assert result.exit_code == 0, result.stderr
    values = json.loads(result.stdout)
    assert values["wrote"] == str(out)
    assert 0 < values["latent_error"] < 10


def test_an_existing_file_stays(run_moco, toy_generator_path, tmp_path):
    out = tmp_path / "encoder.safetensors"
    out.write_text("mine")

    result = run_moco("train-encoder", toy_generator_path, "-o", out, *QUICK)

    assert result.exit_code == 2
    assert out.read_text() == "mine"


def test_clips_that_were_inverted_teach_an_encoder(run_moco, toy_generator_path, tmp_path):
    shades = np.linspace(20, 230, 16).astype(np.uint8)
    frames = np.broadcast_to(shades[:, None, None, None], (16, 16, 16, 3)).copy()
    write_video(tmp_path / "clip.mkv", iter([frames]), fps=24.0)
    found, out = tmp_path / "found.npz", tmp_path / "encoder.safetensors"
    generator = ("--generator", toy_generator_path)
    options = ("--together", "--num-frames", 8, *generator, "-o", found)
    assert run_moco("invert", tmp_path / "clip.mkv", *options).exit_code == 0
    train = ("train-encoder", toy_generator_path, "--latents", found, "--num-pictures", 30)

    result = run_moco(*train, "-o", out)

    assert result.exit_code == 0, result.stderr
    plain = tmp_path / "plain.safetensors"
    own = ("--kind", "kernel", "--num-pictures", 30, "-o", plain)
    assert run_moco("train-encoder", toy_generator_path, *own).exit_code == 0
    wanted = torch.from_numpy(read_latents(found).latents[0])
    errors = [
        (load_encoder(path)(from_frames_u8(frames[::2])) - wanted).square().mean()
        for path in (out, plain)
    ]
    assert errors[0] < 0.5 * errors[1]

    (tmp_path / "clip.mkv").unlink()
    gone = run_moco(*train, "-o", out, "--force")
    assert gone.exit_code == 3
    assert "clip.mkv: no such file" in gone.stderr


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (("--kind", "kernel", "--num-steps", 5), "--num-steps is for --kind network"),
        (("--num-pictures", 5), "--num-pictures is for --kind kernel"),
    ],
)
def test_options_of_the_other_kind_are_refused_by_name(
    run_moco, toy_generator_path, tmp_path, options, name
):
    out = tmp_path / "encoder.safetensors"

    result = run_moco("train-encoder", toy_generator_path, *options, "-o", out)

    assert result.exit_code == 2
    assert name in result.stderr
    assert not out.exists()
