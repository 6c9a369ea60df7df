"""Inert records that stand for a pickle's objects: they hold data and can do nothing."""

import dataclasses
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mocotool.errors import FileFormatError

MAX_AXES = 8
MAX_DEPTH = 100

STORAGE_DTYPES: dict[str, torch.dtype] = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}

NUMPY_KINDS = frozenset({"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"})


@dataclasses.dataclass(slots=True, eq=False)
class Record:
    """An object of a class we know by name only."""

    name: str
    state: dict[str, Any] = dataclasses.field(default_factory=dict)

    def build(self, state: Any) -> None:
        """Take the attributes that the pickle gives the object."""
        if not isinstance(state, dict) or not all(isinstance(key, str) for key in state):
            raise FileFormatError(f"the state of {self.name} is not a table of names")
        self.state.update(state)


@dataclasses.dataclass(slots=True, eq=False)
class StorageRecord:
    """The raw numbers behind one or several tensors."""

    dtype: torch.dtype
    num_elements: int
    data: memoryview | None = None
    """The bytes, or `None` until the reader reaches them."""

    def attach(self, data: memoryview) -> None:
        """Set the bytes.

        Raises:
            FileFormatError: They are not as many as the storage says.
        """
        expected = self.num_elements * self.dtype.itemsize
        if len(data) != expected:
            raise FileFormatError(f"a tensor storage has {len(data)} bytes, expected {expected}")
        self.data = data


