"""From decoded frames to RGB bytes: colour, transparency and orientation."""

import struct
from typing import Any, Literal

import av
import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from av.video.reformatter import Interpolation

from mocotool.arrays import FramesU8

# Without full chroma interpolation swscale repeats chroma samples, which costs 6 dB on 4:2:0 video.
SCALING = int(Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT)

# (a, b, c, d) of a display matrix: x' = ax + cy, y' = bx + dy.
Matrix = tuple[int, int, int, int]

TIFF_MARKS = (b"II*\x00", b"MM\x00*")
# What stands before the TIFF header, and how far: JPEG, PNG, WebP.
EXIF_MARKS = ((b"Exif\x00\x00", 6), (b"eXIf", 4), (b"EXIF", 8))
EXIF_ORIENTATION = 0x0112
EXIF_MATRICES: dict[int, Matrix] = {
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, 1, -1, 0),
    7: (0, -1, -1, 0),
    8: (0, -1, 1, 0),
}

BACKGROUND = 255  # transparent pixels show white, as cut-outs and stickers expect


def to_rgb(frame: av.VideoFrame) -> FramesU8:
    """Convert a decoded frame to RGB as it should be displayed.

    Colours follow the frame's own matrix and range (BT.601 limited range if unspecified),
    transparent parts are composited on white, and a display matrix is applied.

    Returns:
        uint8 [h, w, 3].
    """
    return orient(to_stored_rgb(frame), display_matrix(frame))


def to_stored_rgb(frame: av.VideoFrame) -> FramesU8:
    """Convert a decoded frame to RGB as stored, without rotation, uint8 [h, w, 3]."""
    if not has_alpha(frame.format):
        return _convert(frame, "rgb24")
    return put_on_background(_convert(frame, "rgba"))


def _convert(frame: av.VideoFrame, format: Literal["rgb24", "rgba"]) -> FramesU8:
    scaled = frame.reformat(format=format, interpolation=SCALING, threads=1)
    array: Any = scaled.to_ndarray()
    return array  # type: ignore[no-any-return]


def has_alpha(format: av.VideoFormat) -> bool:
    """Return whether a pixel format may have an alpha channel; palettes may."""
    return bool(format.has_palette or any(component.is_alpha for component in format.components))


def put_on_background(rgba: FramesU8) -> FramesU8:
    """Composite uint8 [..., 4] RGBA on white; return uint8 [..., 3]."""
    alpha = rgba[..., 3:].astype(np.uint16)
    if int(alpha.min()) == 255:
        return np.ascontiguousarray(rgba[..., :3])
    mixed = rgba[..., :3] * alpha + BACKGROUND * (255 - alpha)
    return ((mixed + 127) // 255).astype(np.uint8)


def display_matrix(frame: av.VideoFrame) -> Matrix | None:
    """Return the frame's display matrix, or `None` if it has none."""
    try:
        side_data: Any = frame.side_data  # its stub says that iterating gives names
    except ValueError:
        # PyAV knows no name for one of the kinds attached; it still tells a turn, though no mirror.
        quarter_turns = round(frame.rotation / 90) % 4
        return ((1, 0, 0, 1), (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0))[quarter_turns]
    for item in side_data:
        if item.type == SideDataType.DISPLAYMATRIX:
            a, b, _, c, d = struct.unpack("=5i", bytes(item)[:20])
            return a, b, c, d
    return None


def exif_matrix(data: bytes) -> Matrix | None:
    """Return the orientation in an image file's Exif or TIFF header.

    Args:
        data: The whole file: JPEG, PNG, WebP or TIFF.

    Returns:
        The matrix, or `None` if there is none, or an invalid one.
    """
    starts = (data.find(mark) + offset for mark, offset in EXIF_MARKS if mark in data)
    start = 0 if data[:4] in TIFF_MARKS else next(starts, len(data))
    if data[start : start + 4] not in TIFF_MARKS:
        return None
    order = "<" if data[start : start + 2] == b"II" else ">"
    try:
        table = start + struct.unpack_from(f"{order}I", data, start + 4)[0]
        (num_entries,) = struct.unpack_from(f"{order}H", data, table)
        for place in range(table + 2, table + 2 + 12 * num_entries, 12):
            tag, _, _, value = struct.unpack_from(f"{order}HHIH", data, place)
            if tag == EXIF_ORIENTATION:
                return EXIF_MATRICES.get(value)
    except struct.error:
        pass  # truncated: as good as absent
    return None


def orient(rgb: FramesU8, matrix: Matrix | None) -> FramesU8:
    """Rotate and flip [h, w, 3] by a display matrix, rounded to quarter turns."""
    if matrix is None:
        return rgb
    a, b, c, d = matrix
    if abs(a) < abs(b):
        rgb = rgb.swapaxes(0, 1)
        flip_x, flip_y = c < 0, b < 0
    else:
        flip_x, flip_y = a < 0, d < 0
    return np.ascontiguousarray(rgb[:: -1 if flip_y else 1, :: -1 if flip_x else 1])
