"""Files that try to run something, or to exhaust the machine: name -> bytes, and what is refused.

Every attempt to run something would create the file MARKER.
"""

import copyreg
import io
import json
import pickle
import struct
import zipfile

MARKER = "was-run"


def command():
    """What the hostile files try to run, in the current folder."""
    return f"touch {MARKER}"


class Calls:
    """Pickles as a call of a function by name, without that function being imported."""

    def __init__(self, function, *args):
        self.function, self.args = function, args

    def __reduce__(self):
        return self.function, self.args


def text(value):
    """SHORT_BINUNICODE."""
    data = value.encode()
    return b"\x8c" + bytes([len(data)]) + data


def stack_global(module, name):
    """STACK_GLOBAL of two texts."""
    return text(module) + text(name) + b"\x93"


def call(module, name, *args):
    """A global called with texts."""
    return stack_global(module, name) + b"(" + b"".join(map(text, args)) + b"tR"


def proto4(body):
    """A protocol 4 pickle of some opcodes."""
    return b"\x80\x04" + body + b"."


def generator_tree(body):
    """A table with the opcodes' object as G_ema, as a pickle."""
    return proto4(b"}" + text("G_ema") + body + b"s")


def blob(data):
    """BINBYTES."""
    return b"B" + struct.pack("<I", len(data)) + data


def legacy_torch(body=None, *, system=None, keys=None, storage=b"", count=0):
    """A legacy torch file with one part replaced."""
    pickled = lambda value: pickle.dumps(value, protocol=2)  # noqa: E731
    system = system or pickled({"protocol_version": 1001, "little_endian": True, "type_sizes": {}})
    head = pickled(0x1950A86A20F9469CFC6C) + pickled(1001) + system
    tail = struct.pack("<q", count) + storage if keys is not None else b""
    return head + (body or pickled({})) + (keys or pickled([])) + tail


STORAGE_ID = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu")


def nested_storage(count=4, data=None):
    """A pickled storage as _load_from_bytes reads it."""
    body = b"\x80\x02" + STORAGE_ID + b"J" + struct.pack("<i", count) + b"NtQ."
    data = b"\0" * (4 * count) if data is None else data
    return legacy_torch(body, keys=pickle.dumps(["0"], protocol=2), storage=data, count=count)


def load_from_bytes(data):
    """The opcodes that read a nested storage."""
    return stack_global("torch.storage", "_load_from_bytes") + blob(data) + b"\x85R"


def integers(*values):
    """A tuple of whole numbers."""
    return b"(" + b"".join(b"J" + struct.pack("<i", v) for v in values) + b"t"


def tensor(offset, shape, stride, storage=None):
    """The opcodes that rebuild a tensor."""
    return (
        stack_global("torch._utils", "_rebuild_tensor_v2")
        + b"("
        + load_from_bytes(storage or nested_storage())
        + b"J"
        + struct.pack("<i", offset)
        + integers(*shape)
        + integers(*stride)
        + b"\x89}tR"
    )


def module(parameters=b"}", modules=b"}"):
    """The opcodes of a persistent network module."""
    state = b"}(" + text("_parameters") + parameters + text("_buffers") + b"}"
    state += text("_modules") + modules + b"u"
    meta = b"}(" + text("type") + text("class") + text("class_name") + text("Generator")
    meta += text("state") + state + b"u"
    name = stack_global("torch_utils.persistence", "_reconstruct_persistent_obj")
    return name + b"(" + meta + b"tR"


def torch_zip(pickled, *, extra=(), folder="g/", method=zipfile.ZIP_STORED, parts=None):
    """A zip as torch.save writes it."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr(f"{folder}data.pkl", pickled)
        archive.writestr(f"{folder}byteorder", "little")
        for name, data in {**(parts or {}), **dict(extra)}.items():
            archive.writestr(name, data)
    return file.getvalue()


def zip_tensor_pickle(key="0", count=4, shape=(4,), stride=(1,)):
    """data.pkl of a table with one tensor."""
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text(key) + text("cpu")
    storage += b"J" + struct.pack("<i", count) + b"tQ"
    body = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K\0" + integers(*shape)
    return b"\x80\x02}" + text("w") + body + integers(*stride) + b"\x89}tRs."


def zip_tensor_table(*names):
    """data.pkl of a table whose tensors are all the same four numbers."""
    one = zip_tensor_pickle()[3:-2].removeprefix(text("w"))
    return b"\x80\x02}(" + b"".join(text(name) + one for name in names) + b"u."


def rosinality_of_octaves(count):
    """data.pkl of a rosinality checkpoint's names for so many octaves."""
    names = [f"to_rgbs.{i}.bias" for i in range(count)]
    return zip_tensor_table("input.input", "style.1.weight", *names)


