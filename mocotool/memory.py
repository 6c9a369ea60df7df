"""Memory and processors available to this process."""

import contextlib
import ctypes
import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
CGROUP_FILES = (
    ("memory.max", "memory.current", "memory.stat"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
)


# Numbers of glibc's malloc.h, and what they are set to
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
KEEPING = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: 2**31 - 1, M_TOP_PAD: 2**26}


def keep_freed_memory() -> bool:
    """Let this process keep memory that it frees, for what it allocates next.

    The C library gives large blocks back to the system at once, and the next step of a training
    gets as many new pages, which the system fills with zeros one by one. Only glibc can be told,
    and where the user has told it something already it is left alone. It cannot be undone, so this
    is for programs, not for a library.

    Returns:
        Whether it does.
    """
    is_told = any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ)
    if not sys.platform.startswith("linux") or is_told:
        return False
    try:
        change = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):  # another C library, such as musl
        return False
    return all([change(name, value) == 1 for name, value in KEEPING.items()])


def free_memory_bytes() -> int:
    """Return the memory this process may still take, a fair share under `torchrun`."""
    free = _read_number(Path("/proc/meminfo"), "MemAvailable:", unit=1024)
    if free is None:
        free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    free = min([free, *_free_of_groups()])
    return max(0, free) // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def num_usable_cores() -> int:
    """Return the number of CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextlib.contextmanager
def garbage_ignored() -> Iterator[None]:
    """Do not look for garbage in the block, which makes very many objects and no cycles.

    Python looks each time that their number has grown by some; for lists of 20,000 videos that
    takes a third of the time.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _free_of_groups() -> list[int]:
    """Return what limits on groups of processes leave, as containers have them."""
    found = []
    for limit_name, used_name, cached_name in CGROUP_FILES:
        limit = _read_number(CGROUPS / limit_name)
        used = _read_number(CGROUPS / used_name)
        if limit is not None and used is not None:
            # Files that were read are counted as used, and go when their room is needed.
            cached = _read_number(CGROUPS / cached_name, "inactive_file") or 0
            found.append(limit - used + min(cached, used))
    return found


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
