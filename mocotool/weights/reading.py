"""Open a file of weights, find out what it is, and hand it to the reader of that format."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mocotool.boundary import Meter, foreign_data
from mocotool.configs.generator import GeneratorOptions
from mocotool.errors import FileFormatError
from mocotool.weights import ada_state, biggan, dcgan, native, nvidia_tf, nvidia_torch, rosinality
from mocotool.weights.contents import GeneratorWeights
from mocotool.weights.finite import check_finite
from mocotool.weights.inert import TORCH_TABLE, nvidia_table, read_legacy_torch
from mocotool.weights.opening import WeightFile
from mocotool.weights.records import TensorRecord
from mocotool.weights.refusals import explain_tree
from mocotool.weights.safe_pickle import PickleMachine
from mocotool.weights.safetensors_file import read_safetensors
from mocotool.weights.sniffing import Container, identify_container
from mocotool.weights.state_dicts import TensorReader, as_state_dict
from mocotool.weights.torch_zip import read_torch_zip

# Each looks at what a file holds and returns the generator, or None if it is not of its kind.
Reader = Callable[[Any, TensorReader], GeneratorWeights | None]
READERS: tuple[Reader, ...] = (
    nvidia_torch.read,
    nvidia_tf.read,
    ada_state.read,
    rosinality.read,
    dcgan.read,
)


def read_tree(file: WeightFile, container: Container) -> Any:
    """Return the object in a torch file or a pickle: plain values and inert records."""
    meter = Meter.for_file(len(file.data))
    if container == "torch zip":
        with file.open() as stream:
            return read_torch_zip(stream, file.data, meter=meter)
    if container == "legacy torch":
        return read_legacy_torch(file.data, meter=meter, table=TORCH_TABLE)
    return PickleMachine(file.data, table=nvidia_table(meter), meter=meter).run()


def read_generator_weights(
    path: Path, options: GeneratorOptions | None = None
) -> tuple[GeneratorWeights, str]:
    """Read an image generator from any supported file, and the sha256 of the file.

    Args:
        path: The file.
        options: What a BigGAN file does not say of itself; `None` for its authors' settings.

    Raises:
        FileFormatError: The file is damaged, unsafe, or not a supported generator.
    """
    file = WeightFile(path)
    with foreign_data(path, what="a file of weights"):
        container = identify_container(file.data)
        if container == "safetensors":
            return native.read(*read_safetensors(path)), file.sha256()
        tree = read_tree(file, container)
        tensors = TensorReader(limit_bytes=2 * len(file.data))
        weights = biggan.read(tree, tensors, options or GeneratorOptions())
        for read in READERS:
            weights = weights or read(tree, tensors)
        if weights is None:
            raise explain_tree(tree)
        return weights, file.sha256()


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read a bare table of tensors: a torch file of either age, or safetensors.

    Raises:
        FileFormatError: The file is damaged, unsafe, or holds anything but named tensors of finite
            numbers.
    """
    file = WeightFile(path)
    with foreign_data(path, what="a file of weights"):
        container = identify_container(file.data)
        if container == "safetensors":
            tensors = read_safetensors(path)[0]
        else:
            state = as_state_dict(read_tree(file, container))
            if state is None:
                raise FileFormatError("holds something other than a table of named tensors")
            tensors = TensorReader(limit_bytes=2 * len(file.data)).read_all(state)
        check_finite(tensors)
        return tensors


def read_checkpoint(path: Path) -> Any:
    """Read a training state: the tensors and plain values of a torch file, with their types.

    Raises:
        FileFormatError: The file is damaged, unsafe, or no torch file.
    """
    file = WeightFile(path)
    with foreign_data(path, what="a file of weights"):
        container = identify_container(file.data)
        if container not in ("torch zip", "legacy torch"):
            raise FileFormatError("not a file of torch.save")
        tree = read_tree(file, container)
        return _Filling(TensorReader(limit_bytes=2 * len(file.data))).fill(tree)


class _Filling:
    """Puts tensors in place of their records, once for each object however often it is named."""

    def __init__(self, tensors: TensorReader) -> None:
        self._tensors = tensors
        self._filled: dict[int, Any] = {}
        self._open: set[int] = set()

    def fill(self, value: Any) -> Any:
        """Return a copy of `value` without records.

        Raises:
            FileFormatError: A container holds itself, or something holds no plain values.
        """
        if value is None or isinstance(value, bool | int | float | str | bytes):
            return value
        if isinstance(value, memoryview):
            return bytes(value)
        place = id(value)
        if place in self._open:
            raise FileFormatError("a table in the file holds itself")
        if place not in self._filled:
            self._open.add(place)
            self._filled[place] = self._fill_new(value)
            self._open.remove(place)
        return self._filled[place]

    def _fill_new(self, value: Any) -> Any:
        if isinstance(value, TensorRecord):
            return _in_order_of(value, self._tensors.copy(value))
        if isinstance(value, dict):
            return {key: self.fill(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.fill(item) for item in value]
        if isinstance(value, tuple):
            return tuple(self.fill(item) for item in value)
        raise FileFormatError(f"holds a {type(value).__name__}, expected tensors and plain values")


def _in_order_of(record: TensorRecord, tensor: Tensor) -> Tensor:
    """Return a tensor with its axes in memory in the order that the file has (channels last...).

    A run that goes on in another order is rounded otherwise.
    """
    axes = [axis for axis, size in enumerate(record.shape) if size > 1]
    steps = 1
    for axis in sorted(axes, key=lambda axis: record.stride[axis]):
        if record.stride[axis] != steps:
            return tensor  # with gaps: no order to keep
        steps *= record.shape[axis]
    return torch.empty_strided(record.shape, record.stride, dtype=tensor.dtype).copy_(tensor)