def wrong_checksum():
    """A torch zip with one flipped byte in a tensor."""
    data = torch_zip(zip_tensor_pickle(), parts={"g/data/0": b"\x01" * 16})
    return data.replace(b"\x01" * 16, b"\x01" * 15 + b"\x02")


def safetensors(header, numbers=b"", *, size=None):
    """A safetensors file."""
    body = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(body) if size is None else size) + body + numbers


def native(arch=None, kind="stylegan2", **metadata):
    """A native file without tensors."""
    arch = arch if isinstance(arch, str) else json.dumps(arch or {})
    given = {"schema": "moco.generator/1", "kind": kind, "arch": arch} | metadata
    return safetensors({"__metadata__": given})


STYLEGAN2_ARCH = {
    "z_dim": 512, "w_dim": 512, "c_dim": 0, "img_resolution": 1024, "img_channels": 3,
    "channels": [65536] * 9, "num_mapping_layers": 64, "mapping_lr_multiplier": 0.01,
    "architecture": "skip", "conv_clamp": None,
}  # fmt: skip


def laughs():
    """Tuples of tuples of tuples, each twice the one before, as a key."""
    body = b"}" + text("a") + b"\x85"
    for _ in range(60):
        body += b"2\x86"
    return proto4(body + b"Ns")


def object_array(payload):
    """A numpy array of objects whose bytes are a pickle."""
    name = stack_global("numpy.core.multiarray", "_reconstruct")
    array = name + b"(" + stack_global("numpy", "ndarray") + b"K\0\x85" + b"C\x01btR"
    dtype = stack_global("numpy", "dtype") + b"(" + text("O8") + b"\x89\x88tR"
    state = b"(K\x01" + b"K\x01\x85" + dtype + b"\x89" + payload + b"tb"
    return generator_tree(array + state)


def number_array(state_tail):
    """A numpy array of numbers with its own end of the state."""
    name = stack_global("numpy.core.multiarray", "_reconstruct")
    array = name + b"(" + stack_global("numpy", "ndarray") + b"K\0\x85" + b"C\x01btR"
    dtype = stack_global("numpy", "dtype") + b"(" + text("f4") + b"\x89\x88tR"
    return generator_tree(array + b"(K\x01" + b"J\xff\xff\xff\x7f\x85" + dtype + state_tail + b"tb")


def extension(code):
    """An EXT opcode whose code stands for os.system while the file is written."""
    copyreg.add_extension("os", "system", code)
    try:
        layouts = {0x82: "<B", 0x83: "<H", 0x84: "<i"}
        opcode = 0x82 if code < 1 << 8 else 0x83 if code < 1 << 16 else 0x84
        body = bytes([opcode]) + struct.pack(layouts[opcode], code)
        return proto4(body + text(command()) + b"\x85R")
    finally:
        copyreg.remove_extension("os", "system", code)


def self_containing():
    """A module that holds itself five hundred times."""
    many = b"".join(text(f"m{i}") + b"h\x00" for i in range(250))
    meta = b"}(" + text("type") + text("class") + text("class_name") + text("G") + text("state")
    meta += b"}(" + text("_parameters") + b"}" + text("_modules") + b"}q\x01u" + b"u"
    name = stack_global("torch_utils.persistence", "_reconstruct_persistent_obj")
    record = name + b"(" + meta + b"tRq\x00"
    return proto4(record + b"h\x01(" + many + b"u0")


def calls_by_protocol(protocol):
    """os.system as pickle itself writes it."""
    import os

    return pickle.dumps(Calls(os.system, command()), protocol=protocol)


def repeated(prepare, once, count):
    """A pickle that prepares something, memoised as 0, and does the same to it many times."""
    return proto4(b"](" + prepare + b"q\x00" + once * count + b"e")


def many_keys(count, step=1):
    """The opcodes of a table with so many keys, whole numbers `step` apart."""
    pairs = b"".join(
        b"\x8a\x0c" + (key * step).to_bytes(12, "little") + b"N" for key in range(count)
    )
    return b"}(" + pairs + b"u"


