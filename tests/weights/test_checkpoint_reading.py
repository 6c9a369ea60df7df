"""Training states come back as torch.load gives them, and damage is noticed."""

import struct

import pytest
import torch
from reference.hostile_files import torch_zip

from mocotool.errors import FileFormatError
from mocotool.weights.reading import read_checkpoint

CYCLE = b"\x80\x02]q\x00h\x00a."  # a list that holds itself
LAUGHS = b"\x80\x02K\x01\x85q\x00" + b"h\x00h\x00\x86q\x00" * 60 + b"."  # 2 ** 60 numbers


def make_state():
    network = torch.nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.randn(2, 3, 8, 8)).sum().backward()
    optimizer.step()
    return {
        "step": 7,
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "rng": torch.get_rng_state(),
        "double": torch.randn(3, 2, dtype=torch.float64).t(),
        "half": torch.randn(5, dtype=torch.bfloat16),
        "part": torch.arange(12).reshape(3, 4)[:, 1:3],
        "texts": ["a", ("b", None, 1.5, True)],
    }


def flatten(value, name=""):
    if isinstance(value, dict):
        for key, item in value.items():
            yield from flatten(item, f"{name}/{key!r}")
    elif isinstance(value, list | tuple):
        for idx, item in enumerate(value):
            yield from flatten(item, f"{name}/{idx}")
    else:
        yield name, value


@pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "legacy"])
def test_a_state_comes_back_as_torch_gives_it(tmp_path, is_zip):
    path = tmp_path / "state.pt"
    torch.save(make_state(), path, _use_new_zipfile_serialization=is_zip)
    expected = dict(flatten(torch.load(path, weights_only=True)))

    found = dict(flatten(read_checkpoint(path)))

    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(found[name], value), name
            assert found[name].dtype == value.dtype, name
        else:
            assert found[name] == value, name
    weight, theirs = found["/'network'/'weight'"], expected["/'network'/'weight'"]
    assert weight.stride() == theirs.stride() != weight.contiguous().stride()


def test_every_flipped_bit_of_a_tensor_is_noticed(tmp_path):
    path = tmp_path / "state.pt"
    marked = torch.full((40,), 7.25)
    torch.save({"a": marked}, path)
    data = bytearray(path.read_bytes())
    start = data.index(struct.pack("<f", 7.25) * 40)
    data[start + 50] ^= 4
    path.write_bytes(data)

    with pytest.raises(FileFormatError, match="checksum"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    ("pickled", "said"),
    [(CYCLE, "holds itself"), (b"\x80\x02cos\nsystem\n.", "os.system")],
    ids=["a cycle", "a program"],
)
def test_what_no_state_holds_is_refused(tmp_path, pickled, said):
    path = tmp_path / "state.pt"
    path.write_bytes(torch_zip(pickled))

    with pytest.raises(FileFormatError, match=said):
        read_checkpoint(path)


def test_what_is_named_many_times_is_made_once(tmp_path):
    path = tmp_path / "state.pt"
    path.write_bytes(torch_zip(LAUGHS))

    value = read_checkpoint(path)

    for _ in range(60):
        assert value[0] is value[1]
        value = value[0]
    assert value == (1,)


def test_one_storage_seen_a_thousand_times_is_no_bomb(tmp_path):
    path = tmp_path / "state.pt"
    numbers = torch.zeros(10_000)
    torch.save([numbers[idx:] for idx in range(1000)], path)

    with pytest.raises(FileFormatError, match="far more memory"):
        read_checkpoint(path)
