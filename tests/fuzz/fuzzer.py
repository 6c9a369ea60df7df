"""Open mutated files of every kind, each in a forked child: our own errors, and nothing else.

    PYTHONPATH=tests:. python tests/fuzz/fuzzer.py --count 20000     # or --seconds 120, --seed 7

A file that ends in a traceback, takes too long or too much memory is kept in --keep.
"""

import argparse
import os
import random
import resource
import signal
import sys
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

import torch
from fuzz.mutations import mutate
from fuzz.sources import make_sources

from mocotool.errors import MocoError, MocoWarning

MAX_SECONDS = 5  # of a processor: other work on the machine is not our hang
MAX_WAIT_SECONDS = 120  # for what computes nothing and does not end
MAX_MEMORY_BYTES = 1 << 30  # beyond what the parent has
BATCH = 25  # files a child opens before the next is forked


def make_file(sources, seed, index):
    """Return the name, bytes and reader of one mutated file."""
    rng = random.Random(f"{seed} {index}")
    name = rng.choice(sorted(sources))
    data, readers = sources[name]
    return name, mutate(data, rng), rng.choice(readers)


def try_file(path, read):
    """Return "opened", "refused", or the traceback."""
    try:
        with warnings.catch_warnings():
            # One unknown tensor is told of and left out; pytest would make an error of our warning.
            warnings.simplefilter("ignore", MocoWarning)
            read(path)
    except MocoError as error:
        return "refused" if str(error).strip() else "an error without words"
    except BaseException:
        return traceback.format_exc()
    return "opened"


def open_some(sources, seed, indices, folder, report):
    """Open some files in this process, which ends with the first failure; write a line for each."""
    torch.set_num_threads(1)  # the others did not come along when this process was forked
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = used + MAX_MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for index in indices:
        name, data, read = make_file(sources, seed, index)
        path = folder / name
        path.write_bytes(data)
        os.write(report, f"{index} started\n".encode())
        signal.alarm(MAX_WAIT_SECONDS)
        signal.setitimer(signal.ITIMER_PROF, 2 * MAX_SECONDS)
        start = time.process_time()
        result = try_file(path, read)
        signal.alarm(0)
        signal.setitimer(signal.ITIMER_PROF, 0)
        if time.process_time() - start > MAX_SECONDS:
            result = f"{time.process_time() - start:.1f} s"
        os.write(report, f"{index} {result!r}\n".encode())
        path.unlink(missing_ok=True)


def fuzz(folder, *, count=None, seconds=None, seed=0, keep=None):
    """Open mutated files until the count or the time is reached.

    Returns:
        (results counted, index -> what went wrong).
    """
    sources = make_sources(folder)
    counts, failures = Counter(), {}
    work = folder / "work"
    work.mkdir()
    began, index = time.monotonic(), 0
    while index < (count or 1 << 62) and time.monotonic() - began < (seconds or 1e9):
        indices = range(index, min(index + BATCH, count or index + BATCH))
        receive, report = os.pipe()
        child = os.fork()
        if not child:
            os.close(receive)
            with open(os.devnull, "w") as nothing:
                os.dup2(nothing.fileno(), 2)  # FFmpeg complains of every file
            try:
                open_some(sources, seed, indices, work, report)
            finally:
                os._exit(0)
        os.close(report)
        with os.fdopen(receive) as lines:
            results = dict(line.rstrip("\n").split(" ", 1) for line in lines)
        _, status = os.waitpid(child, 0)
        index = indices.stop
        for place, result in results.items():
            if result in ("'opened'", "'refused'"):
                counts[result.strip("'")] += 1
                continue
            if result == "started":
                index = int(place) + 1  # the others of this child have not been opened
            failures[int(place)] = (
                f"ended by {os.waitstatus_to_exitcode(status)}" if result == "started" else result
            )
            counts["failed"] += 1
            if keep is not None:
                name, data, _ = make_file(sources, seed, int(place))
                keep.mkdir(parents=True, exist_ok=True)
                (keep / f"{seed}-{place}-{name}").write_bytes(data)
    return counts, failures


def main():
    """Run from the command line."""
    import tempfile

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failures"))
    asked = vars(parser.parse_args())
    with tempfile.TemporaryDirectory() as folder:
        counts, failures = fuzz(Path(folder), **asked)
    for index, result in failures.items():
        print(index, result.replace("\\n", "\n"))
    print(", ".join(f"{number} {result}" for result, number in sorted(counts.items())))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
