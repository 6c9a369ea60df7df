"""One run at a time in a folder."""

import json
import os
import socket
import time
import weakref
from pathlib import Path
from typing import Any

from mocotool.errors import ConfigError

try:
    import fcntl
except ImportError:  # Windows: no lock, as before
    fcntl = None  # type: ignore[assignment]

LOCK_NAME = ".lock"
NAMING_SECONDS = 0.5
"""How long the name of a process that holds the lock is waited for."""


class RunLock:
    """Held by the process that trains in a folder; the system takes it from a process that died.

    Args:
        folder: The run's folder, which is there.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK_NAME
        self._close: Any = None

    def take(self) -> None:
        """Take the lock; a process may take its own again.

        Raises:
            ConfigError: Another process trains in the folder.
        """
        if fcntl is None or self._close is not None:
            return
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = _read_holder(file)
            os.close(file)
            if holder.get("process") == os.getpid() and holder.get("host") == socket.gethostname():
                return  # another handle of this very process
            who, since = "another process", ""
            if {"process", "host", "since"} <= holder.keys():
                who = f"process {holder['process']} on {holder['host']}"
                since = f" since {holder['since']}"
            raise ConfigError(
                f"{self._path.parent}: {who} has been training here{since}",
                hint="wait for it or stop it, or choose another folder",
            ) from None

        # for whoever comes next
        record = {
            "process": os.getpid(),
            "host": socket.gethostname(),
            "since": time.strftime("%Y-%m-%d %H:%M:%S"),
        }
        os.truncate(file, 0)
        os.pwrite(file, json.dumps(record).encode() + b"\n", 0)
        self._close = weakref.finalize(self, os.close, file)

    def release(self) -> None:
        """Let the next one in."""
        if self._close is not None:
            self._close()
        self._close = None


def _read_holder(file: int) -> dict[str, Any]:
    """Return who holds the lock; one that took it this moment is given time to say so."""
    deadline = time.monotonic() + NAMING_SECONDS
    while not (holder := _parse(os.pread(file, 1000, 0))) and time.monotonic() < deadline:
        time.sleep(NAMING_SECONDS / 10)
    return holder


def _parse(text: bytes) -> dict[str, Any]:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) else {}