def overlapping_zip(count=20_000, size=1_000_000):
    """A torch zip whose directory names the same bytes under many names."""
    parts = {"g/data/0": b"\0" * size}
    data = torch_zip(zip_tensor_pickle(), parts=parts)
    end = data.rfind(b"PK\x05\x06")
    length, place = struct.unpack_from("<II", data, end + 12)
    directory = data[place : place + length]
    last = directory[directory.rfind(b"PK\x01\x02") :]
    more = b"".join(last[:46] + f"g/data/{i:05d}".encode() for i in range(count))
    more = more.replace(last[28:30] + last[30:46], struct.pack("<H", 12) + last[30:46])
    tail = struct.pack(
        "<4s4H2IH", b"PK\x05\x06", 0, 0, 3 + count, 3 + count, len(directory + more), place, 0
    )
    return data[:place] + directory + more + tail


def exhausting_files():
    """Return name -> (function that gives the bytes, what the error must say): small but greedy."""
    ordered = stack_global("collections", "OrderedDict")
    pairs = b"](" + b"".join(text(f"k{i}") + b"N\x86" for i in range(150_000)) + b"e"
    state = b"}(" + b"".join(text(f"k{i}") + b"N" for i in range(100_000)) + b"u"
    namespace = stack_global("argparse", "Namespace") + b")\x81"
    latin1 = b"X" + struct.pack("<I", 1_000_000) + b"a" * 1_000_000
    encode = stack_global("_codecs", "encode") + b"h\x00" + text("latin1") + b"\x86R"
    return {
        "_codecs.encode of one text, 20,000 times": (
            lambda: repeated(latin1, encode, 20_000),
            "far more bytes",
        ),
        "OrderedDict of one list, 20,000 times": (
            lambda: repeated(pairs, ordered + b"h\x00\x85R", 20_000),
            "entries of tables",
        ),
        "BUILD of one state, again and again": (
            lambda: repeated(state, namespace + b"h\x00b", 20_000),
            "entries of tables",
        ),
        "120,000 keys of one hash": (
            lambda: proto4(many_keys(120_000, step=2**61 - 1)),
            "huge whole number as a key",
        ),
        "a list of one table, 100,000 times": (
            lambda: proto4(b"](" + state + b"q\x00" + b"h\x00" * 100_000 + b"e"),
            "a list",
        ),
        "a torch zip of entries that overlap": (overlapping_zip, "overlap"),
    }


