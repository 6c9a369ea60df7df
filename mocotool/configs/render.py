"""Settings of `moco render`, and of every command that writes pictures."""

import dataclasses
from typing import Annotated, Literal

from mocotool.configs.option import Option, Seed, check_options, list_choices
from mocotool.errors import ConfigError

NoiseChoice = Literal["const", "random", "none"]
PictureFormat = Literal["mp4", "mov", "webm", "mkv", "gif", "apng", "png"]
OutputFormat = Literal["npz", "mp4", "mov", "webm", "mkv", "gif", "apng", "png"]
SOUND_FORMATS = ("mp4", "mov", "webm", "mkv")
"""Formats of video that can hold sound."""
CodecChoice = Literal["h264", "vp9", "prores", "ffv1"]
FORMAT_CODECS: dict[str, tuple[CodecChoice, ...]] = {
    "mp4": ("h264", "vp9"),
    "mov": ("h264", "prores"),
    "webm": ("vp9",),
    "mkv": ("h264", "vp9", "ffv1", "prores"),
}
"""Codecs of each video format; the first is the default."""
MAX_CRF = {"h264": 51, "vp9": 63}
"""Highest CRF (lowest quality) of codecs that have one; the others are lossless or fixed."""
MAX_SIDE = 16_384
DEFAULT_FPS = 12.0  # every second frame of the usual 24
MAX_FPS = 100_000

Noise = Annotated[
    NoiseChoice,
    Option("Per-pixel noise: the file's own, drawn once per video, or none.", panel="Output"),
]
Fps = Annotated[float, Option("Frames per second.", above=0, max=MAX_FPS)]
ChunkSize = Annotated[
    int,
    Option("Frames per rendering batch; memory grows with it.", min=1, panel="Computing"),
]
TruncationPsi = Annotated[
    float, Option("Truncation: 1 keeps the sampled latent, 0 is the mean latent.")
]
Label = Annotated[int | None, Option("Class, for a class-conditional generator.", min=0)]


def parse_size(text: str) -> tuple[int, int | None]:
    """Parse "640" or "640x360" as width and height; the height may be `None`.

    Raises:
        ConfigError: The text is neither.
    """
    width, cross, height = text.lower().partition("x")
    sides = (width, height) if cross else (width,)
    if not all(side.isdecimal() and 1 <= int(side) <= MAX_SIDE for side in sides):
        raise ConfigError(f"size {text!r}: expected W or WxH, each from 1 to {MAX_SIDE}")
    return int(width), int(height) if cross else None


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class RenderConfig:
    """Config of `render_frames`."""

    noise: Noise = "const"
    fps: Annotated[
        float | None,
        Option(
            "Frames per second; if left out, those of the latents, else 12.",
            above=0,
            max=MAX_FPS,
            panel="Output",
        ),
    ] = None
    size: Annotated[
        tuple[int, int | None] | None,
        Option(
            "Resize the output (Lanczos); without a height the aspect ratio is kept.",
            metavar="W[xH]",
            parse=parse_size,
            panel="Output",
        ),
    ] = None
    codec: Annotated[
        CodecChoice | None,
        Option("Video codec; if left out, H.264, or VP9 in WebM.", panel="Output"),
    ] = None
    crf: Annotated[
        int | None,
        Option(
            "Constant rate factor of H.264 (default 17) and VP9 (default 20): lower is better.",
            min=0,
            max=63,
            panel="Output",
        ),
    ] = None
    captions: Annotated[
        bool,
        Option("Label contact sheets with names, seeds and frame numbers.", panel="Output"),
    ] = False
    seed: Seed = 0
    chunk_size: ChunkSize = 16

    def __post_init__(self) -> None:
        check_options(self)

    def check_captions(self, *, is_sheet: bool) -> None:
        """Check that captions are used with a contact sheet.

        Raises:
            ConfigError: They are wanted on something else.
        """
        if self.captions and not is_sheet:
            raise ConfigError("--captions is for contact sheets", hint="-o sheet.png")

    def check_format(self, format: str) -> None:
        """Check that a format supports codec and quality, before anything is rendered.

        Raises:
            ConfigError: They do not.
        """
        codecs = FORMAT_CODECS.get(format, ())
        if self.codec is not None and self.codec not in codecs:
            fitting = [f".{name}" for name, held in FORMAT_CODECS.items() if self.codec in held]
            raise ConfigError(
                f"--codec {self.codec} goes into {list_choices(tuple(fitting))}, not .{format}"
            )
        codec = self.codec or (codecs[0] if codecs else None)
        if self.crf is not None and (codec is None or self.crf > MAX_CRF.get(codec, -1)):
            quality = "has no such quality"
            if codec in MAX_CRF:
                quality = f"has qualities from 0 to {MAX_CRF[codec]}"
            raise ConfigError(f"--crf {self.crf}: {codec or f'.{format}'} {quality}")

    def choose_fps(self, recorded: float | None) -> float:
        """Return the frame rate: the given one, else that of the latents, else 12."""
        return self.fps or recorded or DEFAULT_FPS
