"""Training commands as real processes, to be killed at any moment."""

import os
import subprocess
import sys
import time
from pathlib import Path

import torch
from safetensors.torch import load_file

TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


class Launcher:
    """Starts processes, and at the end of a test stops whatever still runs.

    Args:
        warm: A `WarmMoco`, whose processes need not import torch; `None` starts Python for each.
    """

    def __init__(self, warm=None):
        self.warm, self.processes = warm, []

    def start(self, *args, launcher=()):
        """Start `moco ARGS` or, where there is a launcher, `python LAUNCHER -m mocotool ARGS`."""
        words = [sys.executable, *launcher, "-m", "mocotool"]
        if self.warm is not None and not launcher:
            words = self.warm.words
        process = subprocess.Popen(
            [*words, *map(str, args)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        self.processes.append(process)
        return process

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
                process.communicate(timeout=60)
            process.stdout.close()
            process.stderr.close()


def finish(process):
    """Wait for a process that must end well; return its stdout and stderr."""
    output, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    return output, errors


def wait_for_steps(out, number, process, *, timeout_s=300):
    """Return once some steps are logged; fail if the process ends before."""
    log, deadline = out / "metrics.jsonl", time.monotonic() + timeout_s
    while not log.exists() or len(log.read_bytes().splitlines()) < number:
        assert process.poll() is None, "the run ended early"
        assert time.monotonic() < deadline, "no step was logged in time"
        time.sleep(0.002)


def load_state(out):
    return torch.load(out / "state.pt", weights_only=True)


def assert_same_result(first, second):
    """Check that two runs came to the same states and weights, to the bit."""
    states = [load_state(path) for path in (first, second)]
    assert states[0]["clips"] == states[1]["clips"]
    torch.testing.assert_close(states[0]["trainer"], states[1]["trainer"], rtol=0, atol=0)
    models = [load_file(path / "motion.safetensors") for path in (first, second)]
    torch.testing.assert_close(*models, rtol=0, atol=0)


def find_worker(torchrun, rank):
    """Return the process id of one of the processes that torchrun has started."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                environment = (folder / "environ").read_bytes().split(b"\0")
            except OSError:
                continue  # it has ended
            if parent == torchrun.pid and f"RANK={rank}".encode() in environment:
                return int(folder.name)
    raise LookupError(f"no process of rank {rank}")
