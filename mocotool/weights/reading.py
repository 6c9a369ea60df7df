"""Open a file of weights, find out what it is, and hand it to the reader of that format."""

import hashlib
import mmap
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from torch import Tensor

from mocotool.boundary import Meter, foreign_data
from mocotool.configs.generator import GeneratorOptions
from mocotool.errors import FileFormatError
from mocotool.files import HASH_CHUNK_BYTES, check_input_file
from mocotool.weights import ada_state, biggan, dcgan, native, nvidia_tf, nvidia_torch, rosinality
from mocotool.weights.contents import GeneratorWeights
from mocotool.weights.inert import TORCH_TABLE, nvidia_table, read_legacy_torch
from mocotool.weights.refusals import explain_tree
from mocotool.weights.safe_pickle import PickleMachine
from mocotool.weights.safetensors_file import read_safetensors
from mocotool.weights.sniffing import Container, identify_container
from mocotool.weights.state_dicts import TensorReader, as_state_dict
from mocotool.weights.torch_zip import read_torch_zip

MAX_FILE_BYTES = 1 << 34
"""The largest file that is opened, 16 GiB."""

# Each looks at what a file holds and returns the generator, or None if it is not of its kind.
Reader = Callable[[Any, TensorReader], GeneratorWeights | None]
READERS: tuple[Reader, ...] = (
    nvidia_torch.read,
    nvidia_tf.read,
    ada_state.read,
    rosinality.read,
    dcgan.read,
)


class WeightFile:
    """An open file of weights: its bytes, mapped rather than read, and their sha256.

    Raises:
        FileFormatError: The file is missing, empty or too large.
    """

    def __init__(self, path: Path) -> None:
        check_input_file(path)
        self.path = path
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise FileFormatError(f"{path}: {size:,} bytes, more than {MAX_FILE_BYTES:,}")
        with path.open("rb") as file:
            self._mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.data = memoryview(self._mapping)

    def sha256(self) -> str:
        """Return the sha256 of the mapped bytes."""
        digest = hashlib.sha256()
        for start in range(0, len(self.data), HASH_CHUNK_BYTES):
            digest.update(self.data[start : start + HASH_CHUNK_BYTES])
        if hasattr(mmap, "MADV_DONTNEED"):
            self._mapping.madvise(
                mmap.MADV_DONTNEED
            )  # give the pages back before tensors are copied
        return digest.hexdigest()

    def open(self) -> BinaryIO:
        """Return the file as a stream, for readers that seek."""
        return self.path.open("rb")


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
            return native.read(*read_safetensors(file.data)), file.sha256()
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
        FileFormatError: The file is damaged, unsafe, or holds anything but named tensors.
    """
    file = WeightFile(path)
    with foreign_data(path, what="a file of weights"):
        container = identify_container(file.data)
        if container == "safetensors":
            return read_safetensors(file.data)[0]
        state = as_state_dict(read_tree(file, container))
        if state is None:
            raise FileFormatError("holds something else than a table of named tensors")
        return TensorReader(limit_bytes=2 * len(file.data)).read_all(state)
