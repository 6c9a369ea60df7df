"""Tables of named tensors: recognising them, and copying them out of the file."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mocotool.errors import FileFormatError
from mocotool.weights.records import ArrayRecord, TensorRecord
from mocotool.weights.refusals import shown


class TensorReader:
    """Copies tensors out of a file, up to a limit on their bytes together."""

    def __init__(self, *, limit_bytes: int) -> None:
        self.left_bytes = limit_bytes

    def read(self, record: TensorRecord | ArrayRecord) -> Tensor:
        """Return a tensor of its own memory; 16-bit and 64-bit floats become 32-bit.

        Raises:
            FileFormatError: The limit is reached.
        """
        tensor = self.copy(record)
        return tensor.to(torch.float32) if tensor.is_floating_point() else tensor

    def copy(self, record: TensorRecord | ArrayRecord) -> Tensor:
        """Return a tensor of its own memory and of the type in the file; see `read`."""
        self.left_bytes -= record.size_bytes
        if self.left_bytes < 0:
            raise FileFormatError("the tensors take far more memory than the file is long")
        if isinstance(record, ArrayRecord):
            array = record.to_array()
            return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), order="C"))
        return record.to_tensor()

    def read_all(self, state: Mapping[str, TensorRecord]) -> dict[str, Tensor]:
        """Return all tensors of a table."""
        return {name: self.read(record) for name, record in state.items()}


def as_state_dict(tree: Any) -> dict[str, TensorRecord] | None:
    """Return `tree` if it is a table of names and tensors, else `None`.

    The prefix "module.", which parallel training leaves, is taken off if every name has it.
    """
    if not isinstance(tree, dict) or not tree:
        return None
    if not all(isinstance(k, str) and isinstance(v, TensorRecord) for k, v in tree.items()):
        return None
    if all(name.startswith("module.") for name in tree):
        return {name.removeprefix("module."): record for name, record in tree.items()}
    return tree


def read_int(value: Any, what: str, *, low: int, high: int) -> int:
    """Return a whole number from a file.

    Raises:
        FileFormatError: It is something else, or out of range.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int or not low <= value <= high:
        raise FileFormatError(f"{what} must be a whole number from {low} to {high}")
    return value


def read_float(value: Any, what: str) -> float:
    """Return a finite number from a file.

    Raises:
        FileFormatError: It is something else.
    """
    if type(value) not in (int, float) or not np.isfinite(value):
        raise FileFormatError(f"{what} must be a number")
    return float(value)


MAX_FIRST_SIZE = 64


def infer_first_size(shape: Sequence[int]) -> dict[str, list[int]]:
    """Return the size of a StyleGAN2's first block, if it is not 4 by 4.

    Args:
        shape: That of its constant, [c, h, w].

    Raises:
        FileFormatError: It is no picture's.

    Source:
        Official code: none; eps696's stylegan2 and stylegan2ada, whose `init_res` it is.
    """
    if len(shape) != 3 or not all(0 < side <= MAX_FIRST_SIZE for side in shape[1:]):
        raise FileFormatError(f"the first block's constant has the shape {list(shape)}")
    return {} if tuple(shape[1:]) == (4, 4) else {"first_size": list(shape[1:])}


def infer_mapping_widths(values: Mapping[str, Tensor], *, w_dim: int) -> dict[str, int]:
    """Return the widths of a StyleGAN2 mapping's layers and embedding, where they are not w's."""
    names = {"layer_features": "mapping.fc0.weight", "embed_features": "mapping.embed.weight"}
    if "mapping.fc1.weight" not in values:
        del names["layer_features"]  # the only layer gives w
    return {
        ours: values[name].shape[0]
        for ours, name in names.items()
        if name in values and values[name].ndim == 2 and values[name].shape[0] != w_dim
    }


def unknown_name(name: str) -> str:
    """Return a name for an unknown tensor that no network of ours uses."""
    return f"{shown(name)} (of the file)"


def fir_filter(gain: float = 1.0) -> Tensor:
    """Return the [1, 3, 3, 1] low-pass filter as a [4, 4] kernel whose sum is `gain`."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    return torch.outer(taps, taps) * (gain / 64.0)


def check_filter(kernel: Tensor, name: str, *, gain: float = 1.0) -> None:
    """Check that a resampling filter is the [1, 3, 3, 1] one, the only one we compute with.

    Raises:
        FileFormatError: It is another.
    """
    expected = fir_filter(gain)
    is_same = kernel.shape == expected.shape and kernel.is_floating_point()
    if not is_same or not torch.allclose(kernel, expected, atol=1e-6):
        raise FileFormatError(
            f"{name} is not the [1, 3, 3, 1] filter but another, which is not supported"
        )
