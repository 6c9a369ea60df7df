"""Several processes that train as one."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from mocotool.errors import ConfigError, UnavailableError
from mocotool.training.distributed import Processes, joined_processes

TWO_PROCESSES = """
import torch
from torch import nn
from mocotool.training.distributed import joined_processes

with joined_processes(torch.device("cpu")) as processes:
    rank = processes.rank
    weight = nn.Parameter(torch.ones(2))
    (weight * (rank + 1.0)).sum().backward()
    processes.average_gradients([weight, nn.Parameter(torch.ones(1))])
    assert weight.grad.tolist() == [1.5, 1.5], weight.grad
    assert processes.average(torch.tensor(float(rank))).item() == 0.5
    assert processes.gather(torch.full((2,), rank)).tolist() == [0, 0, 1, 1]
    assert processes.any(rank == 1) and not processes.any(False)

    # The mean of squares of all rows, each process holding half of them.
    row = torch.tensor([rank + 1.0], requires_grad=True)
    processes.gather_with_gradient(row).square().mean().backward()
    assert row.grad.item() == 2 * (rank + 1.0), row.grad
    row.grad = None
    processes.average_with_gradient(row).sum().backward()
    assert row.grad.item() == 1.0, row.grad
    processes.barrier()
    print("agreed", processes.rows(6))
"""


def test_one_process_has_every_row():
    assert Processes().rows(7) == slice(0, 7)


def test_rows_of_all_processes_are_the_batch():
    rows = [Processes(rank, 3).rows(12) for rank in range(3)]

    assert [*range(12)[rows[0]], *range(12)[rows[1]], *range(12)[rows[2]]] == list(range(12))


def test_a_batch_that_cannot_be_split_is_refused():
    with pytest.raises(ConfigError, match="--batch-size 7 cannot be split over 2") as error:
        Processes(0, 2).rows(7)

    assert "multiple of 2" in error.value.hint


def test_alone_every_collective_is_the_identity():
    alone, value = Processes(), torch.randn(3, requires_grad=True)
    weight = nn.Parameter(torch.ones(1))
    weight.grad = torch.ones(1)

    alone.average_gradients([weight])
    alone.barrier()

    assert alone.is_first
    assert weight.grad.item() == 1.0
    assert torch.equal(alone.average(value), value)
    assert not alone.average(value).requires_grad
    assert torch.equal(alone.gather(value), value)
    assert alone.average_with_gradient(value) is value
    assert alone.gather_with_gradient(value) is value
    assert alone.any(True)


def test_without_torchrun_a_process_stands_alone(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)

    with joined_processes(torch.device("cpu")) as processes:
        assert (processes.rank, processes.world_size) == (0, 1)


def test_devices_that_cannot_be_joined_are_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")

    with (
        pytest.raises(UnavailableError, match="several processes"),
        joined_processes(torch.device("mps")),
    ):
        pass


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)

    with (
        pytest.raises(UnavailableError, match="process 1 has no CUDA device of its own"),
        joined_processes(torch.device("cuda")),
    ):
        pass


def test_one_gpu_for_all_processes_is_refused(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "0")

    with (
        pytest.raises(
            ConfigError, match="--device cuda:1: each process of torchrun takes"
        ) as error,
        joined_processes(torch.device("cuda", 1)),
    ):
        pass

    assert "CUDA_VISIBLE_DEVICES" in error.value.hint


@pytest.mark.slow
def test_two_processes_agree(tmp_path):
    script = tmp_path / "two.py"
    script.write_text(TWO_PROCESSES)

    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    done = subprocess.run(
        [*command, "--nproc-per-node", "2", str(script)],
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("agreed") == 2
