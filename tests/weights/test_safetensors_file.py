"""Files of ours are ordinary safetensors, byte for byte the same each time."""

import io

import pytest
import torch
from reference.hostile_files import safetensors
from safetensors.torch import load, save

from mocotool.errors import FileFormatError
from mocotool.weights.safetensors_file import (
    read_header,
    read_record,
    read_safetensors,
    write_safetensors,
)

TENSORS = {
    "b": torch.arange(6, dtype=torch.float32).reshape(2, 3),
    "a": torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
    "c": torch.tensor(7),
    "d": torch.tensor([True, False, True]),
    "e": torch.zeros(0, 3),
    "f": torch.randn(3, 4).half().t(),
}


def written(tensors, record):
    buffer = io.BytesIO()
    write_safetensors(tensors, buffer, record=record)
    return buffer.getvalue()


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert all(found[name].dtype == expected[name].dtype for name in expected)


def test_what_is_written_is_read_by_the_library_and_by_us(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(written(TENSORS, {"schema": "x", "arch": {"sizes": [1, 2]}}))

    tensors, metadata = read_safetensors(path)

    assert_same(load(path.read_bytes()), TENSORS)
    assert_same(tensors, TENSORS)
    assert read_record(metadata) == {"schema": "x", "arch": {"sizes": [1, 2]}}


def test_other_peoples_metadata_is_kept_and_is_no_record(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(save({"w": torch.ones(2, 3)}, metadata={"who": "somebody"}))

    shapes, metadata = read_header(path)

    assert (shapes, metadata) == ({"w": [2, 3]}, {"who": "somebody"})
    assert read_record(metadata) == {}


def test_what_was_read_does_not_change_with_the_file(tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(written(TENSORS, {}))
    tensors, _ = read_safetensors(path)

    with path.open("rb+") as file:
        file.seek(-200, io.SEEK_END)
        file.write(b"\xff" * 200)

    assert_same(tensors, TENSORS)


def test_the_order_of_names_makes_no_difference():
    reverse = dict(reversed(TENSORS.items()))

    assert written(TENSORS, {"x": "1", "y": "2"}) == written(reverse, {"y": "2", "x": "1"})


def test_tensors_that_share_memory_are_written():
    both = torch.arange(4.0)

    assert_same(load(written({"a": both, "b": both[2:]}, {})), {"a": both, "b": both[2:]})


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (written(TENSORS, {}) + b"x", "not a safetensors file, or damaged"),
        (written(TENSORS, {})[:-1], "not a safetensors file, or damaged"),
        (b"\xff\xff\xff\xff\xff\xff\xff\x7f{", "not a safetensors file, or damaged"),
        (
            safetensors({"a": {"dtype": "F32", "shape": [0, 1 << 50], "data_offsets": [0, 0]}}),
            "implausibly large",
        ),
        (
            safetensors({"a": {"dtype": "F8_E4M3", "shape": [1], "data_offsets": [0, 1]}}, b"\x7f"),
            "F8_E4M3",
        ),
    ],
    ids=["too long", "cut off", "a header of exabytes", "an empty tensor of petabytes", "8 bits"],
)
@pytest.mark.parametrize("read", [read_header, read_safetensors])
def test_damaged_and_strange_files_are_refused(read, data, said, tmp_path):
    path = tmp_path / "a.safetensors"
    path.write_bytes(data)

    with pytest.raises(FileFormatError, match=said):
        read(path)


@pytest.mark.parametrize("text", ["[1]", "{", "[" * 100_000, "NaN"])
def test_a_record_that_is_no_object_is_refused(text):
    with pytest.raises(FileFormatError, match="not a JSON object"):
        read_record({"moco": text})
