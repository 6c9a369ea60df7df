"""`moco train-motion` as real processes, killed, stopped, and started again by torchrun."""

import json
import os
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from real_runs import TORCHRUN, Launcher, finish, load_state, wait_for_steps
from safetensors.torch import load_file

CLIP = Path(__file__).parent.parent / "golden" / "people-1.mp4"
SMALL = (
    *("--batch-size", 2, "--num-frames", 4, "--frame-size", 16, "--hidden-dim", 8),
    *("--noise-dim", 6, "--num-components", 8, "--video-width", 2, "--image-width", 2),
    *("--pair-width", 2, "--bank-size", 16, "--num-g-steps", 2, "--num-steps", 30),
    *("--save-every", 4, "--log-every", 1, "--preview-every", 15, "--device", "cpu"),
)
TIMES = {"seconds": 0, "memory_mb": 0}

pytestmark = pytest.mark.slow


@pytest.fixture
def start(toy_generator_path, toy_pca_path, tmp_path):
    """Start the real command in a process; whatever still runs at the end of the test is killed."""
    launcher, videos = Launcher(), tmp_path / "videos"
    videos.mkdir()
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        shutil.copy(CLIP, videos / name)

    def run(out, *args, **options):
        inputs = ("--videos", videos, "--generator", toy_generator_path, "--pca", toy_pca_path)
        return launcher.start("train-motion", *inputs, "-o", out, *SMALL, *args, **options)

    yield run
    launcher.close()


def assert_same_run(first, second):
    """Check that two runs left the same to the bit."""
    states = [load_state(path) for path in (first, second)]
    assert states[0]["clips"] == states[1]["clips"]
    torch.testing.assert_close(states[0]["trainer"], states[1]["trainer"], rtol=0, atol=0)
    models = [load_file(path / "motion.safetensors") for path in (first, second)]
    torch.testing.assert_close(*models, rtol=0, atol=0)
    logs = [(path / "metrics.jsonl").read_text().splitlines() for path in (first, second)]
    rows = [[json.loads(line) | TIMES for line in log] for log in logs]
    assert rows[0] == rows[1]
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

    assert "state.pt: torn or damaged" in errors
    assert_same_run(whole, torn)


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
