import io
import struct
import time
import warnings
import zipfile

import numpy as np
import pytest

from mocotool.errors import FileFormatError
from mocotool.npz import from_json_array, read_npy, read_npz, to_json_array, write_npz


def packed(arrays):
    file = io.BytesIO()
    write_npz(arrays, file)
    return file.getvalue()


def test_arrays_come_back_as_they_were():
    arrays = {
        "whole": np.arange(6).reshape(2, 3),
        "scalar": np.array(7),
        "text": np.array("grüße"),
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "empty": np.zeros((0, 3), np.float32),
    }

    found = read_npz(io.BytesIO(packed(arrays)), "x.npz")

    assert list(found) == list(arrays)
    for key, array in arrays.items():
        assert found[key].dtype == array.dtype
        np.testing.assert_array_equal(found[key], array)


def test_numpy_reads_what_we_write():
    found = np.load(io.BytesIO(packed({"a": np.arange(3)})), allow_pickle=False)

    np.testing.assert_array_equal(found["a"], [0, 1, 2])


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_writes_is_read(save):
    file = io.BytesIO()
    save(file, a=np.asfortranarray(np.arange(6).reshape(2, 3)))

    found = read_npz(io.BytesIO(file.getvalue()), "x.npz")

    np.testing.assert_array_equal(found["a"], np.arange(6).reshape(2, 3))


def test_equal_arrays_give_equal_bytes():
    assert packed({"a": np.arange(3)}) == packed({"a": np.arange(3)})


def test_a_stream_that_cannot_seek_is_written():
    class OneWay(io.RawIOBase):
        def __init__(self):
            self.data = b""

        def writable(self):
            return True

        def write(self, data):
            self.data += bytes(data)
            return len(data)

    stream = OneWay()
    write_npz({"a": np.arange(3)}, stream)

    np.testing.assert_array_equal(read_npz(io.BytesIO(stream.data), "x.npz")["a"], [0, 1, 2])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"GIF89a", "not a readable .npz"),
        (packed({"a": np.arange(1000)})[:-40], "not a readable .npz"),
        (packed({"a": np.arange(1000)}).replace(b"NUMPY", b"NUMPX"), "not a readable"),
    ],
    ids=["gif", "cut", "header"],
)
def test_damaged_files_are_named(data, said):
    with pytest.raises(FileFormatError, match=rf"x\.npz.*{said}"):
        read_npz(io.BytesIO(data), "x.npz")


def test_only_a_file_can_be_looked_at_again(tmp_path):
    path = tmp_path / "picture.gif"
    path.write_bytes(b"GIF89a")

    with pytest.raises(FileFormatError) as of_file:
        read_npz(path, str(path))
    with pytest.raises(FileFormatError) as of_pipe:
        read_npz(io.BytesIO(b"GIF89a"), "<stdin>")

    assert of_file.value.hint == f"`moco info {path}` says what it is"
    assert of_pipe.value.hint is None


