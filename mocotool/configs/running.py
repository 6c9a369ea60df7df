"""Settings that every training command has: what is held out, what is kept, when it ends."""

import re
from typing import Annotated

from mocotool.configs.option import Option
from mocotool.errors import ConfigError

SECONDS = {"h": 3600, "m": 60, "s": 1}


def parse_duration(text: str) -> float:
    """Turn "45m", "1h30m" or "90s" into seconds.

    Raises:
        ConfigError: The text is no span of time.
    """
    parts = re.findall(r"(\d+(?:\.\d+)?)([hms])", text)
    seconds = sum(float(number) * SECONDS[unit] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != text or seconds <= 0:
        raise ConfigError(f"{text!r}: expected a span of time such as 45m, 1h30m or 90s")
    return float(seconds)


Budget = Annotated[
    float | None,
    Option(
        "Time to plan for and keep to, such as 45m or 1h30m; sizes and steps that are not given "
        "are chosen for this machine.",
        above=0,
        panel="Running",
        metavar="TIME",
        parse=parse_duration,
    ),
]

HeldOut = Annotated[
    float,
    Option(
        "Share of the files to measure against at every save, in place of training.",
        min=0,
        max=0.5,
        panel="Running",
    ),
]
Patience = Annotated[
    int | None,
    Option(
        "Saves without a lower held-out figure after which training ends; never if left out.",
        min=1,
        panel="Running",
    ),
]
Keep = Annotated[
    int,
    Option(
        "States that stay, the newest among them; the best one stays as well.",
        min=1,
        panel="Running",
    ),
]
