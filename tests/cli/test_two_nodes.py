"""Training on two machines, here two torchruns on the loopback: killed, and stopped together."""

import json
import os
import signal
import socket
import time

import pytest
from real_runs import (
    TORCHRUN,
    assert_same_result,
    find_worker,
    finish,
    load_state,
    wait_for_steps,
)
from same_runs import read_log

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not os.path.exists("/proc/self/environ"), reason="finds processes in /proc"),
]


def node():
    """Return how torchrun is started on each of two machines, and where they meet."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torchrun = [
        *("-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1"),
        *("--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{port}", "--rdzv-id", "job-7"),
        *("--rdzv-conf", "keep_alive_interval=2,keep_alive_max_attempt=8,last_call_timeout=2"),
        *("--max-restarts", "3", "--monitor-interval", "0.2"),
    ]
    return torchrun, port


def test_a_node_that_was_killed_comes_back_and_the_run_ends_the_same(start, tmp_path, monkeypatch):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    finish(start(whole, "--cross-domain", launcher=TORCHRUN))

    # The first agent tells where processes meet in the first round alone, and one that comes back
    # waits for it (torch 2.13): so everyone meets anew.
    monkeypatch.setenv("TORCH_DISABLE_SHARE_RDZV_TCP_STORE", "1")
    torchrun, port = node()
    first = start(killed, "--cross-domain", launcher=torchrun)
    wait_for_port(port, first)  # the one that came first holds the meeting point
    second = start(killed, "--cross-domain", launcher=torchrun)
    wait_for_steps(killed, 6, first)
    worker = find_worker(second, 1)
    for number in (second.pid, worker):  # the whole machine at once
        os.kill(number, signal.SIGKILL)
    second.communicate(timeout=60)
    back = start(killed, "--cross-domain", launcher=torchrun)
    for process in (first, back):
        finish(process)

    assert len(json.loads((killed / "config.json").read_text())["resumed"]) == 1
    assert_same_result(whole, killed)
    assert read_log(whole) == read_log(killed)


def wait_for_port(port, process, *, timeout_s=60):
    """Return once somebody listens at a port; fail if the process ends before."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError("nobody listens")


def test_processes_stop_together_where_one_is_told_to(start, tmp_path):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    finish(start(whole, launcher=TORCHRUN))
    process = start(stopped, launcher=TORCHRUN)
    wait_for_steps(stopped, 3, process)

    os.kill(find_worker(process, 1), signal.SIGTERM)
    _, errors = process.communicate(timeout=120)

    assert process.returncode != 0
    assert errors.count("stopped and saved after") >= 1
    assert load_state(stopped)["trainer"]["step_idx"] >= 3
    finish(start(stopped, "--resume", launcher=TORCHRUN))
    assert_same_result(whole, stopped)