def test_a_changed_byte_is_noticed():
    data = bytearray(packed({"a": np.arange(1000)}))
    data[len(data) // 2] ^= 1

    with pytest.raises(FileFormatError, match=r"x\.npz: not a readable .npz"):
        read_npz(io.BytesIO(bytes(data)), "x.npz")


def test_pickles_are_refused():
    file = io.BytesIO()
    np.savez(file, a=np.array([{}], dtype=object))

    with pytest.raises(FileFormatError, match="expected numbers or text"):
        read_npz(io.BytesIO(file.getvalue()), "x.npz")


def test_a_header_that_asks_for_too_much_is_refused_before_allocating():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (10**15,), }\n".replace(
            b"10**15", b"1" + b"0" * 15
        )
        archive.writestr("a.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)

    with pytest.raises(FileFormatError, match="short list of counts"):
        read_npz(io.BytesIO(file.getvalue()), "x.npz")


@pytest.mark.parametrize(
    ("descr", "shape"),
    [
        ("<f4", "(-1, 4)"),
        ("<f4", "(True, 1)"),
        ("<f4", f"(0, {10**30})"),
        ("<f4", f"({'1, ' * 71})"),
        ("<U0", f"({10**12},)"),
        ("<f4", "(" + "-" * 60_000 + "1,)"),
        ("<f4", "(" + "-" * 900 + "1,)"),
        ("<f4", "4"),
        ("<f4", "[4]"),
        ("(1000000,1000000)f4", "(1,)"),
        ("V1000000", "(1,)"),
        ("f4,O", "(1,)"),
    ],
)
@pytest.mark.parametrize("is_alone", [True, False], ids=["npy", "npz"])
def test_a_header_of_nonsense_is_refused_at_once(descr, shape, is_alone, tmp_path):
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    data = b"\x93NUMPY\x02\x00" + struct.pack("<I", len(header)) + header + bytes(64)
    path = tmp_path / "x.npy"
    if is_alone:
        path.write_bytes(data)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.npy", data)

    start = time.process_time()
    with pytest.raises(FileFormatError, match=r"x\.npy: "):
        read_npy(path) if is_alone else read_npz(path, str(path))
    assert time.process_time() - start < 1


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_an_archive_that_numpy_would_not_write_is_refused(method):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("a.npy", bytes(1000))

    with pytest.raises(FileFormatError, match="never uses"):
        read_npz(io.BytesIO(file.getvalue()[:-1] + b"\0"), "x.npz")


def test_a_checksum_is_compared_before_a_header_is_believed():
    file = io.BytesIO()
    np.savez(file, a=np.arange(4.0))
    data = file.getvalue().replace(b"(4,)", b"(2,)")

    with pytest.raises(FileFormatError, match="CRC"):
        read_npz(io.BytesIO(data), "x.npz")


def test_an_endless_directory_is_refused():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.npy", bytes(10))
    with_long_directory = bytearray(file.getvalue())
    end = with_long_directory.rfind(b"PK\x05\x06")
    size, place = struct.unpack_from("<II", with_long_directory, end + 12)
    entry = bytes(with_long_directory[place : place + size])
    many = entry * 400_000
    tail = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, len(many), place, 0)

    with pytest.raises(FileFormatError, match="directory"):
        read_npz(io.BytesIO(bytes(with_long_directory[:place]) + many + tail), "x.npz")


def test_a_zip_bomb_is_refused(monkeypatch):
    monkeypatch.setattr("mocotool.npz.SPARE_BYTES", 1 << 16)
    file = io.BytesIO()
    np.savez_compressed(file, a=np.zeros(1 << 20))

    with pytest.raises(FileFormatError, match="would unpack to"):
        read_npz(io.BytesIO(file.getvalue()), "x.npz")


def test_a_zip_of_something_else_is_refused():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("../evil.sh", "rm")

    with pytest.raises(FileFormatError, match="not an .npz"):
        read_npz(io.BytesIO(file.getvalue()), "x.npz")


def test_two_arrays_of_one_name_are_refused():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr("a.npy", b"1")
        archive.writestr("a.npy", b"2")

    with pytest.raises(FileFormatError, match="not an array of its own"):
        read_npz(io.BytesIO(file.getvalue()), "x.npz")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileFormatError, match="gone.npz: no such file"):
        read_npz(tmp_path / "gone.npz", "gone.npz")


def test_one_array_is_read(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(3.0))

    np.testing.assert_array_equal(read_npy(tmp_path / "a.npy"), [0.0, 1.0, 2.0])


def test_metadata_comes_back():
    values = {"a": [1, "ü"], "b": None}

    assert from_json_array(to_json_array(values), "x.npz") == values


@pytest.mark.parametrize("array", [np.array("[1]"), np.array("{"), np.array(1), np.array(["{}"])])
def test_metadata_must_be_an_object(array):
    with pytest.raises(FileFormatError, match=r"x\.npz: meta"):
        from_json_array(array, "x.npz")
