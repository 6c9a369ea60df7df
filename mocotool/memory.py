"""How much memory this process may still take."""

import os
from pathlib import Path


def free_memory_bytes() -> int:
    """Return the memory this process may still take, a fair share under `torchrun`."""
    free = _read_number(Path("/proc/meminfo"), "MemAvailable:", unit=1024)
    if free is None:
        free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    limit = _read_number(Path("/sys/fs/cgroup/memory.max"))
    used = _read_number(Path("/sys/fs/cgroup/memory.current"))
    if limit is not None and used is not None:
        free = min(free, limit - used)
    return max(0, free) // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def _read_number(path: Path, name: str = "", *, unit: int = 1) -> int | None:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        words = line.removeprefix(name).split()
        if line.startswith(name) and words and words[0].isdecimal():
            return int(words[0]) * unit
    return None
