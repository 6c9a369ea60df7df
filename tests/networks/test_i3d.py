"""I3D in plain torch computes what the programs that read its state dict compute."""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from reference.i3d import conv3d_same, max_pool3d_same
from torch.testing import assert_close

from mocotool.metrics.resizing import resize_frames
from mocotool.networks.i3d import I3D, MaxPoolSame, Unit3D, pad_same

GOLDEN = Path(__file__).parent.parent / "golden"


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN / "i3d.npz") as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays}


@pytest.fixture(scope="module")
def weights():
    rule = json.loads((GOLDEN / "i3d.json").read_text())
    tensors = {}
    for name, entry in rule["tensors"].items():
        if "value" in entry:
            tensors[name] = torch.tensor(entry["value"])
            continue
        bits = np.random.Philox(key=[rule["seed"], zlib.crc32(name.encode())])
        values = np.random.Generator(bits).standard_normal(entry["shape"]) * entry["scale"]
        values = np.abs(values) if entry["abs"] else values
        tensors[name] = torch.from_numpy((values + entry["add"]).astype(np.float32))
    return tensors


def prepare(clips_u8):
    frames = clips_u8.movedim(-1, 1).float()  # [n, c, t, h, w]
    return resize_frames(frames, 224) / 127.5 - 1.0


def test_the_golden_clips_give_the_golden_logits(golden, weights):
    network = I3D().eval()
    network.load_state_dict(weights, strict=True)

    with torch.inference_mode():
        logits = network(prepare(golden["clips_u8"]))

    # float32 in another order of operations: 1e-5 of the largest logit, seen 6e-7
    assert_close(logits, golden["logits"], rtol=0, atol=1e-5 * golden["logits"].abs().max().item())


def test_fusing_changes_only_rounding(golden, weights):
    network = I3D().eval()
    network.load_state_dict(weights, strict=True)

    with torch.inference_mode():
        logits = network.fuse()(prepare(golden["clips_u8"][:1]))

    expected = golden["logits"][:1]
    assert_close(logits, expected, rtol=0, atol=1e-5 * expected.abs().max().item())


@pytest.mark.parametrize("size", [5, 6, 7, 8])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (7, 2), (2, 2), (1, 2)])
def test_same_padding_gives_ceil_of_size_over_stride(size, kernel, stride):
    x = torch.zeros(1, 1, size, size, size)

    padded = pad_same(x, kernel=(kernel,) * 3, stride=(stride,) * 3)

    assert (padded.shape[2] - kernel) // stride + 1 == -(-size // stride)


@pytest.mark.parametrize("shape", [(4, 5, 6), (5, 4, 7)])
def test_a_unit_agrees_with_loops(shape):
    torch.manual_seed(0)
    unit = Unit3D(2, 3, (3, 3, 3), (2, 1, 2)).eval()
    unit.bn.running_mean.normal_()
    unit.bn.running_var.uniform_(0.5, 2.0)
    x = torch.randn(1, 2, *shape)

    with torch.inference_mode():
        found = unit(x)

    raw = conv3d_same(x[0].numpy(), unit.conv3d.weight.detach().numpy(), stride=(2, 1, 2))
    mean, var = (
        t.numpy()[:, None, None, None] for t in (unit.bn.running_mean, unit.bn.running_var)
    )
    expected = np.maximum((raw - mean) / np.sqrt(var + 1e-5), 0.0)
    assert_close(found[0].double(), torch.from_numpy(expected), rtol=1e-4, atol=1e-5)


def test_pooling_agrees_with_loops():
    x = torch.rand(1, 2, 5, 7, 6)

    found = MaxPoolSame((3, 3, 3), (2, 2, 2))(x)

    expected = max_pool3d_same(x[0].numpy(), kernel=(3, 3, 3), stride=(2, 2, 2))
    assert_close(found[0], torch.from_numpy(expected).float())


def test_nine_frames_are_enough(weights):
    network = I3D().eval()
    network.load_state_dict(weights, strict=True)

    with torch.inference_mode():
        logits = network(torch.zeros(1, 3, 9, 224, 224))

    assert logits.shape == (1, 400)
