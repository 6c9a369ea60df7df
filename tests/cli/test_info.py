import json
import os
import shutil
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from reference.archive_files import make_tar, make_zip
from reference.golden_files import find_golden
from reference.picture_files import PICTURE_CODECS, encode_picture
from reference.ugly_clips import write_clip

from mocotool.cli.streams import saved_stream
from mocotool.errors import FileFormatError
from mocotool.files import sha256_file
from mocotool.info import check_beginning


def info(run_moco, path):
    result = run_moco("info", path, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_a_generator(run_moco):
    path = find_golden("ada-cond-32.pkl")

    values = info(run_moco, path)

    assert (values["what"], values["kind"], values["resolution"]) == ("generator", "stylegan2", 32)
    assert (values["z_dim"], values["latent_dim"], values["num_ws"]) == (24, 32, 8)
    assert (values["classes"], values["parameters"]) == (3, 43691)
    assert values["truncation_centre"].startswith("norm ")
    assert values["sha256"] == sha256_file(path)
    assert values["origin"]["training_set"] == "x.zip"


def test_a_converted_generator_names_its_source(run_moco, tmp_path):
    source = find_golden("biggan-64.pth")
    run_moco("convert", source, "-o", tmp_path / "g.safetensors")

    values = info(run_moco, tmp_path / "g.safetensors")

    assert values["kind"] == "biggan"
    assert values["origin"]["source_sha256"] == sha256_file(source)


def test_a_table_for_people(run_moco, toy_generator_path):
    result = run_moco("info", toy_generator_path)

    assert "resolution                  16\n" in result.stdout


def test_latents(run_moco, toy_latents_path, toy_generator_path):
    values = info(run_moco, toy_latents_path)

    assert values["what"] == "latents"
    assert (values["num_videos"], values["num_frames"], values["latent_dim"]) == (3, 5, 12)
    assert values["space"] == "w"
    assert values["generator"]["sha256"] == sha256_file(toy_generator_path)


def test_projected_latents(run_moco, tmp_path):
    np.savez(tmp_path / "projected_w.npz", w=np.zeros((1, 8, 32), np.float32))

    assert "projected_w" in info(run_moco, tmp_path / "projected_w.npz")["what"]


def test_a_basis(run_moco, toy_pca_path):
    values = info(run_moco, toy_pca_path)

    assert (values["what"], values["num_components"]) == ("PCA basis", 12)


def test_the_authors_basis(run_moco, tmp_path):
    for name in ("pca_comp", "pca_stdev"):
        shutil.copy(find_golden(f"motion-64-{name}.npy"), tmp_path / f"{name}.npy")

    assert "the authors' folder" in info(run_moco, tmp_path)["what"]


def test_a_motion_model(run_moco, toy_motion_path, toy_generator_path):
    values = info(run_moco, toy_motion_path)

    assert values["what"] == "motion model"
    assert values["generator"]["sha256"] == sha256_file(toy_generator_path)
    assert values["sha256"] == sha256_file(toy_motion_path)


def test_the_authors_motion_model(run_moco):
    values = info(run_moco, find_golden("motion-64-modelR_epoch_0.pth"))

    assert "modelR" in values["what"]
    assert (values["latent_dim"], values["hidden_dim"], values["num_components"]) == (64, 48, 40)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="opens a pipe by its number")
@pytest.mark.parametrize("folder", ["/dev/fd", "/proc/self/fd"])
def test_what_the_shell_has_opened_is_read_once(run_moco, folder, toy_latents_path):
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(toy_latents_path.read_bytes())  # less than a pipe holds

    values = info(run_moco, f"{folder}/{reading}")

    os.close(reading)
    assert values["file"] == f"{folder}/{reading}"
    assert values["sha256"] == sha256_file(toy_latents_path)


def test_a_named_pipe_is_refused_with_what_works(run_moco, tmp_path):
    os.mkfifo(tmp_path / "pipe")

    result = run_moco("info", tmp_path / "pipe")

    assert result.exit_code == 3
    assert "expected a file, or - for stdin" in result.stderr
    assert f"moco info - < {tmp_path / 'pipe'}" in result.stderr.replace("\n", " ")


def test_a_run_folder(run_moco, tmp_path, toy_motion_path):
    (tmp_path / "config.json").write_text(json.dumps({"batch_size": 4}))
    (tmp_path / "metrics.jsonl").write_text(
        '{"step": 1}\n{"step": 2, "loss": 0.5}\n{"step": 3, "lo'
    )
    shutil.copy(toy_motion_path, tmp_path / "motion.safetensors")

    values = info(run_moco, tmp_path)

    assert values["what"] == "training run"
    assert values["config"] == {"batch_size": 4}
    assert values["newest_metrics"] == {"step": 2, "loss": 0.5}
    assert values["motion.safetensors"]["sha256"] == sha256_file(toy_motion_path)


