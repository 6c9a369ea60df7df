"""Native files are ordinary safetensors, byte for byte the same each time."""

import io

import pytest
import torch
from safetensors.torch import load, save

from mocotool.errors import FileFormatError
from mocotool.weights.safetensors_file import read_safetensors, write_safetensors

TENSORS = {
    "b": torch.arange(6, dtype=torch.float32).reshape(2, 3),
    "a": torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
    "c": torch.tensor(7),
    "d": torch.tensor([True, False, True]),
    "e": torch.zeros(0, 3),
    "f": torch.randn(3, 4).half().t(),
}


def written(tensors, metadata):
    buffer = io.BytesIO()
    write_safetensors(tensors, buffer, metadata=metadata)
    return buffer.getvalue()


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert all(found[name].dtype == expected[name].dtype for name in expected)


def test_the_library_reads_what_we_write():
    assert_same(load(written(TENSORS, {"z": "1", "a": "2"})), TENSORS)


def test_we_read_what_the_library_writes():
    tensors = {name: value.contiguous() for name, value in TENSORS.items()}
    data = save(tensors, metadata={"who": "the library"})

    found, metadata = read_safetensors(memoryview(data))

    assert_same(found, tensors)
    assert metadata == {"who": "the library"}


def test_the_order_of_names_makes_no_difference():
    reverse = dict(reversed(TENSORS.items()))

    assert written(TENSORS, {"x": "1", "y": "2"}) == written(reverse, {"y": "2", "x": "1"})


def test_a_file_that_is_too_long_is_refused():
    with pytest.raises(FileFormatError, match="bytes of tensors"):
        read_safetensors(memoryview(written(TENSORS, {}) + b"x"))
