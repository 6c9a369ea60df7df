"""Pictures in every format that is read, written by FFmpeg's encoders."""

from fractions import Fraction

import av

# Ending -> encoder, and what it takes.
PICTURE_CODECS = {
    "jpg": ("mjpeg", "yuvj420p"),
    "webp": ("libwebp", "bgra"),
    "tiff": ("tiff", "rgb24"),
    "bmp": ("bmp", "bgr24"),
    "png": ("png", "rgb24"),
}


def encode_picture(rgb_u8, ending):
    """Return uint8 [h, w, 3] as the bytes of a file."""
    codec, pix_fmt = PICTURE_CODECS[ending]
    encoder = av.CodecContext.create(codec, "w")
    encoder.height, encoder.width, _ = rgb_u8.shape
    encoder.pix_fmt, encoder.time_base = pix_fmt, Fraction(1, 1)
    frame = av.VideoFrame.from_ndarray(rgb_u8, format="rgb24").reformat(format=pix_fmt)
    return b"".join(map(bytes, [*encoder.encode(frame), *encoder.encode(None)]))
