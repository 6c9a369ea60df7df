"""The pickle interpreter: what it builds is what pickle wrote."""

import argparse
import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch

from mocotool.boundary import Meter
from mocotool.errors import FileFormatError
from mocotool.weights.inert import nvidia_table
from mocotool.weights.reading import read_state_dict
from mocotool.weights.records import (
    ArrayRecord,
    DtypeRecord,
    Record,
    StorageRecord,
    TensorRecord,
)
from mocotool.weights.safe_pickle import PickleMachine

PROTOCOLS = range(1, 6)  # of protocol 0 we read as much as it takes to name what is refused


def interpret(data, meter=None):
    meter = meter or Meter()
    return PickleMachine(memoryview(data), table=nvidia_table(meter), meter=meter).run()


def plain(value):
    """Views of bytes as bytes, so that values compare."""
    if isinstance(value, memoryview):
        return bytes(value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, tuple):
        return tuple(plain(item) for item in value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "value",
    [
        None, True, False, 0, 7, 255, 256, 65535, 65536, -1, 2**31, -(2**31), 2**40, -(2**62),
        0.5, -1e300, "", "ascii", "söme ünicode", "x" * 300, [], [1, [2, [3]]], (), (1,), (1, 2),
        (1, 2, 3), tuple(range(20)), {}, {"a": 1, "b": {"c": [True]}}, {1: "x", 2.5: "y"},
        list(range(1500)),
    ],
    ids=repr,
)  # fmt: skip
def test_plain_values_come_out_as_they_went_in(value, protocol):
    result = interpret(pickle.dumps(value, protocol=protocol))

    assert plain(result) == value
    assert type(result) is type(value)


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize("value", [b"", b"short", b"long" * 100, {"nested": b"x" * 1000}])
def test_bytes_come_out_as_they_went_in(value, protocol):
    assert plain(interpret(pickle.dumps(value, protocol=protocol))) == value


@pytest.mark.parametrize("protocol", [4, 5])
def test_sets_come_out_as_they_went_in(protocol):
    assert interpret(pickle.dumps({"a", "b"}, protocol=protocol)) == {"a", "b"}


def test_shared_objects_stay_shared():
    part = [1]

    first, second = interpret(pickle.dumps([part, part]))

    assert first is second


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(4, dtype=">f4"),
        np.array(3, dtype=np.int64),
        np.zeros((0, 3), dtype=np.float16),
        np.array([True, False]),
    ],
    ids=lambda array: f"{array.dtype.str}{list(array.shape)}",
)
def test_arrays_come_out_as_they_went_in(array, protocol):
    record = interpret(pickle.dumps(array, protocol=protocol))

    assert isinstance(record, ArrayRecord)
    assert np.array_equal(record.to_array(), array)


@pytest.mark.parametrize("protocol", [2, 4])
def test_numpy_scalars_become_numbers(protocol):
    values = [np.float64(0.25), np.int64(-3), np.bool_(True)]

    assert interpret(pickle.dumps(values, protocol=protocol)) == [0.25, -3, True]


def test_tensors_stay_in_the_file_until_they_are_asked_for():
    tensor = torch.arange(12, dtype=torch.float32).reshape(3, 4).t()

    record = interpret(pickle.dumps({"w": tensor}))["w"]

    assert isinstance(record, TensorRecord)
    assert torch.equal(record.to_tensor(), tensor)


@pytest.mark.parametrize(
    ("offset", "shape", "stride", "fits"),
    [
        (2, (2, 2), (2, 1), True),  # its last element is the storage's last
        (3, (2, 2), (2, 1), False),
        (0, (2, 2), (4, 1), True),
        (0, (2, 2), (5, 1), False),
        (5, (1,), (1,), True),
        (6, (1,), (1,), False),
    ],
)
def test_a_tensor_may_reach_its_storages_last_element_and_no_further(offset, shape, stride, fits):
    storage = StorageRecord(torch.float32, 6, memoryview(np.arange(6, dtype="<f4").tobytes()))

    if fits:
        tensor = TensorRecord(storage, offset, shape, stride).to_tensor()
        expected = torch.arange(6.0).as_strided(shape, stride, offset)
        assert torch.equal(tensor, expected)
    else:
        with pytest.raises(FileFormatError, match="beyond its storage"):
            TensorRecord(storage, offset, shape, stride)


def test_records_hold_their_state_and_nothing_else():
    names = argparse.Namespace(path="x", size=3)

    record = interpret(pickle.dumps(OrderedDict(args=names)))["args"]

    assert isinstance(record, Record)
    assert record.state == {"path": "x", "size": 3}


def test_a_dtype_is_a_record_of_a_numeric_kind():
    record = interpret(pickle.dumps(np.dtype(">i2")))

    assert isinstance(record, DtypeRecord)
    assert record.dtype == np.dtype(">i2")


def test_nested_pickles_share_the_meter():
    data = pickle.dumps([torch.zeros(1) for _ in range(20)])
    meter = Meter()
    interpret(data, meter)
    used = Meter().opcodes - meter.opcodes

    with pytest.raises(FileFormatError, match="opcodes"):
        interpret(data, Meter(opcodes=used - 1))


@pytest.mark.parametrize("end", range(1, 60, 7))
def test_a_cut_pickle_is_said_to_be_cut(end):
    data = pickle.dumps({"abc": [1, 2, {"d": "e" * 20}], "f": (1.5, None, True)}, protocol=4)

    with pytest.raises(FileFormatError, match="ends in the middle"):
        interpret(data[:end])


DTYPES = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32,
    torch.int16, torch.int8, torch.uint8, torch.bool,
]  # fmt: skip


@pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_state_dicts_agree_with_torch(dtype, is_zip, tmp_path):
    values = (torch.randn(4, 5) * 50).to(dtype)
    state = {"plain": values, "turned": values.t(), "part": values[1:3, ::2], "one": values[0, 0]}
    path = tmp_path / "state.pt"
    torch.save(state, path, _use_new_zipfile_serialization=is_zip)

    read = read_state_dict(path)

    assert list(read) == list(state)
    for name, value in state.items():
        expected = value.float() if dtype.is_floating_point else value
        assert read[name].dtype == expected.dtype
        assert torch.equal(read[name], expected)


def test_tensors_that_share_memory_are_read_each():
    base = torch.arange(10.0)
    records = interpret(pickle.dumps([base[:5], base[5:]]))

    assert [record.to_tensor().tolist() for record in records] == [
        [0, 1, 2, 3, 4],
        [5, 6, 7, 8, 9],
    ]
