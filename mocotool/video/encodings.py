"""Encoder settings of each file ending and codec: containers and pixel formats."""

from dataclasses import dataclass, field

from mocotool.configs.render import FORMAT_CODECS, CodecChoice

MIN_FPS, MAX_FPS = 1e-3, 1e5  # a time base of H.264 holds these
MAX_GIF_DELAY = 655.35  # seconds, in 16 bits
MAX_MATROSKA_FPS = 1000  # times are in milliseconds
MAX_APNG_FPS = 10_000  # delays are fractions of 16 bits


@dataclass(frozen=True, slots=True)
class Container:
    """A container format."""

    name: str
    """FFmpeg's name for it."""
    options: dict[str, str] = field(default_factory=dict)
    pipe_options: dict[str, str] = field(default_factory=dict)
    """Additional options for output to a pipe."""
    min_fps: float = MIN_FPS
    max_fps: float = MAX_FPS


@dataclass(frozen=True, slots=True)
class Codec:
    """A video codec and its settings."""

    name: str
    """FFmpeg's name for the encoder."""
    pix_fmt: str
    alpha_pix_fmt: str | None = None
    """Pixel format for transparent pictures; `None` if not supported."""
    options: dict[str, str] = field(default_factory=dict)
    alpha_options: dict[str, str] = field(default_factory=dict)
    """Additional options for transparent pictures."""


# A fragment a second, so that a player at the other end of a pipe starts soon.
_FRAGMENTED = {
    "movflags": "frag_keyframe+delay_moov+default_base_moof",
    "frag_duration": "1000000",
}
CONTAINERS = {
    "mp4": Container("mp4", {"movflags": "+faststart"}, _FRAGMENTED),
    "mov": Container("mov", {"movflags": "+faststart"}, _FRAGMENTED),
    "mkv": Container("matroska", max_fps=MAX_MATROSKA_FPS),
    "webm": Container("webm", max_fps=MAX_MATROSKA_FPS),
    "gif": Container("gif", min_fps=1 / MAX_GIF_DELAY),
    "apng": Container("apng", {"plays": "0"}, max_fps=MAX_APNG_FPS),
}
_PICTURE_CODECS = {
    "gif": Codec("gif", "pal8"),
    "apng": Codec("apng", "rgb24", "rgba", {"pred": "mixed"}),
}
CODECS: dict[CodecChoice, Codec] = {
    "h264": Codec("libx264", "yuv420p", None, {"crf": "17", "preset": "medium"}),
    "vp9": Codec(
        "libvpx-vp9",
        "yuv420p",
        "yuva420p",
        {"crf": "20", "b": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1"},
        {"auto-alt-ref": "0"},  # the encoder has none of these frames beside a second picture
    ),
    "prores": Codec(
        "prores_ks",
        "yuv422p10le",
        "yuva444p10le",
        {"profile": "hq", "vendor": "apl0"},
        {"profile": "4444"},
    ),
    "ffv1": Codec("ffv1", "bgr0", "bgra", {"level": "3", "g": "1"}),
}


def choose_codec(format: str, codec: CodecChoice | None = None) -> Codec:
    """Return the codec of a format.

    Args:
        format: A key of `CONTAINERS`.
        codec: A codec that the format supports; `None` for its default.
    """
    if format in _PICTURE_CODECS:
        return _PICTURE_CODECS[format]
    return CODECS[codec or FORMAT_CODECS[format][0]]


def padding(pix_fmt: str, *, height: int, width: int) -> tuple[int, int]:
    """Return the rows and columns to add for the chroma subsampling of a pixel format."""
    halves_rows, halves_columns = "420" in pix_fmt, "420" in pix_fmt or "422" in pix_fmt
    return height % 2 if halves_rows else 0, width % 2 if halves_columns else 0