def test_statistics_show_their_metadata(run_moco, tmp_path):
    meta = np.array(json.dumps({"schema": "moco.statistics/1", "detector": "i3d"}))
    np.savez(tmp_path / "s.npz", mu=np.zeros(4), sigma=np.eye(4), meta=meta)

    values = info(run_moco, tmp_path / "s.npz")

    assert (values["what"], values["detector"]) == ("moco.statistics/1", "i3d")
    assert values["arrays"]["sigma"] == "float64 [4, 4]"


def test_a_video(run_moco):
    values = info(run_moco, find_golden("people-1.mp4"))

    assert (values["what"], values["width"], values["height"]) == ("video", 128, 128)
    assert values["num_frames"] > 1


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_a_data_set_in_an_archive(run_moco, tmp_path, make):
    files = {f"{clip}/{frame}.png": b"" for clip in "ab" for frame in range(3)}
    files |= {"c.mp4": b"", "portrait.jpg": b"", "dataset.json": b"{}"}
    path = make(tmp_path / "set", files)

    values = info(run_moco, path)

    assert values["what"] == "data set in a zip or tar"
    assert (values["videos"], values["pictures"], values["frames_as_files"]) == (3, 1, 6)
    assert values["has_labels"]


@pytest.mark.parametrize("ending", PICTURE_CODECS)
def test_a_picture(ending, run_moco, tmp_path):
    (tmp_path / "a").write_bytes(encode_picture(np.zeros((12, 16, 3), np.uint8), ending))

    values = info(run_moco, tmp_path / "a")

    assert (values["what"], values["width"], values["height"]) == ("picture", 16, 12)


def test_an_unknown_state_dict(run_moco, tmp_path):
    torch.save({"a": torch.zeros(2, 3), "b": torch.zeros(4)}, tmp_path / "x.pt")

    values = info(run_moco, tmp_path / "x.pt")

    assert (values["what"], values["tensors"], values["numbers"]) == ("state dict", 2, 10)


@pytest.mark.parametrize(
    ("ending", "codec"), [("ts", "mpeg2video"), ("mpg", "mpeg2video"), ("flv", "flv1")]
)
def test_a_video_whose_beginning_says_nothing(ending, codec, run_moco, tmp_path):
    write_clip(tmp_path / f"a.{ending}", codec=codec)

    result = run_moco("info", tmp_path / f"a.{ending}", "--json")

    assert json.loads(result.stdout)["what"] == "video"


def test_a_damaged_video_is_not_taken_for_weights(run_moco, tmp_path):
    (tmp_path / "a.mp4").write_bytes(bytes(range(256)))

    result = run_moco("info", tmp_path / "a.mp4")

    assert result.exit_code == 3
    assert "a.mp4: cannot be read as a video" in result.stderr


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("missing.pkl", None, "no such file"),
        ("empty.npz", b"", "the file is empty"),
        ("page.pkl", b"<html>", "a web page"),
        ("a.npy", b"\x93NUMPY\x01\x00v\x00", "a readable .npy array"),
        ("cut.npz", b"PK\x03\x04" + bytes(40), "zip"),
    ],
)
def test_what_is_no_artefact_is_said_to_be_none(run_moco, tmp_path, name, content, said):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)

    result = run_moco("info", path)

    assert result.exit_code == 3
    assert f"moco: error: {path}: " in result.stderr
    assert said in result.stderr


def test_stdin_is_described_as_a_file_would_be(run_moco, toy_pca_path):
    told = json.loads(run_moco("info", toy_pca_path, "--json").stdout)

    piped = run_moco("info", "-", "--json", input=toy_pca_path.read_bytes())

    assert json.loads(piped.stdout) == told | {"file": "<stdin>"}


def test_what_nothing_begins_with_is_not_read_to_its_end(monkeypatch):
    class Endless:
        num_read = 0

        def read(self, size):
            self.num_read += 1
            assert self.num_read == 1, "reads on"
            return bytes(size)

    monkeypatch.setattr("sys.stdin", types.SimpleNamespace(buffer=Endless(), isatty=lambda: False))

    with (
        pytest.raises(FileFormatError, match="<stdin>: nothing but zero bytes"),
        saved_stream("-", check=check_beginning),
    ):
        pytest.fail("it was read")


@pytest.mark.parametrize("data", [b"", b"no", b"PK\x03\x04torn", b"\x89PNG\r\n\x1a\n"])
def test_what_is_nothing_on_stdin_is_a_sentence(data, run_moco):
    result = run_moco("info", "-", input=data)

    assert result.exit_code == 3
    assert result.stderr.startswith("moco: error: <stdin>: ")
    assert "/tmp" not in result.stderr