@dataclasses.dataclass(slots=True, eq=False)
class TensorRecord:
    """A tensor that is still in the file."""

    storage: StorageRecord
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def __post_init__(self) -> None:
        check_sizes(self.shape, "tensor shape")
        check_sizes(self.stride, "tensor stride")
        if len(self.shape) != len(self.stride) or not is_count(self.offset):
            raise FileFormatError("a tensor's shape, strides and offset do not fit each other")
        numel = math.prod(self.shape)
        last = self.offset + sum((n - 1) * s for n, s in zip(self.shape, self.stride, strict=True))
        # More elements than the storage means a broadcast tensor: a bomb if it were filled in.
        if numel and (last >= self.storage.num_elements or numel > self.storage.num_elements):
            raise FileFormatError(
                f"a tensor of shape {list(self.shape)} reaches beyond its storage of "
                f"{self.storage.num_elements} elements"
            )

    @property
    def size_bytes(self) -> int:
        """Memory that the tensor takes, in bytes."""
        return math.prod(self.shape) * self.storage.dtype.itemsize

    def to_tensor(self) -> Tensor:
        """Copy the tensor out of the file."""
        if self.storage.data is None:
            raise FileFormatError("a tensor's numbers are not in the file")
        dtype = self.storage.dtype
        if not math.prod(self.shape):
            return torch.empty(self.shape, dtype=dtype)
        # numpy has no bfloat16, so bytes travel as integers of the same size.
        integers = np.dtype(f"<u{dtype.itemsize}")
        if dtype is torch.bool:
            return torch.from_numpy(np.asarray(self._view(np.dtype("u1")) != 0))
        array = np.array(self._view(integers), order="C", copy=True)
        signed = torch.from_numpy(array.view(f"<i{dtype.itemsize}"))
        return signed.view(dtype).reshape(self.shape)

    def _view(self, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
        flat = np.frombuffer(self.storage.data or b"", dtype=dtype)[self.offset :]
        strides = [step * dtype.itemsize for step in self.stride]
        return np.lib.stride_tricks.as_strided(flat, self.shape, strides, writeable=False)


@dataclasses.dataclass(slots=True, eq=False)
class DtypeRecord:
    """A numpy dtype of a fixed numeric kind."""

    code: str
    order: str = "<"

    def build(self, state: Any) -> None:
        """Take the byte order; everything else numpy keeps there must be empty."""
        fits = isinstance(state, tuple) and len(state) >= 5 and state[1] in ("<", ">", "|", "=")
        if not fits or any(part is not None for part in state[2:5]):
            raise FileFormatError("numpy.dtype with fields or an unknown byte order is refused")
        self.order = "<" if state[1] == "=" else state[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype itself."""
        return np.dtype(f"{self.order}{self.code}")


@dataclasses.dataclass(slots=True, eq=False)
class ArrayRecord:
    """A numpy array that is still in the file."""

    shape: tuple[int, ...] = ()
    dtype: DtypeRecord = dataclasses.field(default_factory=lambda: DtypeRecord("f4"))
    is_fortran: bool = False
    data: memoryview | None = None

    def build(self, state: Any) -> None:
        """Take version, shape, dtype, order and bytes, as numpy writes them."""
        if not isinstance(state, tuple) or len(state) != 5:
            raise FileFormatError("the state of numpy.ndarray is not what numpy writes")
        _, shape, dtype, is_fortran, data = state
        self.fill(shape, dtype, is_fortran=bool(is_fortran), data=data)

    def fill(self, shape: Any, dtype: Any, *, is_fortran: bool, data: Any) -> None:
        """Set the array's contents.

        Raises:
            FileFormatError: The dtype is not numeric, or the bytes do not fit the shape.
        """
        check_sizes(shape, "array shape")
        if not isinstance(dtype, DtypeRecord):
            raise FileFormatError("numpy.ndarray without a numeric dtype is refused")
        if not isinstance(data, bytes | memoryview):
            raise FileFormatError("numpy.ndarray of objects is refused: it could hold anything")
        expected = math.prod(shape) * dtype.dtype.itemsize
        if len(data) != expected:
            raise FileFormatError(f"a numpy array has {len(data)} bytes, expected {expected}")
        self.shape, self.dtype, self.is_fortran = shape, dtype, is_fortran
        self.data = memoryview(data)

    @property
    def size_bytes(self) -> int:
        """Memory that the array takes, in bytes."""
        return 0 if self.data is None else len(self.data)

    def to_array(self) -> np.ndarray[Any, Any]:
        """Return a read-only view of the array, in the byte order of this machine."""
        if self.data is None:
            raise FileFormatError("a numpy array without contents")
        array = np.frombuffer(self.data, dtype=self.dtype.dtype)
        return array.reshape(self.shape, order="F" if self.is_fortran else "C")


def is_count(value: Any) -> bool:
    """Return whether `value` is a whole number from 0 to 2^40 (and not a truth value)."""
    return type(value) is int and 0 <= value < 1 << 40


def check_sizes(sizes: Any, what: str) -> None:
    """Check a shape or a stride.

    Raises:
        FileFormatError: It is not a short tuple of counts, or implausibly large.
    """
    if not isinstance(sizes, tuple) or len(sizes) > MAX_AXES or not all(map(is_count, sizes)):
        raise FileFormatError(f"{what} is not a short list of counts")
    # Zeros are left out: an empty tensor must not have axes that overflow together.
    if what.endswith("shape") and not is_count(math.prod(size or 1 for size in sizes)):
        raise FileFormatError(f"{what} {list(sizes)} is implausibly large")


def check_depth(root: Any) -> None:
    """Check that a pickle's object is not nested absurdly deep.

    Raises:
        FileFormatError: It is.
    """
    seen: set[int] = set()
    level = [root]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for item in level:
            if id(item) not in seen and (children := child_values(item)):
                seen.add(id(item))
                below.extend(children)
        if not below:
            return
        level = below
    raise FileFormatError(f"the pickle nests its objects more than {MAX_DEPTH} deep")


def child_values(item: Any) -> list[Any] | tuple[Any, ...]:
    """Return what a container holds, nothing for anything else."""
    if isinstance(item, list | tuple):
        return item
    if isinstance(item, dict):
        return list(item.values())
    state = getattr(item, "state", None)
    return list(state.values()) if isinstance(state, dict) else ()
