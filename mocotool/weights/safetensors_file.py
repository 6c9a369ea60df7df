"""Safetensors, read and written by their own library; its refusals become sentences of ours."""

import contextlib
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from safetensors import SafetensorError, safe_open

from mocotool.errors import FileFormatError
from mocotool.weights.refusals import shown

if TYPE_CHECKING:
    from torch import Tensor

# One metadata entry: the library writes several in an order that changes from run to run.
METADATA_KEY = "moco"
MAX_AXES = 8
MAX_NUMBERS = 1 << 40  # in one tensor
# What networks are made of; the library knows more, down to floats of four bits.
DTYPES = frozenset({"F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL"})

Shapes = dict[str, list[int]]


@contextlib.contextmanager
def _opened(path: Path, framework: Literal["np", "pt"]) -> Iterator[Any]:
    """Open a file whose header the library has found whole: no gaps, no overlaps, nothing left."""
    try:
        with safe_open(path, framework=framework) as file:
            yield file
    except SafetensorError as error:
        reason = str(error).removeprefix("Error while deserializing header: ")
        raise FileFormatError(f"not a safetensors file, or damaged ({shown(reason)})") from None


def _read_shapes(file: Any) -> Shapes:
    shapes: Shapes = {}
    for name in file.keys():  # noqa: SIM118 - the library's object is no mapping
        entry = file.get_slice(name)
        shape, dtype = entry.get_shape(), entry.get_dtype()
        # Zeros are left out: an empty tensor must not have axes that overflow together.
        if len(shape) > MAX_AXES or math.prod(size or 1 for size in shape) >= MAX_NUMBERS:
            raise FileFormatError(f"the shape of the tensor {shown(name)} is implausibly large")
        if dtype not in DTYPES:
            raise FileFormatError(f"the tensor {shown(name)} holds {dtype}, which is not supported")
        shapes[name] = shape
    return shapes


def read_header(path: Path) -> tuple[Shapes, dict[str, str]]:
    """Return the shape of each tensor, and the metadata; the tensors stay in the file.

    Raises:
        FileFormatError: The file is damaged.
    """
    with _opened(path, "np") as file:
        return _read_shapes(file), file.metadata() or {}


def read_safetensors(path: Path) -> tuple[dict[str, "Tensor"], dict[str, str]]:
    """Return the tensors (copied) and the metadata of a safetensors file.

    Raises:
        FileFormatError: The file is damaged.
    """
    with _opened(path, "pt") as file:
        # Copies: what stayed mapped would change, or fault, with the file.
        tensors = {name: file.get_tensor(name).clone() for name in _read_shapes(file)}
        return tensors, file.metadata() or {}


def read_record(metadata: Mapping[str, str]) -> dict[str, Any]:
    """Return what a file of ours says of itself, empty if it says nothing.

    Raises:
        FileFormatError: It is not a JSON object.
    """
    if METADATA_KEY not in metadata:
        return {}
    try:
        record = json.loads(metadata[METADATA_KEY])
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise FileFormatError(f"the metadata entry {METADATA_KEY!r} is not a JSON object")
    return record


def write_safetensors(
    tensors: Mapping[str, "Tensor"], file: BinaryIO, *, record: Mapping[str, Any]
) -> None:
    """Write tensors and a record; the same input gives the same bytes.

    Args:
        tensors: Name -> tensor of any device.
        file: Where to; it need not seek.
        record: JSON values that say what the file is.
    """
    from safetensors.torch import save

    # Copies of their own memory: the library refuses tensors that share theirs.
    own = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    file.write(save(own, metadata={METADATA_KEY: json.dumps(dict(record), sort_keys=True)}))
