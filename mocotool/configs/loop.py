"""Settings of `moco loop`."""

import dataclasses
from typing import Annotated, Literal

from mocotool.configs.option import Option, check_options
from mocotool.errors import ConfigError

LoopMode = Literal["drift", "back", "blend"]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class LoopConfig:
    """Config of `close_trajectory`."""

    mode: Annotated[
        LoopMode,
        Option(
            "Remove the drift (N frames), play forwards and backwards (2 N - 2), or blend the last "
            "frames into the first (N minus --blend)."
        ),
    ] = "drift"
    blend: Annotated[int, Option("Number of frames blended by --mode blend.", min=1)] = 8

    def __post_init__(self) -> None:
        check_options(self)

    def count_frames(self, num_frames: int) -> int:
        """Return the number of frames of the loop.

        Raises:
            ConfigError: The clip is too short for it.
        """
        if self.mode == "blend" and 2 * self.blend > num_frames:
            raise ConfigError(
                f"blend {self.blend}: a clip of {num_frames} frames has not twice as many",
                hint=f"--blend {max(num_frames // 2, 1)}, or a longer clip",
            )
        if self.mode == "back":
            return max(2 * num_frames - 2, 1)
        return num_frames - (self.blend if self.mode == "blend" else 0)
