"""Damaged copies of the golden files: our own errors or a generator, and nothing else.

The normal run takes a few hundred; `-m slow` takes 20,000, in a process of its own whose memory is
limited.
"""

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from reference.golden_files import find_golden, list_goldens

from mocotool.errors import MocoError
from mocotool.generators.loading import load_generator, save_generator

MAX_SECONDS = 2.0
QUICK, THOROUGH = 60, 4000  # of each file
MAX_MEMORY_BYTES = 1 << 30


def damage(data, rng):
    """Return a copy of some bytes, damaged in one of eight ways."""
    data = bytearray(data)
    place = int(rng.integers(len(data)))
    # Half the time near an end, where headers and directories are.
    if rng.random() < 0.5:
        place = int(rng.choice([place % 4000, len(data) - 1 - place % 4000]))
    size = int(rng.integers(1, 64))
    match int(rng.integers(8)):
        case 0:
            data[place] = int(rng.integers(256))
        case 1:
            data[place] ^= 1 << int(rng.integers(8))
        case 2:
            del data[place : place + size]
        case 3:
            data[place:place] = rng.bytes(size)
        case 4:
            del data[place:]
        case 5:
            other = int(rng.integers(len(data)))
            data[place : place + size] = data[other : other + size]
        case 6:
            data[place : place + 4] = b"\xff\xff\xff\x7f"
        case _:
            for _ in range(20):
                data[int(rng.integers(len(data)))] = int(rng.integers(256))
    return bytes(data)


def make_sources(folder):
    """Return name -> bytes of every kind of generator file."""
    sources = {name: find_golden(name).read_bytes() for name in list_goldens()}
    native = folder / "native.safetensors"
    save_generator(load_generator(find_golden("ada-cond-32.pkl")), native)
    return sources | {native.name: native.read_bytes()}


def try_damaged(name, data, count, folder):
    """Open damaged copies; return how many still opened."""
    rng = np.random.default_rng([ord(letter) for letter in name])
    path = folder / "damaged"
    opened = 0
    for index in range(count):
        path.write_bytes(damage(data, rng))
        start = time.process_time()
        message = f"{path}: opened"
        try:
            load_generator(path)
            opened += 1
        except MocoError as error:
            message = str(error)
        assert message.startswith(f"{path}: "), (index, message)
        assert time.process_time() - start < MAX_SECONDS, index
    return opened


@pytest.mark.parametrize(
    "name", ["ada-cond-32.pkl", "tf-config-f-64.pkl", "biggan-64.pth", "native.safetensors"]
)
def test_a_damaged_file_gives_our_own_error_or_a_generator(name, tmp_path):
    data = make_sources(tmp_path)[name]

    opened = try_damaged(name, data, QUICK, tmp_path)

    assert opened < QUICK


@pytest.mark.slow
def test_twenty_thousand_damaged_files_in_one_gigabyte():
    done = subprocess.run(
        [sys.executable, __file__],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=7200,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-2000:]
    assert "20000 files" in done.stdout


def main():
    """Open 20,000 damaged files and print the most memory that took beyond torch itself."""
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sources = make_sources(folder)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        total, opened = 5 * THOROUGH, 0
        each = total // len(sources)
        for source, data in sources.items():
            opened += try_damaged(source, data, each, folder)
    used = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    print(f"{each * len(sources)} files, {opened} still opened, {used / 1e6:.0f} MB at most")
    assert used < MAX_MEMORY_BYTES


if __name__ == "__main__":
    main()
