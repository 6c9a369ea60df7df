"""Limits on the size of pictures and clips: a file of 89 bytes can claim 256 million pixels."""

import os

from mocotool.errors import ConfigError, FileFormatError

VARIABLE = "MOCO_MAX_MEGAPIXELS"
"""The environment variable that raises the limit on one picture; worker processes inherit it."""
MAX_MEGAPIXELS = 64.0
"""Pixels of one picture: two frames of 8K video, more than a phone's photograph."""
MAX_CLIP_PICTURES = 16
"""Limit on the pixels of a clip in memory, in units of the limit on a picture."""
MAX_FRAMES = 4_000_000
"""Frames of a video: 18 hours at 60 frames per second."""


def max_pixels() -> int:
    """Return the maximum number of pixels of a picture.

    Raises:
        ConfigError: The environment variable is not a positive number.
    """
    text = os.environ.get(VARIABLE) or str(MAX_MEGAPIXELS)
    try:
        megapixels = float(text)
    except ValueError:
        megapixels = -1.0
    if not 0 < megapixels < 1e6:
        raise ConfigError(f"{VARIABLE} is {text!r}, expected a number above 0", hint="unset it")
    return int(megapixels * 1e6)


def check_frame_size(width: int, height: int, *, name: object) -> None:
    """Check that a picture is small enough to be decoded.

    Raises:
        FileFormatError: It is too large.
    """
    if width * height > max_pixels():
        raise FileFormatError(
            f"{name}: pictures of {width}x{height} pixels, expected at most "
            f"{max_pixels() / 1e6:g} million pixels",
            hint=f"if this is intended, set {VARIABLE}={width * height / 1e6:.0f}",
        )


def check_clip_size(num_frames: int, width: int, height: int, *, name: object) -> None:
    """Check that a clip of this size may be held in memory.

    Raises:
        FileFormatError: It is too large.
    """
    pixels = num_frames * width * height
    if pixels > MAX_CLIP_PICTURES * max_pixels():
        raise FileFormatError(
            f"{name}: {num_frames} frames of {width}x{height} are {pixels / 1e6:.0f} million "
            f"pixels at once, expected at most {MAX_CLIP_PICTURES * max_pixels() / 1e6:g} million",
            hint=f"if this is intended, set {VARIABLE}={pixels / 1e6 / MAX_CLIP_PICTURES:.0f}",
        )
