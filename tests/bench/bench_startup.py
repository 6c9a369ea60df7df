"""How long `moco` takes to answer before it loads anything heavy: whole processes, median of 15.

    python tests/bench/bench_startup.py

CPU seconds stand beside wall seconds, because they say the same on a busy machine.
"""

import resource
import statistics
import subprocess
import sys
import time

CALLS = (["--version"], ["--help"], ["sample", "--help"], ["sample", "--num-frames", "0"])
REPEATS = 15


def measure(command):
    """Return the wall and CPU seconds of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(command, capture_output=True, check=False)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    """Print one line a call."""
    calls = {"python -c pass": [sys.executable, "-c", "pass"]}
    calls |= {
        " ".join(["moco", *words]): [sys.executable, "-m", "mocotool", *words] for words in CALLS
    }
    for name, command in calls.items():
        measure(command)  # fills the disk cache
        walls, cpus = zip(*(measure(command) for _ in range(REPEATS)), strict=True)
        print(f"{name:28s} {statistics.median(walls):6.3f} s, CPU {statistics.median(cpus):6.3f} s")


if __name__ == "__main__":
    main()
