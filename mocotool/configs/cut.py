"""Settings of `moco cut`."""

import dataclasses
import re
from typing import Annotated

from mocotool.configs.interpolate import Ends, Mode
from mocotool.configs.option import Option, check_options, parse_numbers
from mocotool.errors import ConfigError


def parse_frames(text: str) -> tuple[int | None, int | None]:
    """Parse "10:50", ":50", "-24:" or "7" as first frame and the frame after the last.

    Raises:
        ConfigError: The text is none of them.
    """
    match = re.fullmatch(r"(-?\d{1,9})?(:)?(-?\d{1,9})?", text.strip())
    if match is None or not text.strip() or (match[2] is None and match[3] is not None):
        raise ConfigError(f"frames {text!r}: expected a range such as 10:50")
    first = None if match[1] is None else int(match[1])
    if match[2] is None:
        assert first is not None
        return first, (first + 1) or None  # frame -1 ends at the end
    return first, None if match[3] is None else int(match[3])


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class CutConfig:
    """Config of `cut_trajectory`, in order of application."""

    videos: Annotated[
        tuple[int, ...] | None,
        Option("Videos to keep; all if left out.", metavar="0-3,9", parse=parse_numbers),
    ] = None
    frames: Annotated[
        tuple[int | None, int | None] | None,
        Option(
            "Range of frames from 0, without the end, as in Python; -24: is the last 24.",
            metavar="10:50",
            parse=parse_frames,
        ),
    ] = None
    reverse: Annotated[bool, Option("Play it backwards.")] = False
    speed: Annotated[
        float,
        Option(
            "2 plays twice as fast, with half as many frames at the same frame rate.",
            above=0,
            max=1e4,
        ),
    ] = 1.0
    mode: Mode = "linear"
    ends: Annotated[
        Ends, Option("natural: from the first frame to the last; periodic: a loop.")
    ] = "natural"

    def __post_init__(self) -> None:
        check_options(self)