def hostile_files():
    """Return name -> (function that gives the bytes, what the error must say)."""
    attack = command()
    os_system = f"cos\nsystem\n(S'{attack}'\ntR.".encode()
    evil = pickle.dumps(Calls(eval, "1"), protocol=2)
    many = b"N0" * 600_000
    return exhausting_files() | {
        **{
            f"os.system, protocol {p}": (lambda p=p: calls_by_protocol(p), "system")
            for p in range(6)
        },
        "INST": (lambda: b"(S'" + attack.encode() + b"'\nios\nsystem\n.", "os.system"),
        "OBJ": (lambda: b"(cos\nsystem\nS'" + attack.encode() + b"'\no.", "os.system"),
        "OBJ of an allowed name": (
            lambda: b"\x80\x02(ccollections\nOrderedDict\no.",
            "OBJ",
        ),
        "NEWOBJ": (
            lambda: proto4(stack_global("subprocess", "Popen") + text(attack) + b"\x85\x81"),
            "subprocess.Popen",
        ),
        "NEWOBJ_EX": (
            lambda: proto4(stack_global("collections", "OrderedDict") + b")}\x92"),
            "NEWOBJ_EX",
        ),
        "a dotted name of an allowed module": (
            lambda: proto4(call("torch._utils", "_rebuild_tensor_v2.__globals__", attack)),
            "torch._utils._rebuild_tensor_v2.__globals__",
        ),
        "a dotted module": (
            lambda: proto4(call("collections.OrderedDict", "__init__", attack)),
            "collections.OrderedDict.__init__",
        ),
        "a name that is no text": (
            lambda: proto4(text("os") + b"K\x05\x93"),
            "os.a int",
        ),
        "builtins.eval": (
            lambda: proto4(call("builtins", "eval", f"open({MARKER!r}, 'w')")),
            "builtins.eval",
        ),
        "builtins.exec": (
            lambda: proto4(call("builtins", "exec", f"open({MARKER!r}, 'w')")),
            "builtins.exec",
        ),
        "__builtin__.getattr": (
            lambda: b"\x80\x02c__builtin__\ngetattr\n.",
            "__builtin__.getattr",
        ),
        "bytes with arguments": (
            lambda: b"\x80\x02c__builtin__\nbytes\nJ\xff\xff\xff\x7f\x85R.",
            "__builtin__.bytes",
        ),
        "importlib": (
            lambda: proto4(call("importlib", "import_module", "os")),
            "importlib.import_module",
        ),
        "torch.load": (lambda: proto4(call("torch", "load", "x.pt")), "torch.load"),
        "numpy.load": (lambda: proto4(call("numpy", "load", "x.npy")), "numpy.load"),
        "the real persistence loader's helper": (
            lambda: proto4(call("torch_utils.persistence", "_src_to_module", attack)),
            "_src_to_module",
        ),
        "EXT1": (lambda: extension(240), "EXT1"),
        "EXT2": (lambda: extension(2400), "EXT2"),
        "EXT4": (lambda: extension(240_000), "EXT4"),
        "PERSID": (lambda: proto4(b"Pos.system\n"), "PERSID"),
        "BINPERSID": (lambda: proto4(text("os.system") + b"Q"), "persistent id"),
        "a persistent id of no storage": (
            lambda: torch_zip(b"\x80\x02" + text("module") + b"\x85Q."),
            "persistent id",
        ),
        "NEXT_BUFFER": (lambda: b"\x80\x05\x97.", "NEXT_BUFFER"),
        "READONLY_BUFFER": (lambda: b"\x80\x05N\x98.", "READONLY_BUFFER"),
        "BUILD on a table": (
            lambda: proto4(b"}" + text(attack) + b"b"),
            "a state that is not a table",
        ),
        "BUILD on a number": (lambda: proto4(b"K\x01}b"), "the state of a int"),
        "BUILD with other keys": (
            lambda: proto4(stack_global("argparse", "Namespace") + b")\x81}K\x01K\x02sb"),
            "argparse.Namespace",
        ),
        "attributes of a record": (
            lambda: proto4(
                stack_global("argparse", "Namespace")
                + b")\x81}("
                + text("__class__")
                + text("os")
                + text("__reduce__")
                + text("os")
                + b"ub"
            ),
            "argparse.Namespace",
        ),
        "REDUCE of a table": (lambda: proto4(b"}" + text(attack) + b"\x85R"), "calls something"),
        "REDUCE without a tuple": (
            lambda: proto4(stack_global("collections", "OrderedDict") + text(attack) + b"R"),
            "without a list of arguments",
        ),
        "OrderedDict of something else": (
            lambda: proto4(call("collections", "OrderedDict", attack)),
            "collections.OrderedDict",
        ),
        "Namespace with arguments": (
            lambda: proto4(call("argparse", "Namespace", attack)),
            "argparse.Namespace",
        ),
        "_codecs.encode with another codec": (
            lambda: proto4(call("_codecs", "encode", attack, "zip")),
            "_codecs.encode",
        ),
        "numpy.ndarray called": (
            lambda: proto4(call("numpy", "ndarray", attack)),
            "numpy.ndarray",
        ),
        "numpy.dtype of objects": (
            lambda: proto4(call("numpy", "dtype", "O")),
            "numpy.dtype(O)",
        ),
        "numpy.dtype of raw bytes": (
            lambda: proto4(call("numpy", "dtype", "V1000000")),
            "numpy.dtype(V1000000)",
        ),
        "numpy.dtype as a list of fields": (
            lambda: proto4(call("numpy", "dtype", "f4,O")),
            "numpy.dtype(f4,O)",
        ),
        "numpy.dtype with fields in its state": (
            lambda: proto4(
                call("numpy", "dtype", "f4") + b"(K\x03" + text("<") + b"}}}J\xff\xff\xff\xfftb"
            ),
            "numpy.dtype",
        ),
        "a scalar of the wrong size": (
            lambda: proto4(
                stack_global("numpy.core.multiarray", "scalar")
                + call("numpy", "dtype", "f8")
                + b"C\x01a\x86R"
            ),
            "numpy array",
        ),
        "_reconstruct of another class": (
            lambda: proto4(
                stack_global("numpy.core.multiarray", "_reconstruct")
                + b"("
                + stack_global("collections", "OrderedDict")
                + b"K\0\x85C\x01btR"
            ),
            "numpy _reconstruct",
        ),
        "a pickle inside a numpy object array": (
            lambda: object_array(blob(os_system)),
            "numpy.dtype(O8)",
        ),
        "a numpy array that claims 8 GB": (
            lambda: number_array(b"\x89" + blob(b"abcd")),
            "numpy array has 4 bytes",
        ),
        "a numpy array of a list": (
            lambda: number_array(b"\x89](" + text(attack) + b"e"),
            "numpy.ndarray of objects",
        ),
        "a pickle inside a storage": (
            lambda: generator_tree(load_from_bytes(legacy_torch(b"\x80\x02" + os_system))),
            "os.system",
        ),
        "a pickle in place of a storage": (
            lambda: generator_tree(load_from_bytes(os_system)),
            "os.system",
        ),
        "a table in place of a storage": (
            lambda: generator_tree(load_from_bytes(legacy_torch())),
            "no storage",
        ),
        "a storage inside a storage": (
            lambda: generator_tree(load_from_bytes(legacy_torch(proto4(load_from_bytes(b""))))),
            "torch.storage._load_from_bytes",
        ),
        "a torch zip inside a storage": (
            lambda: generator_tree(load_from_bytes(torch_zip(b"\x80\x02" + os_system))),
            "refused",
        ),
        "_load_from_bytes of a text": (
            lambda: proto4(call("torch.storage", "_load_from_bytes", attack)),
            "torch.storage._load_from_bytes",
        ),
        "a storage that claims 8 GB": (
            lambda: generator_tree(load_from_bytes(nested_storage(2**31 - 1, b"\0" * 16))),
            "truncated",
        ),
        "a tensor far beyond its storage": (
            lambda: generator_tree(tensor(0, (2**31 - 1, 4), (4, 1))),
            "beyond its storage",
        ),
        "a tensor before its storage": (
            lambda: generator_tree(tensor(-1, (4,), (1,))),
            "do not fit",
        ),
        "a tensor that walks backwards": (
            lambda: generator_tree(tensor(3, (4,), (-1,))),
            "stride",
        ),
        "a tensor of one number a billion times": (
            lambda: generator_tree(tensor(0, (1_000_000, 1_000_000), (0, 0))),
            "beyond its storage",
        ),
        "an empty tensor of endless axes": (
            lambda: generator_tree(tensor(0, (0, 2**31 - 1, 2**31 - 1), (0, 0, 0))),
            "implausibly large",
        ),
        "a checkpoint that wants noise of gigabytes": (
            lambda: torch_zip(rosinality_of_octaves(14), parts={"g/data/0": b"\0" * 16}),
            "14 octaves",
        ),
        "spectral norms of numbers": (
            lambda: torch_zip(
                zip_tensor_table(
                    *("linear.weight", "linear.u0", "blocks.0.0.conv1.weight"),
                    *("output_layer.2.weight", "blocks.0.0.bn1.gain.weight"),
                ),
                parts={"g/data/0": b"\0" * 16},
            ),
            "another shape",
        ),
        "a tensor of no storage": (
            lambda: proto4(call("torch._utils", "_rebuild_tensor_v2", "a", "b", "c", "d")),
            "torch._utils._rebuild_tensor_v2",
        ),
        "a parameter of no tensor": (
            lambda: proto4(call("torch._utils", "_rebuild_parameter", attack)),
            "torch._utils._rebuild_parameter",
        ),
        "a module that holds itself": (self_containing, "far more modules"),
        "a module that is a text": (
            lambda: generator_tree(module(modules=b"}" + text("mapping") + text(attack) + b"s")),
            "not a module",
        ),
        "a parameter that is a text": (
            lambda: generator_tree(module(parameters=b"}" + text("w") + text(attack) + b"s")),
            "not a tensor",
        ),
        "os.system in a torch zip": (
            lambda: torch_zip(b"\x80\x02" + os_system),
            "os.system",
        ),
        "os.system among the weights of a torch zip": (
            lambda: torch_zip(b"\x80\x02}" + text("w") + os_system[:-1] + b"s."),
            "os.system",
        ),
        "a torch zip with a path upwards": (
            lambda: torch_zip(b"\x80\x02}.", extra={"g/../../evil": "x"}.items()),
            "g/../../evil",
        ),
        "a torch zip with an absolute path": (
            lambda: torch_zip(b"\x80\x02}.", extra={"/etc/evil": "x"}.items()),
            "/etc/evil",
        ),
        "a torch zip with a Windows path": (
            lambda: torch_zip(b"\x80\x02}.", extra={"g\\..\\evil": "x"}.items()),
            "evil",
        ),
        "a torch zip with a file beside its folder": (
            lambda: torch_zip(b"\x80\x02}.", extra={"evil.py": "x"}.items()),
            "evil.py",
        ),
        "a torch zip with two pickles": (
            lambda: torch_zip(b"\x80\x02}.", extra={"h/data.pkl": os_system}.items()),
            "data.pkl",
        ),
        "a zip bomb": (
            lambda: torch_zip(
                b"\x80\x02}.",
                extra={"g/data/0": b"\0" * 30_000_000}.items(),
                method=zipfile.ZIP_DEFLATED,
            ),
            "compressed",
        ),
        "a torch zip with a damaged tensor": (wrong_checksum, "checksum"),
        "a torch zip whose tensor is elsewhere": (
            lambda: torch_zip(zip_tensor_pickle(key="../../etc/passwd")),
            "etc/passwd",
        ),
        "a torch zip that claims more": (
            lambda: torch_zip(zip_tensor_pickle(count=10**9), parts={"g/data/0": b"\0" * 16}),
            "16 bytes",
        ),
        "a TorchScript program": (
            lambda: torch_zip(b"\x80\x02}.", extra={"g/constants.pkl": b"\x80\x02)."}.items()),
            "TorchScript",
        ),
        "os.system in a legacy torch file": (
            lambda: legacy_torch(b"\x80\x02" + os_system),
            "os.system",
        ),
        "os.system in a legacy torch file's system record": (
            lambda: legacy_torch(system=evil),
            "eval",
        ),
        "os.system in a legacy torch file's list of keys": (
            lambda: legacy_torch(keys=evil),
            "eval",
        ),
        "an index of four billion": (
            lambda: proto4(b"N" + b"r\xff\xff\xff\xff"),
            "not a generator",
        ),
        "a million opcodes": (lambda: proto4(many + b"N"), "opcodes"),
        "a hundred thousand marks": (lambda: proto4(b"(" * 100_000), "deep"),
        "a hundred thousand tuples": (lambda: proto4(b"N" + b"\x85" * 100_000), "deep"),
        "tuples as keys, doubled sixty times": (laughs, "a tuple as a key"),
        "a whole number of a megabyte": (
            lambda: proto4(b"\x8b" + struct.pack("<I", 1_000_000) + b"\1" * 1_000_000),
            "1000000 bytes",
        ),
        "bytes that claim four exabytes": (
            lambda: proto4(b"\x8e" + struct.pack("<Q", 1 << 62)),
            "ends in the middle",
        ),
        "a text that claims four exabytes": (
            lambda: proto4(b"\x8d" + struct.pack("<Q", 1 << 62)),
            "ends in the middle",
        ),
        "a frame that claims four exabytes": (
            lambda: proto4(b"\x95" + struct.pack("<Q", 1 << 62)),
            "ends in the middle",
        ),
        "protocol 77": (lambda: b"\x80\x4d}.", "protocol 77"),
        "an unknown opcode": (lambda: b"\x80\x04\xff.", "0xff"),
        "control characters in a name": (
            lambda: proto4(call("os\x1b[31m\n", "system", attack)),
            "os\\x1b[31m\\n.system",
        ),
        "a safetensors header of four exabytes": (
            lambda: safetensors({}, size=1 << 62),
            "neither",
        ),
        "a safetensors header of brackets": (
            lambda: safetensors(b'{"a":' + b"[" * 100_000),
            "not a safetensors file, or damaged (invalid JSON",
        ),
        "safetensors that overlap": (
            lambda: safetensors(
                {str(i): {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]} for i in range(3)},
                b"\0" * 4,
            ),
            "not a safetensors file, or damaged (invalid offset",
        ),
        "safetensors beyond the file": (
            lambda: safetensors(
                {"a": {"dtype": "F32", "shape": [1 << 30], "data_offsets": [0, 1 << 32]}}
            ),
            "not a safetensors file, or damaged",
        ),
        "safetensors of objects": (
            lambda: safetensors({"a": {"dtype": "O8", "shape": [1], "data_offsets": [0, 8]}}),
            "not a safetensors file, or damaged",
        ),
        "a native file of a network of terabytes": (lambda: native(STYLEGAN2_ARCH), "missing"),
        "a native file of a billion layers": (
            lambda: native(STYLEGAN2_ARCH | {"num_mapping_layers": 10**9}),
            "num_mapping_layers",
        ),
        "a native file with another argument": (
            lambda: native(STYLEGAN2_ARCH | {"__class__": "os.system"}),
            "__class__",
        ),
        "a native file of another kind": (
            lambda: native({}, kind="os.system"),
            "os.system",
        ),
    }
