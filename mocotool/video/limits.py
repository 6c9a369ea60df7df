"""Limits on the size of pictures and clips: a file of 89 bytes can claim 256 million pixels."""

import os

from mocotool.errors import ConfigError, FileFormatError

VARIABLE = "MOCO_MAX_MEGAPIXELS"
"""The environment variable that raises the limit on one picture; worker processes inherit it."""
MAX_MEGAPIXELS = 64.0
"""Of one picture: twice a frame of 8K video, more than a photograph of a telephone."""
MAX_CLIP_PICTURES = 16
"""A clip that is held in memory may have as many pixels as this many of the largest pictures."""
MAX_FRAMES = 4_000_000
"""Of a video: 18 hours at 60 frames per second."""


def max_pixels() -> int:
    """Return how many pixels one picture may have.

    Raises:
        ConfigError: The environment variable holds something other than a positive number.
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
        FileFormatError: It is not.
    """
    if width * height > max_pixels():
        raise FileFormatError(
            f"{name}: pictures of {width}x{height} pixels, expected at most "
            f"{max_pixels() / 1e6:g} million pixels",
            hint=f"if this is intended, set {VARIABLE}={width * height / 1e6:.0f}",
        )


def check_clip_size(num_frames: int, width: int, height: int, *, name: object) -> None:
    """Check that so many frames may be held in memory at once.

    Raises:
        FileFormatError: They may not.
    """
    pixels = num_frames * width * height
    if pixels > MAX_CLIP_PICTURES * max_pixels():
        raise FileFormatError(
            f"{name}: {num_frames} frames of {width}x{height} are {pixels / 1e6:.0f} million "
            f"pixels at once, expected at most {MAX_CLIP_PICTURES * max_pixels() / 1e6:g} million",
            hint=f"if this is intended, set {VARIABLE}={pixels / 1e6 / MAX_CLIP_PICTURES:.0f}",
        )
