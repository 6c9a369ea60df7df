"""Settings shared by all training commands: held-out data, saved states, time budget."""

import re
from typing import Annotated

from mocotool.configs.option import Option
from mocotool.errors import ConfigError

SECONDS = {"h": 3600, "m": 60, "s": 1}


def parse_duration(text: str) -> float:
    """Parse "45m", "1h30m" or "90s" as seconds.

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
        "Time limit, such as 45m or 1h30m; sizes and steps that are not given are chosen to fit "
        "it on this machine.",
        above=0,
        panel="Running",
        metavar="TIME",
        parse=parse_duration,
    ),
]

HeldOut = Annotated[
    float,
    Option(
        "Fraction of the files to hold out for evaluation at every save.",
        min=0,
        max=0.5,
        panel="Running",
    ),
]
Patience = Annotated[
    int | None,
    Option(
        "Early stopping: number of saves without a better held-out value; off if left out.",
        min=1,
        panel="Running",
    ),
]
Keep = Annotated[
    int,
    Option(
        "Number of saved states to keep, newest first; the best one is kept as well.",
        min=1,
        panel="Running",
    ),
]
