"""Read and write safetensors: a length, a JSON header, and raw numbers."""

import json
import math
import struct
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from mocotool.errors import FileFormatError
from mocotool.weights.records import MAX_AXES, is_count
from mocotool.weights.refusals import shown

LENGTH = struct.Struct("<Q")
MAX_HEADER_BYTES = 16_000_000
MAX_TENSORS = 50_000

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
DTYPE_NAMES = {dtype: name for name, dtype in DTYPES.items()}


def read_header(data: memoryview) -> tuple[dict[str, Any], dict[str, str], int]:
    """Return the tensors' entries, the metadata, and where the numbers begin.

    Raises:
        FileFormatError: The header is damaged.
    """
    size = LENGTH.unpack_from(data)[0] if len(data) >= LENGTH.size else -1
    if not 2 <= size <= min(MAX_HEADER_BYTES, len(data) - LENGTH.size):
        raise FileFormatError("the safetensors header is cut off or damaged")
    try:
        header = json.loads(bytes(data[LENGTH.size : LENGTH.size + size]))
    except (ValueError, RecursionError):
        raise FileFormatError("the safetensors header is not JSON") from None
    if not isinstance(header, dict) or len(header) > MAX_TENSORS:
        raise FileFormatError("the safetensors header is not a table of tensors")
    metadata = header.pop("__metadata__", {})
    is_text = isinstance(metadata, dict) and all(isinstance(v, str) for v in metadata.values())
    if not is_text:
        raise FileFormatError("the safetensors metadata is not a table of texts")
    return header, metadata, LENGTH.size + size


def read_safetensors(data: memoryview) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors (copied) and the metadata of a safetensors file.

    Raises:
        FileFormatError: The file is damaged.
    """
    header, metadata, start = read_header(data)
    numbers = data[start:]
    tensors: dict[str, Tensor] = {}
    total = 0
    for name, entry in header.items():
        tensors[name], size = _read_tensor(name, entry, numbers)
        total += size
        if total > len(numbers):
            raise FileFormatError("tensors of the safetensors file overlap each other")
    if total != len(numbers):
        raise FileFormatError(
            f"the safetensors file has {len(numbers):,} bytes of tensors, expected {total:,}"
        )
    return tensors, metadata


def _read_tensor(name: str, entry: Any, numbers: memoryview) -> tuple[Tensor, int]:
    shape, dtype, span = _read_entry(name, entry)
    size = math.prod(shape) * dtype.itemsize
    if span[1] - span[0] != size or span[1] > len(numbers):
        raise FileFormatError(f"the tensor {shown(name)} does not fit its place in the file")
    if not size:
        return torch.empty(shape, dtype=dtype), 0
    raw = np.frombuffer(numbers[span[0] : span[1]], dtype=np.uint8).copy()
    if dtype is torch.bool:
        raw = (raw != 0).view(np.uint8)
    return torch.from_numpy(raw).view(dtype).reshape(shape), size


def _read_entry(name: str, entry: Any) -> tuple[list[int], torch.dtype, list[int]]:
    entry = entry if isinstance(entry, dict) else {}
    dtype_name, shape, span = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    dtype = DTYPES.get(dtype_name) if isinstance(dtype_name, str) else None
    is_shape = isinstance(shape, list) and len(shape) <= MAX_AXES and all(map(is_count, shape))
    is_shape = is_shape and is_count(math.prod(size or 1 for size in shape))
    is_span = isinstance(span, list) and len(span) == 2 and all(map(is_count, span))
    if dtype is None or not is_shape or not is_span:
        raise FileFormatError(f"the safetensors entry {shown(name)} is damaged or of unknown kind")
    return shape, dtype, span


def write_safetensors(
    tensors: dict[str, Tensor], file: BinaryIO, *, metadata: dict[str, str]
) -> None:
    """Write tensors and metadata; the same input gives the same bytes.

    Args:
        tensors: Name -> tensor of any device; written in the order of their names.
        file: Where to; it need not seek.
        metadata: Texts for the header.
    """
    header: dict[str, Any] = {"__metadata__": dict(sorted(metadata.items()))}
    # Widest first, so that every tensor starts at a multiple of its element size.
    names = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    end = 0
    for name in names:
        tensor = tensors[name]
        start, end = end, end + tensor.numel() * tensor.element_size()
        header[name] = {
            "dtype": DTYPE_NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write(LENGTH.pack(len(text)) + text)
    for name in names:
        numbers = tensors[name].detach().cpu().contiguous().reshape(-1)
        file.write(numbers.view(torch.uint8).numpy().data)
