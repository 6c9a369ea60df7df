"""Two commands that train in one folder at once: one runs, the other is told why not."""

import os
import re
import signal
import time

import numpy as np
import pytest
from real_runs import Launcher, finish, wait_for_steps
from reference.ugly_clips import write_clip

from mocotool.video.pictures import write_png

ENDLESS = (
    *("--resolution", 8, "--batch-size", 2, "--channel-base", 64, "--channel-max", 8),
    *("--z-dim", 6, "--w-dim", 6, "--num-mapping-layers", 2, "--precision", "fp32"),
    *("--num-images", 10**6, "--log-every", 1, "--device", "cpu"),
)
REFUSED, STOPPED = 2, 130
REASONS = (r"process \d+ on .* has been training here since 20", "already holds a run")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for index in range(4):
        write_png(folder / f"{index}.png", np.full((8, 8, 3), 60 * index, np.uint8))
    return folder


@pytest.fixture
def launcher():
    launcher = Launcher()
    yield launcher
    launcher.close()


@pytest.fixture
def warm_launcher(warm_moco):
    launcher = Launcher(warm_moco)
    yield launcher
    launcher.close()


def check_pair(pair, run):
    """Check that one of two trains and the other was refused; stop the one that trains.

    Returns:
        The exit code and stderr of the other.
    """
    deadline = time.monotonic() + 300
    while not (ended := [process for process in pair if process.poll() is not None]):
        assert time.monotonic() < deadline, "both train in one folder"
        time.sleep(0.01)
    (refused,) = ended
    (trains,) = {*pair} - {refused}
    log = run / "metrics.jsonl"
    logged = len(log.read_bytes().splitlines()) if log.exists() else 0
    wait_for_steps(run, logged + 2, trains)
    trains.send_signal(signal.SIGTERM)
    _, told = trains.communicate(timeout=300)
    assert trains.returncode == STOPPED, told
    assert "stopped and saved" in told
    _, reason = refused.communicate(timeout=300)
    assert any(re.search(pattern, reason) for pattern in REASONS), reason
    return refused.returncode, reason


def test_of_a_pair_of_runs_one_trains_and_the_other_is_refused(launcher, pictures, tmp_path):
    run = tmp_path / "run"
    words = ("train-image", "--videos", pictures, *ENDLESS, "-o", run)

    code, _ = check_pair([launcher.start(*words) for _ in range(2)], run)

    assert code == REFUSED


@pytest.mark.slow
def test_ten_pairs_of_commands_give_one_run_and_one_refusal_each(warm_launcher, pictures, tmp_path):
    words = ("train-image", "--videos", pictures, *ENDLESS)
    for number in range(5):
        run = tmp_path / f"run-{number}"
        for resume in ((), ("--resume",)):
            pair = [warm_launcher.start(*words, "-o", run, *resume) for _ in range(2)]

            code, reason = check_pair(pair, run)

            assert code == REFUSED
            assert f"\nmoco: error: {run}: " in f"\n{reason}"
            assert not list(run.glob(".*.part*"))


# Clips that change under a run


def make_clips(folder):
    folder.mkdir()
    for name in "abc":
        write_clip(folder / f"{name}.mkv", codec="ffv1", pix_fmt="bgr0", num_frames=6)


def exchange_clip(path):
    """Put another clip of as many frames, bytes and the same time in its place."""
    times, data = os.stat(path), bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


MOTION = (
    *("--batch-size", 2, "--num-frames", 4, "--frame-stride", 1, "--frame-size", 16),
    *("--hidden-dim", 8, "--noise-dim", 6, "--num-components", 8, "--video-width", 2),
    *("--image-width", 2, "--pair-width", 2, "--bank-size", 16, "--num-g-steps", 2),
    *("--save-every", 1, "--log-every", 1, "--preview-every", 100, "--device", "cpu"),
)


def test_a_run_of_motion_names_the_clip_that_was_exchanged(
    run_moco, toy_generator_path, toy_pca_path, tmp_path
):
    videos, run = tmp_path / "videos", tmp_path / "run"
    make_clips(videos)
    words = ("train-motion", "--videos", videos, "--generator", toy_generator_path, *MOTION)
    words = (*words, "--pca", toy_pca_path, "-o", run)
    begun = run_moco(*words, "--num-steps", 1)
    state = (run / "state.pt").read_bytes()
    exchange_clip(videos / "b.mkv")

    result = run_moco(*words, "--num-steps", 2, "--resume")

    assert begun.exit_code == 0, begun.stderr
    assert result.exit_code == 4
    assert "the run began with other videos: b.mkv changed since" in result.stderr
    assert (run / "state.pt").read_bytes() == state


@pytest.mark.slow
def test_a_run_of_images_as_a_process_names_the_clip_that_was_exchanged(warm_launcher, tmp_path):
    videos, run = tmp_path / "videos", tmp_path / "run"
    make_clips(videos)
    words = ("train-image", "--videos", videos, *ENDLESS, "-o", run)
    finish(warm_launcher.start(*words, "--num-images", 4))
    exchange_clip(videos / "c.mkv")

    process = warm_launcher.start(*words, "--resume")
    _, told = process.communicate(timeout=300)

    assert process.returncode == 4
    assert "c.mkv changed since" in told
