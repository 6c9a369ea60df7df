"""Identification of files by their first bytes, never by their name."""

import json
from typing import Literal

from mocotool.errors import FileFormatError

Container = Literal["torch zip", "legacy torch", "pickle", "safetensors"]

# The pickled long integer every legacy torch file begins with, after its protocol.
LEGACY_TORCH_START = b"\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
HEAD_BYTES = 512

DOWNLOAD_AGAIN = "download it again; the link may need a browser, a login or `git lfs pull`"


def identify_container(data: memoryview) -> Container:
    """Return how a file of weights is packed.

    Raises:
        FileFormatError: It is nothing that holds weights; the message says what it looks like.
    """
    head = bytes(data[:HEAD_BYTES])
    if head.startswith(b"PK\x03\x04"):
        return "torch zip"
    if head[:1] == b"\x80" and head[2 : 2 + len(LEGACY_TORCH_START)] == LEGACY_TORCH_START:
        return "legacy torch"
    if len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < len(data):
        return "safetensors"
    if head[:1] == b"\x80" or _looks_like_text_pickle(data, head):
        return "pickle"
    raise explain_unknown(head)


def _looks_like_text_pickle(data: memoryview, head: bytes) -> bool:
    # Protocols 0 and 1 have no magic number: an opcode that can begin one, and the final stop.
    return head[:1] in b"(c]}IKLMJNFGVSXTUBC)i\x8c\x8d\x8a" and bytes(data[-1:]) == b"."


def explain_unknown(head: bytes) -> FileFormatError:
    """Return the error for a file that begins with these bytes."""
    text = head.lstrip()[:100].lower()
    if head.startswith(b"version https://git-lfs"):
        return FileFormatError(
            "a Git LFS pointer, not the file itself",
            hint="in the repository it came from, run `git lfs pull`",
        )
    if text.startswith((b"<!doctype", b"<html", b"<head", b"<?xml")):
        return FileFormatError("a web page, not weights", hint=DOWNLOAD_AGAIN)
    if not head.strip(b"\0"):
        return FileFormatError("nothing but zero bytes", hint=DOWNLOAD_AGAIN)
    for magic, what in _OTHER_FILES.items():
        if head.startswith(magic):
            return FileFormatError(f"{what}, not weights")
    if text.startswith((b"{", b"[")) and _is_json(head):
        return FileFormatError("a JSON file, not weights")
    return FileFormatError(
        "not a file of weights: neither a torch file, a pickle nor safetensors", hint=DOWNLOAD_AGAIN
    )


def _is_json(head: bytes) -> bool:
    try:
        json.JSONDecoder().raw_decode(head.decode("utf-8", "replace").lstrip())
    except (ValueError, RecursionError):
        return b'"' in head
    return True


_OTHER_FILES = {
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "a numpy array",
    b"\x1f\x8b": "a gzip archive (unpack it first)",
    b"7z\xbc\xaf": "a 7z archive (unpack it first)",
    b"Rar!": "a RAR archive (unpack it first)",
    b"BZh": "a bzip2 archive (unpack it first)",
    b"\x28\xb5\x2f\xfd": "a zstd archive (unpack it first)",
    b"GGUF": "a GGUF language model",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"%PDF": "a PDF document",
    b"\x7fELF": "a program",
    b"{\n": "a JSON file",
}
