"""Settings of `moco render`, and of every command that writes pictures."""

import dataclasses
from typing import Literal

from mocotool.errors import ConfigError

NoiseChoice = Literal["const", "random", "none"]
PictureFormat = Literal["mp4", "webm", "mkv", "gif", "apng", "png"]
OutputFormat = Literal["npz", "mp4", "webm", "mkv", "gif", "apng", "png"]
DEFAULT_FPS = 12.0  # every second frame of the usual 24


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class RenderConfig:
    """How `render_frames` turns latents into pictures."""

    noise: NoiseChoice = "const"
    """Per-pixel noise: the generator's own, drawn once a video ("random"), or none."""
    fps: float | None = None
    """Frames a second; `None` is what the latents say, else 12."""
    seed: int = 0
    """Seed of random noise."""
    chunk_size: int = 16
    """Frames rendered at once; memory grows with it, the pictures depend on it only by rounding."""

    def __post_init__(self) -> None:
        if self.chunk_size < 1:
            raise ConfigError(f"chunks of {self.chunk_size} frames, expected 1 at least")
        if self.fps is not None and not 0.0 < self.fps < 1e4:
            raise ConfigError(f"{self.fps} frames a second, expected more than 0", hint="--fps 12")

    def choose_fps(self, recorded: float | None) -> float:
        """Return the frame rate of videos: what was asked for, else what latents say, else 12."""
        return self.fps or recorded or DEFAULT_FPS
