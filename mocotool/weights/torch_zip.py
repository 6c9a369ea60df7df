"""Reader of what torch.save writes today: a zip of stored entries, one of them a pickle."""

import struct
import zipfile
import zlib
from typing import Any, BinaryIO

from mocotool.boundary import DirectoryReader, Meter
from mocotool.errors import FileFormatError
from mocotool.weights.inert import TORCH_TABLE, StorageShelf
from mocotool.weights.refusals import shown
from mocotool.weights.safe_pickle import PickleMachine

MAX_ENTRIES = 50_000
LOCAL_HEADER = struct.Struct("<4s5H3I2H")
LOCAL_MAGIC = b"PK\x03\x04"
BAD_ZIP = (
    zipfile.BadZipFile,
    NotImplementedError,
    struct.error,
    ValueError,
    OSError,
    OverflowError,
    IndexError,
)


class TorchZip:
    """The entries of a torch zip, as views of the file's bytes.

    Args:
        file: The open file.
        data: The same file's bytes.

    Raises:
        FileFormatError: It is not a plain torch zip: compressed, encrypted, or with entries
            outside its one folder.
    """

    def __init__(self, file: BinaryIO, data: memoryview) -> None:
        self.data = data
        try:
            with zipfile.ZipFile(DirectoryReader(file)) as archive:
                infos = archive.infolist()
        except BAD_ZIP:
            raise FileFormatError("a damaged zip file: cut off, or not a zip at all") from None
        if len(infos) > MAX_ENTRIES:
            raise FileFormatError(f"a zip of {len(infos):,} entries, more than {MAX_ENTRIES:,}")
        self.entries: dict[str, zipfile.ZipInfo] = {}
        for info in infos:
            self._check(info)
            if info.filename in self.entries:
                raise FileFormatError(f"the zip holds {shown(info.filename)} twice")
            self.entries[info.filename] = info
        if sum(info.file_size for info in infos) > len(data):
            raise FileFormatError("the zip's entries overlap each other")
        pickles = [name for name in self.entries if name.endswith("/data.pkl")]
        if len(pickles) != 1 or pickles[0].count("/") != 1:
            raise FileFormatError(*self._explain_missing_pickle())
        self.folder = pickles[0].removesuffix("data.pkl")
        strays = [name for name in self.entries if not name.startswith(self.folder)]
        if strays:
            raise FileFormatError(f"the zip holds {shown(strays[0])} outside its folder")

    def _check(self, info: zipfile.ZipInfo) -> None:
        name = shown(info.filename)
        parts = info.filename.split("/")
        if info.filename.startswith("/") or ".." in parts or "\\" in info.filename:
            raise FileFormatError(f"the zip holds the path {name}, which is refused")
        if info.compress_type != zipfile.ZIP_STORED:
            raise FileFormatError(f"the zip holds {name} compressed; torch never compresses")
        if info.flag_bits & 1:
            raise FileFormatError(f"the zip holds {name} encrypted")
        if info.file_size != info.compress_size or info.file_size > len(self.data):
            raise FileFormatError(f"the zip claims {info.file_size:,} bytes for {name}")

    def _explain_missing_pickle(self) -> tuple[str]:
        names = [name.rpartition("/")[2] for name in self.entries]
        if "constants.pkl" in names:
            return ("a TorchScript program, which cannot be opened without running it",)
        if names and all(name.endswith(".npy") for name in names):
            return ("an .npz of arrays (latents or a PCA basis?), not weights",)
        return ("a zip, but not one of torch.save: there is no data.pkl in its folder",)

    def read(self, name: str) -> memoryview:
        """Return an entry's bytes, checked against its checksum.

        Raises:
            FileFormatError: It is missing or damaged.
        """
        info = self.entries.get(self.folder + name)
        if info is None:
            raise FileFormatError(f"the zip lacks {shown(name)}")
        start = info.header_offset
        header = self.data[start : start + LOCAL_HEADER.size]
        if len(header) < LOCAL_HEADER.size or header[:4] != LOCAL_MAGIC:
            raise FileFormatError(f"the zip is damaged at {shown(name)}")
        *_, name_size, extra_size = LOCAL_HEADER.unpack(header)
        start += LOCAL_HEADER.size + name_size + extra_size
        content = self.data[start : start + info.file_size]
        if len(content) != info.file_size or zlib.crc32(content) != info.CRC:
            raise FileFormatError(f"the zip is damaged: {shown(name)} fails its checksum")
        return content


def read_torch_zip(file: BinaryIO, data: memoryview, *, meter: Meter) -> Any:
    """Read the object in a torch zip; its tensors are views of `data`.

    Raises:
        FileFormatError: The zip or the pickle in it is damaged or refused.
    """
    archive = TorchZip(file, data)
    if f"{archive.folder}constants.pkl" in archive.entries:
        raise FileFormatError("a TorchScript program, which cannot be opened without running it")
    order = f"{archive.folder}byteorder"
    if order in archive.entries and bytes(archive.read("byteorder")) != b"little":
        raise FileFormatError("written on a big-endian machine, which is not supported")
    shelf = StorageShelf()
    machine = PickleMachine(
        archive.read("data.pkl"), table=TORCH_TABLE, persistent=shelf, meter=meter
    )
    value = machine.run()
    for key, storage in shelf.storages.items():
        storage.attach(archive.read(f"data/{key}"))
    return value
