"""`moco train-motion` as real processes, killed, stopped, and started again by torchrun."""

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
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

pytestmark = pytest.mark.slow


def assert_same_run(first, second):
    """Check that two runs left the same to the bit."""
    assert_same_result(first, second)
    assert read_log(first) == read_log(second)
    for preview in (first / "samples").iterdir():
        assert preview.read_bytes() == (second / "samples" / preview.name).read_bytes()
    assert {path.name for path in second.glob(".*")} <= {".lock"}  # no temporary file


@pytest.mark.parametrize(
    "mode",
    [("--recipe", "reference"), ("--recipe", "paper"), ("--cross-domain",)],
    ids=["pairs in domain", "memory bank in domain", "memory banks across domains"],
)
def test_sigkill_at_any_time_then_resume_is_the_uninterrupted_run(start, tmp_path, mode):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    finish(start(whole, *mode))

    process = start(killed, *mode)
    for steps in (5, 13, 22):
        wait_for_steps(killed, steps, process)
        time.sleep(float(np.random.default_rng(steps).uniform(0, 0.05)))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        process = start(killed, *mode, "--resume")
    finish(process)

    assert_same_run(whole, killed)


def test_sigkill_before_anything_was_saved_costs_nothing_but_time(start, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    rhythm = ("--num-steps", 8, "--save-every", 6)
    finish(start(whole, *rhythm))

    process = start(killed, *rhythm)
    wait_for_steps(killed, 2, process)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert not (killed / "state.pt").exists()
    finish(start(killed, *rhythm, "--resume"))

    assert_same_run(whole, killed)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_polite_signal_saves_and_ends_with_130(start, tmp_path, number):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    seldom = ("--save-every", 1000)  # saving is also measuring, which a stop does not
    finish(start(whole, *seldom))
    process = start(stopped, *seldom)
    wait_for_steps(stopped, 3, process)

    process.send_signal(number)
    _, errors = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "moco: " + str(stopped) + ": stopped and saved after" in errors  # a notice, no error
    assert "moco: run the same command with --resume to continue" in errors
    assert load_state(stopped)["trainer"]["step_idx"] >= 3
    finish(start(stopped, "--resume", *seldom))
    assert_same_run(whole, stopped)


def test_a_torn_state_is_named_and_the_run_ends_the_same(start, tmp_path):
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    finish(start(whole, "--cross-domain"))
    finish(start(torn, "--cross-domain", "--num-steps", 16))
    state = (torn / "state.pt").read_bytes()
    (torn / "state.pt").write_bytes(state[: len(state) // 2])

    _, errors = finish(start(torn, "--cross-domain", "--resume"))

    assert "state.pt: a damaged zip file" in errors
    assert_same_run(whole, torn)


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds the process in /proc")
def test_a_killed_process_under_torchrun_is_started_again_where_it_saved(start, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    finish(start(whole, "--cross-domain", launcher=TORCHRUN))

    elastic = [*TORCHRUN, "--max-restarts", "1"]
    process = start(killed, "--cross-domain", launcher=elastic)
    wait_for_steps(killed, 6, process)
    os.kill(find_worker(process, 1), signal.SIGKILL)
    finish(process)

    resumed = json.loads((killed / "config.json").read_text())["resumed"]
    assert len(resumed) == 1
    assert_same_run(whole, killed)
