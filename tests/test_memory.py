"""How much memory is free, in containers too."""

import ctypes
import os
import platform
import subprocess
import sys

import pytest

from mocotool import memory

MB = 2**20


@pytest.fixture
def groups(monkeypatch, tmp_path):
    """Limits as a container has them."""
    monkeypatch.setattr(memory, "CGROUPS", tmp_path)
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    (tmp_path / "memory").mkdir()
    return tmp_path


def test_a_limit_on_the_container_counts(groups):
    (groups / "memory.max").write_text(f"{100 * MB}\n")
    (groups / "memory.current").write_text(f"{60 * MB}\n")

    assert memory.free_memory_bytes() == 40 * MB


def test_files_that_were_read_make_room(groups):
    (groups / "memory.max").write_text(f"{100 * MB}\n")
    (groups / "memory.current").write_text(f"{60 * MB}\n")
    (groups / "memory.stat").write_text(f"anon {10 * MB}\ninactive_file {50 * MB}\n")

    assert memory.free_memory_bytes() == 90 * MB


def test_limits_of_older_kernels_count_as_well(groups):
    (groups / "memory" / "memory.limit_in_bytes").write_text(f"{30 * MB}\n")
    (groups / "memory" / "memory.usage_in_bytes").write_text(f"{10 * MB}\n")

    assert memory.free_memory_bytes() == 20 * MB


def test_no_limit_leaves_what_the_machine_has(groups):
    (groups / "memory.max").write_text("max\n")
    (groups / "memory.current").write_text(f"{60 * MB}\n")

    assert memory.free_memory_bytes() > 100 * MB


def test_processes_of_one_machine_share_it(groups, monkeypatch):
    (groups / "memory.max").write_text(f"{100 * MB}\n")
    (groups / "memory.current").write_text("0\n")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")

    assert memory.free_memory_bytes() == 25 * MB


FAULTS_OF_BLOCKS = """
import resource
import torch
from mocotool.memory import keep_freed_memory
keep_freed_memory()
for _ in range(2):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(2**24)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told")
@pytest.mark.parametrize(
    ("told", "least", "most"), [({}, 0, 1000), ({"MALLOC_ARENA_MAX": "2"}, 20_000, 10**6)]
)
def test_freed_memory_is_used_again_unless_the_user_says_otherwise(told, least, most):
    clean = {
        name: text
        for name, text in os.environ.items()
        if not name.startswith(("MALLOC_", "GLIBC_TUNABLES"))
    }

    done = subprocess.run(
        [sys.executable, "-c", FAULTS_OF_BLOCKS], capture_output=True, check=True, env=clean | told
    )

    assert least <= int(done.stdout) <= most  # 20 blocks have 16,384 pages of 4 KiB each


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.delenv("GLIBC_TUNABLES")
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())

    assert not memory.keep_freed_memory()
