"""How much memory is free, in containers too."""

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
