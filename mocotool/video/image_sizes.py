"""The size in an image's header, read without decoding, for the message that refuses it."""

import struct


def claimed_size(data: bytes, codec: str) -> tuple[int, int]:
    """Return the width and height in an image's header.

    Args:
        data: The whole file.
        codec: FFmpeg's name for its decoder: png, bmp, mjpeg, webp or tiff.

    Returns:
        Width and height; zeros if they cannot be read.
    """
    if codec == "png" and len(data) >= 24:
        return struct.unpack_from(">II", data, 16)
    if codec == "bmp" and len(data) >= 26:
        width, height = struct.unpack_from("<ii", data, 18)
        return abs(width), abs(height)
    try:
        find = {"mjpeg": _jpeg_size, "webp": _webp_size, "tiff": _tiff_size}.get(codec)
        return find(data) if find else (0, 0)
    except (struct.error, IndexError):
        return 0, 0


def _jpeg_size(data: bytes) -> tuple[int, int]:
    place = 2
    while data[place] == 0xFF:
        kind, length = data[place + 1], struct.unpack_from(">H", data, place + 2)[0]
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):  # a frame's header
            height, width = struct.unpack_from(">HH", data, place + 5)
            return width, height
        place += 2 + length
    return 0, 0


def _webp_size(data: bytes) -> tuple[int, int]:
    if data[12:16] == b"VP8X":
        sizes = data[24:27], data[27:30]
        width, height = (int.from_bytes(size, "little") + 1 for size in sizes)
        return width, height
    if data[12:16] == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def _tiff_size(data: bytes) -> tuple[int, int]:
    order = "<" if data[:2] == b"II" else ">"
    table = struct.unpack_from(f"{order}I", data, 4)[0]
    (num_entries,) = struct.unpack_from(f"{order}H", data, table)
    sizes = {}
    for place in range(table + 2, table + 2 + 12 * num_entries, 12):
        tag, kind = struct.unpack_from(f"{order}HH", data, place)
        layout = "H" if kind == 3 else "I"  # a short number or a long one
        sizes[tag] = struct.unpack_from(f"{order}{layout}", data, place + 8)[0]
    return sizes.get(0x100, 0), sizes.get(0x101, 0)
