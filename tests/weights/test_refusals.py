"""What is not supported is named: what it is, and what to do instead."""

import io
import pickle
import zipfile

import numpy as np
import pytest
import torch
from reference.golden_files import find_golden
from reference.hostile_files import legacy_torch, proto4, safetensors, stack_global, torch_zip
from reference.nvidia_pickles import dump_nvidia, to_persistent
from reference.tensorflow_pickles import tensorflow_pickle

from mocotool.errors import FileFormatError
from mocotool.generators.loading import load_generator


def saved(content, **options):
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def npz():
    buffer = io.BytesIO()
    np.savez(buffer, latents=np.zeros((1, 2, 3), np.float32))
    return buffer.getvalue()


def word_document():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("word/document.xml", "<xml/>")
    return buffer.getvalue()


class Estimator:
    """Stands for an object of somebody's own program."""


def stylegan_xl():
    network = torch.nn.Module()
    network.mapping = torch.nn.Module()
    network.mapping.embed_proj = torch.nn.Linear(2, 2)
    return dump_nvidia({"G_ema": to_persistent(network, {})})


STYLEGAN1 = {"4x4/Const/const": 0, "4x4/Const/StyleMod/weight": 0}
CONFIG_D = {"4x4/Conv/weight": 0, "ToRGB_lod0/weight": 0}
REFUSED = {
    "StyleGAN1": (lambda: tensorflow_pickle(STYLEGAN1), "StyleGAN1"),
    "configurations B to D": (lambda: tensorflow_pickle(CONFIG_D), "configurations B to D"),
    "ProGAN": (lambda: tensorflow_pickle({"4x4/Dense/weight": 0}, mapping=False), "ProGAN"),
    "an old TensorFlow network": (lambda: tensorflow_pickle({}, version=2), "version 2"),
    "another TensorFlow activation": (
        lambda: tensorflow_pickle({}, nonlinearity="relu"),
        "nonlinearity",
    ),
    "another TensorFlow filter": (
        lambda: tensorflow_pickle({}, resample_kernel=[1, 2, 1]),
        "resample_kernel",
    ),
    "an unknown TensorFlow setting": (lambda: tensorflow_pickle({}, magic=3), "magic"),
    "StyleGAN-XL": (
        lambda: proto4(stack_global("dill._dill", "_create_type")),
        "StyleGAN-XL and StyleGAN-T",
    ),
    "StyleGAN-V, by its settings": (
        lambda: proto4(stack_global("omegaconf.dictconfig", "DictConfig")),
        "StyleGAN-V and its family",
    ),
    "StyleGAN-V, by its networks": (
        lambda: proto4(stack_global("src.torch_utils.persistence", "_reconstruct_persistent_obj")),
        "StyleGAN-V and its family",
    ),
    "a StyleGAN-V state dict": (
        lambda: saved({"G_ema": {"synthesis.motion_encoder.rnn.weight_ih_l0": torch.zeros(2)}}),
        "a StyleGAN-V generator",
    ),
    "a LongVideoGAN clip generator": (
        lambda: saved({"temporal_emb.blur_filters": torch.zeros(2, 1, 8)}),
        "a LongVideoGAN generator, which makes whole clips",
    ),
    "a LongVideoGAN second stage": (
        lambda: saved({"SG3.synthesis.input.features": torch.zeros(1, 2, 4, 4)}),
        "a LongVideoGAN network of the second stage",
    ),
    "a StyleGAN-XL state dict": (
        lambda: saved(
            {
                "synthesis.L0_36_4.weight": torch.zeros(2),
                "mapping.embed_proj.weight": torch.zeros(2),
            }
        ),
        "a StyleGAN-XL generator",
    ),
    "a StyleGAN-XL pickle": (stylegan_xl, "a StyleGAN-XL generator"),
    "a whole torch network": (
        lambda: pickle.dumps(torch.nn.Linear(2, 2), protocol=2),
        "torch.nn.modules.linear.Linear",
    ),
    "a whole torch network in a zip": (lambda: saved(torch.nn.ReLU()), "torch.nn"),
    "an object of another program": (lambda: pickle.dumps(Estimator()), "Estimator"),
    "lucidrains": (
        lambda: saved({"GAN": {"S.net.0.weight": torch.zeros(2)}, "version": "1.8"}),
        "lucidrains",
    ),
    "mmgen": (
        lambda: saved({"meta": {}, "state_dict": {"generator.x": torch.zeros(1)}}),
        "mmgen",
    ),
    "SWAGAN": (
        lambda: saved(
            {
                "g_ema": {
                    "input.input": torch.zeros(1, 4, 4, 4),
                    "style.1.weight": torch.zeros(4, 4),
                    "to_rgbs.0.iwt.ll": torch.zeros(2, 2),
                }
            }
        ),
        "SWAGAN",
    ),
    "a pretrained-biggan": (
        lambda: saved({"embeddings.weight": torch.zeros(3, 2)}),
        "BigGAN-deep",
    ),
    "a diffusion model": (
        lambda: safetensors(
            {"down_blocks.0.w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, b"\0" * 4
        ),
        "a diffusion model",
    ),
    "somebody's safetensors": (
        lambda: safetensors(
            {"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, b"\0\0\0\0"
        ),
        "not written by `moco convert`",
    ),
    "an authors' motion model": (
        lambda: find_golden("motion-64-modelR_epoch_0.pth").read_bytes(),
        "MoCoGAN-HD's own files",
    ),
    "a pickle of a number": (lambda: pickle.dumps(5), "a int"),
    "a pickle of an empty table": (lambda: pickle.dumps({}), "nothing in it"),
    "a legacy torch file of a table": (legacy_torch, "nothing in it"),
    "TorchScript": (
        lambda: torch_zip(b"\x80\x02}.", extra={"g/constants.pkl": b"\x80\x02)."}.items()),
        "TorchScript",
    ),
    "an npz": (npz, ".npz"),
    "a Word document": (word_document, "not one of torch.save"),
    "a Git LFS pointer": (
        lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 364\n",
        "Git LFS pointer",
    ),
    "a web page": (lambda: b"\n<!DOCTYPE html><html><body>Quota exceeded", "a web page"),
    "zeros": (lambda: bytes(5000), "zero bytes"),
    "JSON": (lambda: b'{"error": "not found"}', "JSON"),
    "an HDF5 file": (lambda: b"\x89HDF\r\n\x1a\n" + bytes(90), "HDF5"),
    "a gzip": (lambda: b"\x1f\x8b\x08" + bytes(90), "unpack it first"),
    "a picture": (lambda: b"\x89PNG\r\n\x1a\n" + bytes(90), "PNG"),
    "plain text": (lambda: b"these are no weights at all", "not a file of weights"),
    "nothing": (lambda: b"", "empty"),
    "half a pickle": (
        lambda: find_golden("ada-cond-32.pkl").read_bytes()[:100_000],
        "ends in the middle",
    ),
    "half a torch zip": (
        lambda: find_golden("biggan-64.pth").read_bytes()[:100_000],
        "damaged zip",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_by_name(name, tmp_path):
    make, said = REFUSED[name]
    path = tmp_path / "weights.pkl"
    path.write_bytes(make())

    with pytest.raises(FileFormatError) as caught:
        load_generator(path)

    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["model_index.json"], "diffusers"),
        (["config.json", "pytorch_model.bin"], "Hugging Face"),
        ([], "without BigGAN weights"),
        (["G_ema_copy0.pth", "G_ema_copy1.pth"], "several generators"),
    ],
)
def test_a_folder_is_refused_by_name(files, said, tmp_path):
    for name in files:
        (tmp_path / name).write_bytes(b"x")

    with pytest.raises(FileFormatError, match=said):
        load_generator(tmp_path)


@pytest.mark.parametrize("name", ["G_ema.pth", "G_ema_best0.pth", "G_ema_7.pth"])
def test_a_biggan_folder_opens(name, tmp_path):
    data = find_golden("biggan-64.pth").read_bytes()
    (tmp_path / name).write_bytes(data)
    if name == "G_ema.pth":
        (tmp_path / "G_ema_best0.pth").write_bytes(b"x")

    assert load_generator(tmp_path).origin.file.path.endswith(name)


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(FileFormatError, match="no such file"):
        load_generator(tmp_path / "nothing.pkl")
