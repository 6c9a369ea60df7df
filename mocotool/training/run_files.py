"""Names of the files in a training run's folder, and how they are read; see `run_folder`."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mocotool.boundary import foreign_data
from mocotool.errors import FileFormatError

CONFIG_NAME = "config.json"
STATE_NAME = "state.pt"
PREVIOUS_STATE_NAME = "state-previous.pt"
BEST_STATE_NAME = "state-best.pt"
STATES_NAME = "states"
LOG_NAME = "metrics.jsonl"
MAX_CONFIG_BYTES = 10_000_000
MAX_ROW_BYTES = 1 << 20


def read_config(run: Path) -> dict[str, Any]:
    """Return what config.json says of a run.

    Args:
        run: The run's folder.

    Returns:
        At least "config" and "command"; "inputs", "machine" and "resumed" are there, if empty.

    Raises:
        FileFormatError: The file is missing, damaged, or holds something else.
    """
    path = run / CONFIG_NAME
    with foreign_data(path, what="a run's configuration"):
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise FileFormatError("too large for a run's configuration")
        record: dict[str, Any] = dict(json.loads(path.read_text(encoding="utf-8")))
        for name, kind in (("config", dict), ("command", str)):
            if not isinstance(record[name], kind):
                raise TypeError(f"{name} is of another type")
        record |= {name: dict(record.get(name, {})) for name in ("inputs", "machine")}
        record["resumed"] = list(record.get("resumed", ()))
        for name, value in record["inputs"].items():
            if value is not None and not isinstance(value, dict):
                raise TypeError(f"the input {name} is of another type")
    return record


def read_log(run: Path) -> Iterator[tuple[int, dict[str, float], str]]:
    """Read what a run has logged, line by line.

    Args:
        run: The run's folder.

    Yields:
        (step, name -> number, the line). Numbers that were not finite are NaN; lines that a kill
        tore, or that somebody else wrote, are left out.

    Raises:
        FileFormatError: The file is missing or cannot be read.
    """
    path = run / LOG_NAME
    with (
        foreign_data(path, what="a run's log"),
        path.open(encoding="utf-8", errors="replace") as file,
    ):
        while line := file.readline(MAX_ROW_BYTES):
            row = parse_row(line)
            if row is None or type(row.get("step")) is not int or not 0 <= row["step"] < 1 << 63:
                continue
            values = {name: _to_number(value) for name, value in row.items() if name != "step"}
            yield row["step"], values, line.rstrip("\n")


def parse_row(line: str | bytes) -> dict[str, Any] | None:
    """Return the JSON object in a line, or `None` where there is none."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def _to_number(value: Any) -> float:
    try:
        return float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:
        return math.nan
