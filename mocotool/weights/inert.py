"""The table of names a pickle may use, each standing for an inert function of our own."""

import struct
from typing import Any

from mocotool.boundary import Meter
from mocotool.errors import FileFormatError
from mocotool.weights.pickle_state import Allowed, Inert, Table
from mocotool.weights.records import (
    NUMPY_KINDS,
    STORAGE_DTYPES,
    ArrayRecord,
    DtypeRecord,
    Record,
    StorageRecord,
    TensorRecord,
    is_count,
)
from mocotool.weights.refusals import shown
from mocotool.weights.safe_pickle import PickleMachine

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
NUMEL = struct.Struct("<q")


def _refuse(name: str) -> FileFormatError:
    return FileFormatError(f"the pickle calls {name} with arguments that are refused")


def make_table(args: tuple[Any, ...]) -> dict[str, Any]:
    """Stand in for OrderedDict and EasyDict: a plain dict, filled from pairs if there are any."""
    if not args:
        return {}
    pairs = args[0]
    if len(args) != 1 or not isinstance(pairs, list):
        raise _refuse("collections.OrderedDict")
    table: dict[str, Any] = {}
    for pair in pairs:
        if not isinstance(pair, list | tuple) or len(pair) != 2 or type(pair[0]) is not str:
            raise _refuse("collections.OrderedDict")
        table[pair[0]] = pair[1]
    return table


def make_record(name: str) -> Inert:
    """Return a function that stands in for a class without constructor arguments."""

    def make(args: tuple[Any, ...]) -> Record:
        if args:
            raise _refuse(name)
        return Record(name)

    return make


def make_module(args: tuple[Any, ...]) -> Record:
    """Stand in for NVIDIA's persistent classes: keep the attributes, ignore the program text."""
    meta = args[0] if len(args) == 1 else None
    if not isinstance(meta, dict) or meta.get("type") != "class":
        raise _refuse("torch_utils.persistence._reconstruct_persistent_obj")
    name, state = meta.get("class_name"), meta.get("state")
    if not isinstance(name, str) or not isinstance(state, dict):
        raise _refuse("torch_utils.persistence._reconstruct_persistent_obj")
    record = Record(shown(name))
    record.build(state)
    return record


def make_dtype(args: tuple[Any, ...]) -> DtypeRecord:
    """Stand in for numpy.dtype, for fixed numeric kinds only."""
    code = args[0] if args else None
    if isinstance(code, str) and code[:1] in ("<", ">", "|") and code[1:] in NUMPY_KINDS:
        return DtypeRecord(code[1:], "<" if code[0] == "|" else code[0])
    if not isinstance(code, str) or code not in NUMPY_KINDS:
        raise FileFormatError(
            f"numpy.dtype({shown(code)}) is refused: only fixed numeric kinds are read"
        )
    return DtypeRecord(code)


def make_scalar(args: tuple[Any, ...]) -> int | float | bool:
    """Stand in for numpy's scalar: a Python number."""
    if len(args) != 2 or not isinstance(args[0], DtypeRecord):
        raise _refuse("numpy scalar")
    array = ArrayRecord()
    data = args[1].encode("latin-1") if isinstance(args[1], str) else args[1]
    array.fill((), args[0], is_fortran=False, data=data)
    return array.to_array().item()  # type: ignore[no-any-return]


def make_array(args: tuple[Any, ...]) -> ArrayRecord:
    """Stand in for numpy's _reconstruct: an empty array that BUILD will fill."""
    if len(args) != 3 or not isinstance(args[0], Allowed) or args[0].name != "numpy.ndarray":
        raise _refuse("numpy _reconstruct")
    return ArrayRecord()


def make_array_from_buffer(args: tuple[Any, ...]) -> ArrayRecord:
    """Stand in for numpy's _frombuffer, which protocol 5 uses."""
    if len(args) != 4 or args[3] not in ("C", "F"):
        raise _refuse("numpy _frombuffer")
    array = ArrayRecord()
    array.fill(args[2], args[1], is_fortran=args[3] == "F", data=args[0])
    return array


def encode_latin1(args: tuple[Any, ...]) -> bytes:
    """Stand in for _codecs.encode, which protocol 2 uses to write bytes as text."""
    if len(args) != 2 or args[1] not in ("latin1", "latin-1") or not isinstance(args[0], str):
        raise _refuse("_codecs.encode")
    return args[0].encode("latin-1")


def make_no_bytes(args: tuple[Any, ...]) -> bytes:
    """Stand in for bytes, which protocol 2 calls without arguments for an empty string of bytes."""
    if args:
        raise _refuse("__builtin__.bytes")
    return b""


def make_tensor(args: tuple[Any, ...]) -> TensorRecord:
    """Stand in for torch's _rebuild_tensor_v2; what follows the stride is of no use here."""
    if len(args) < 4 or not isinstance(args[0], StorageRecord):
        raise _refuse("torch._utils._rebuild_tensor_v2")
    return TensorRecord(args[0], args[1], args[2], args[3])


def make_parameter(args: tuple[Any, ...]) -> TensorRecord:
    """Stand in for torch's _rebuild_parameter: the tensor itself."""
    if not args or not isinstance(args[0], TensorRecord):
        raise _refuse("torch._utils._rebuild_parameter")
    return args[0]


def never_called(name: str) -> Inert:
    """Return an entry that may be named as an argument but not called."""

    def refuse(_: tuple[Any, ...]) -> Any:
        raise FileFormatError(f"the pickle calls {name}, which is refused")

    return refuse


