"""Processes that begin where torch is imported end as those of Python do."""

import os
import signal
import subprocess
import sys
import time

import pytest


def run_shell(command, folder, warm):
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=folder,
        env=os.environ | {"PATH": f"{warm.folder}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_output_errors_and_exit_codes_are_those_of_python(warm_moco, toy_latents_path, tmp_path):
    command = f"moco interpolate {toy_latents_path} | moco info - ; moco info gone"
    python = command.replace("moco ", f"{sys.executable} -m mocotool ")

    warm, cold = (run_shell(words, tmp_path, warm_moco) for words in (command, python))

    assert (warm.returncode, warm.stdout, warm.stderr) == (3, cold.stdout, cold.stderr)
    assert cold.returncode == 3
    assert "latents" in warm.stdout


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_reaches_the_command(number, warm_moco, toy_motion_path, tmp_path):
    words = ("sample", toy_motion_path, "--num-frames", "3000", "-o", tmp_path / "long.webm")
    process = subprocess.Popen([warm_moco.program, *map(str, words)], stderr=subprocess.PIPE)
    while not list(tmp_path.iterdir()):
        assert process.poll() is None
        time.sleep(0.02)

    process.send_signal(number)
    process.communicate(timeout=60)  # until the command, too, has closed its streams

    left = list(tmp_path.iterdir())
    assert (process.returncode, len(left)) == ((130, 0) if number == signal.SIGTERM else (-9, 1))
