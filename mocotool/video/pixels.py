"""From decoded frames to RGB bytes: colour, transparency and orientation."""

import struct
from typing import Any, Literal

import av
import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

FramesU8 = NDArray[np.uint8]

# Without full chroma interpolation swscale repeats chroma samples, which costs 6 dB on 4:2:0 video.
SCALING = int(Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT)

BACKGROUND = 255  # transparent pixels show white, as cut-outs and stickers expect


class RgbConverter:
    """Turns decoded frames into upright RGB bytes; one a stream, for the scaler is kept."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def convert(self, frame: av.VideoFrame) -> FramesU8:
        """Return a frame as it is meant to be seen.

        Colours follow the frame's own matrix and range (BT.601 limited range where it names none),
        transparent parts are put on white, and a display matrix or Exif orientation is honoured.

        Returns:
            uint8 [h, w, 3].
        """
        if not has_alpha(frame.format):
            rgb = self._to_array(frame, "rgb24")
        else:
            rgb = put_on_background(self._to_array(frame, "rgba"))
        return orient(rgb, display_matrix(frame))

    def _to_array(self, frame: av.VideoFrame, format: Literal["rgb24", "rgba"]) -> FramesU8:
        reformat = self._reformatter.reformat
        array: Any = reformat(frame, format=format, interpolation=SCALING, threads=1).to_ndarray()
        return array  # type: ignore[no-any-return]


def has_alpha(format: av.VideoFormat) -> bool:
    """Whether a pixel format may hold transparency; palettes may."""
    return bool(format.has_palette or any(component.is_alpha for component in format.components))


def put_on_background(rgba: FramesU8) -> FramesU8:
    """Put uint8 [..., 4] RGBA on the white background and return uint8 [..., 3]."""
    alpha = rgba[..., 3:].astype(np.uint16)
    if int(alpha.min()) == 255:
        return np.ascontiguousarray(rgba[..., :3])
    mixed = rgba[..., :3] * alpha + BACKGROUND * (255 - alpha)
    return ((mixed + 127) // 255).astype(np.uint8)


def display_matrix(frame: av.VideoFrame) -> tuple[int, int, int, int] | None:
    """Return (a, b, c, d) of the frame's display matrix: x' = ax + cy, y' = bx + dy; or `None`."""
    side_data: Any = frame.side_data  # its stub says that iterating gives names
    for item in side_data:
        if item.type == SideDataType.DISPLAYMATRIX:
            a, b, _, c, d = struct.unpack("=5i", bytes(item)[:20])
            return a, b, c, d
    return None


def orient(rgb: FramesU8, matrix: tuple[int, int, int, int] | None) -> FramesU8:
    """Turn and flip [h, w, 3] as a display matrix says, to the nearest quarter turn."""
    if matrix is None:
        return rgb
    a, b, c, d = matrix
    if abs(a) < abs(b):
        rgb = rgb.swapaxes(0, 1)
        flip_x, flip_y = c < 0, b < 0
    else:
        flip_x, flip_y = a < 0, d < 0
    return np.ascontiguousarray(rgb[:: -1 if flip_y else 1, :: -1 if flip_x else 1])
