"""Schedules of an edit's strength: curves from 0 to 1 over the length of a clip."""

import csv
import math
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mocotool.boundary import foreign_data
from mocotool.configs.steering import Ease
from mocotool.errors import ConfigError, FileFormatError, MismatchError
from mocotool.files import check_input_file

Curve = npt.NDArray[np.float64]

MAX_CSV_BYTES = 1 << 26
CURVES = ("constant", "linear", "ease", "pulse")


def ease_share(share: Curve, ease: Ease) -> Curve:
    """Ease a fraction from 0 to 1, so that it begins or ends slowly.

    Args:
        share: Any shape, in [0, 1].
        ease: "in" starts slowly, "out" ends slowly, "in-out" both, "none" neither.

    Returns:
        The same shape, in [0, 1]; 0 stays 0 and 1 stays 1.
    """
    if ease == "in":
        return share**2
    if ease == "out":
        return share * (2.0 - share)
    if ease == "in-out":
        return share**2 * (3.0 - 2.0 * share)
    return share


def make_schedule(schedule: str, num_frames: int) -> Curve:
    """Return the strength at each frame.

    Args:
        schedule: "constant" is 1; "linear" and "ease" go from 0 at the first frame to 1 at the
            last, straight or slowly at both ends; "pulse" goes from 0 to 1 and back, and closes
            where the clip is a loop. Anything else is a CSV file with a number for each frame.
        num_frames: Frames of the clip.

    Returns:
        [num_frames].

    Raises:
        ConfigError: There is no such curve.
        FileFormatError: The file is missing or holds anything but numbers.
        MismatchError: The file has another number of frames.
    """
    share = np.linspace(0.0, 1.0, num_frames) if num_frames > 1 else np.ones(1)
    if schedule == "constant":
        return np.ones(num_frames)
    if schedule == "linear":
        return share
    if schedule == "ease":
        return ease_share(share, "in-out")
    if schedule == "pulse":  # frame num_frames would be at 0 again, as the first is
        return 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(num_frames) / num_frames)
    if not Path(schedule).suffix:
        raise ConfigError(f"schedule {schedule!r}: expected {', '.join(CURVES)} or a CSV file")
    return _read_schedule(Path(schedule), num_frames)


def ramp(ends: tuple[float, float], num_frames: int) -> Curve:
    """Return [num_frames] numbers that go linearly from one value to another."""
    return np.linspace(*ends, num_frames)


def along_frames(curve: Curve, rank: int) -> Curve:
    """Return a curve [t] in the shape that multiplies latents of some rank: [1, t, 1, ...]."""
    return curve.reshape(1, -1, *[1] * (rank - 2))


def _read_schedule(path: Path, num_frames: int) -> Curve:
    """Return the last column of a CSV file; a header line is skipped."""
    check_input_file(path)
    if path.stat().st_size > MAX_CSV_BYTES:
        raise FileFormatError(f"{path}: too large for a number for each frame")
    with foreign_data(path, what="a CSV file of numbers"):
        rows = [row for row in csv.reader(path.read_text("utf-8").splitlines()) if row]
    if rows and _parse_number(rows[0][-1]) is None:
        rows = rows[1:]

    values = []
    for line, row in enumerate(rows, start=1):
        value = _parse_number(row[-1])
        if value is None:
            raise FileFormatError(f"{path}: row {line} ends with {row[-1]!r}, expected a number")
        values.append(value)
    if len(values) != num_frames:
        raise MismatchError(
            f"{path}: {len(values)} numbers for {num_frames} frames",
            hint="one row for each frame; the last column counts",
        )
    return np.array(values)


def _parse_number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
