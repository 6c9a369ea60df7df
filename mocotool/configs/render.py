"""Settings of `moco render`, and of every command that writes pictures."""

import dataclasses
from typing import Annotated, Literal

from mocotool.configs.option import Option, Seed, check_options

NoiseChoice = Literal["const", "random", "none"]
PictureFormat = Literal["mp4", "mov", "webm", "mkv", "gif", "apng", "png"]
OutputFormat = Literal["npz", "mp4", "mov", "webm", "mkv", "gif", "apng", "png"]
SOUND_FORMATS = ("mp4", "webm", "mkv")
"""Formats of video that can hold sound."""
DEFAULT_FPS = 12.0  # every second frame of the usual 24
MAX_FPS = 100_000

Noise = Annotated[
    NoiseChoice,
    Option("Per-pixel noise: the file's own, drawn once per video, or none.", panel="Output"),
]
Fps = Annotated[float, Option("Frames per second to play it at.", above=0, max=MAX_FPS)]
ChunkSize = Annotated[
    int,
    Option("Frames rendered at once; memory grows with it.", min=1, panel="Computing"),
]
TruncationPsi = Annotated[
    float, Option("1 leaves the first latent as drawn, 0 takes the most average one.")
]
Label = Annotated[int | None, Option("Class, for a generator that has them.", min=0)]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class RenderConfig:
    """How `render_frames` turns latents into pictures."""

    noise: Noise = "const"
    fps: Annotated[
        float | None,
        Option(
            "Frames per second of videos; what the latents say, else 12, if left out.",
            above=0,
            max=MAX_FPS,
            panel="Output",
        ),
    ] = None
    seed: Seed = 0
    chunk_size: ChunkSize = 16

    def __post_init__(self) -> None:
        check_options(self)

    def choose_fps(self, recorded: float | None) -> float:
        """Return the frame rate of videos: what was asked for, else what latents say, else 12."""
        return self.fps or recorded or DEFAULT_FPS