def make_storage(args: tuple[Any, ...]) -> StorageRecord:
    """Stand in for what a torch file's persistent id names: a storage whose bytes come later."""
    if len(args) not in (5, 6) or args[0] != "storage" or (len(args) == 6 and args[5] is not None):
        raise FileFormatError("the pickle uses a persistent id that is not a plain tensor storage")
    kind, count = args[1], args[4]
    dtype = STORAGE_DTYPES.get(kind.name.removeprefix("torch.")) if type(kind) is Allowed else None
    if dtype is None or not is_count(count):
        raise FileFormatError("the pickle holds a tensor storage of an unknown kind or size")
    return StorageRecord(dtype, count)


class StorageShelf:
    """The storages that one torch pickle names, by key."""

    def __init__(self) -> None:
        self.storages: dict[str, StorageRecord] = {}

    def __call__(self, args: tuple[Any, ...]) -> StorageRecord:
        """Return the storage that a persistent id names, the same one for the same key.

        Raises:
            FileFormatError: The id is not a storage's, or its key stands for another storage too.
        """
        storage = make_storage(args)
        key = args[2]
        if not isinstance(key, str):
            raise FileFormatError("the pickle names a tensor storage by something that is no text")
        known = self.storages.setdefault(key, storage)
        if (known.dtype, known.num_elements) != (storage.dtype, storage.num_elements):
            raise FileFormatError(f"the tensor storage {shown(key)} has two different sizes")
        return known


def read_legacy_torch(data: memoryview, *, meter: Meter, table: Table) -> Any:
    """Read what torch.save wrote before it used zip files.

    Four pickles (magic, version, system, the object), the list of storage keys, then the storages,
    each with its length in front.

    Raises:
        FileFormatError: It is anything else.
    """
    position = 0

    def next_pickle(table: Table, persistent: Inert | None = None) -> Any:
        nonlocal position
        machine = PickleMachine(
            data, table=table, persistent=persistent, meter=meter, start=position
        )
        value = machine.run()
        position = machine.position
        return value

    # three small pickles, of plain values only
    if next_pickle({}) != LEGACY_MAGIC or next_pickle({}) != LEGACY_PROTOCOL:
        raise FileFormatError("not a file of torch.save: the magic number is missing")
    system = next_pickle({})
    if not isinstance(system, dict) or system.get("little_endian") is not True:
        raise FileFormatError("written on a big-endian machine, which is not supported")

    # the object, whose tensors are views of storages that have no bytes yet
    shelf = StorageShelf()
    value = next_pickle(table, shelf)
    keys = next_pickle({})
    if not isinstance(keys, list) or sorted(map(str, keys)) != sorted(shelf.storages):
        raise FileFormatError("the list of tensor storages does not fit the tensors")

    # the bytes of each, in the order of the keys
    for key in keys:
        storage = shelf.storages[key]
        size = NUMEL.size + storage.num_elements * storage.dtype.itemsize
        if position + size > len(data):
            raise FileFormatError("the tensors end in the middle: the file is truncated")
        if NUMEL.unpack_from(data, position)[0] != storage.num_elements:
            raise FileFormatError(f"the tensor storage {shown(key)} is not as long as it should be")
        storage.attach(data[position + NUMEL.size : position + size])
        position += size
    return value


def _shared() -> dict[tuple[str, str], Inert]:
    table: dict[tuple[str, str], Inert] = {
        ("collections", "OrderedDict"): make_table,
        ("argparse", "Namespace"): make_record("argparse.Namespace"),
        ("_codecs", "encode"): encode_latin1,
        ("__builtin__", "bytes"): make_no_bytes,
        ("numpy", "dtype"): make_dtype,
        ("numpy", "ndarray"): never_called("numpy.ndarray"),
        ("torch._utils", "_rebuild_tensor_v2"): make_tensor,
        ("torch._utils", "_rebuild_parameter"): make_parameter,
    }
    for package in ("numpy.core", "numpy._core"):
        table[f"{package}.multiarray", "scalar"] = make_scalar
        table[f"{package}.multiarray", "_reconstruct"] = make_array
        table[f"{package}.numeric", "_frombuffer"] = make_array_from_buffer
    return table


def _storage_types() -> dict[tuple[str, str], Inert]:
    return {("torch", name): never_called(f"torch.{name}") for name in STORAGE_DTYPES}


NESTED_TABLE: Table = _storage_types()
"""For a single storage inside another pickle."""

TORCH_TABLE: Table = _shared() | _storage_types()
"""For what torch.save writes."""


def nvidia_table(meter: Meter) -> Table:
    """Return the table for NVIDIA's own pickles, of TensorFlow and of torch."""

    def load_storage(args: tuple[Any, ...]) -> StorageRecord:
        # The real function is an unrestricted unpickler in disguise.
        if len(args) != 1 or not isinstance(args[0], bytes | memoryview):
            raise _refuse("torch.storage._load_from_bytes")
        value = read_legacy_torch(memoryview(args[0]), meter=meter, table=NESTED_TABLE)
        if not isinstance(value, StorageRecord):
            raise FileFormatError(
                "torch.storage._load_from_bytes gave something that is no storage"
            )
        return value

    return _shared() | {
        ("dnnlib.util", "EasyDict"): make_table,
        ("dnnlib.tflib.network", "Network"): make_record("dnnlib.tflib.network.Network"),
        ("torch_utils.persistence", "_reconstruct_persistent_obj"): make_module,
        ("torch.storage", "_load_from_bytes"): load_storage,
    }
