"""What a signal leaves behind: nothing."""

import os
import signal
import subprocess
import sys
import time

import pytest

MOCO = [sys.executable, "-m", "mocotool"]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_removes_what_was_half_written(number, toy_motion_path, tmp_path):
    words = ["sample", toy_motion_path, "--num-frames", "5000", "-o", tmp_path / "long.webm"]
    process = subprocess.Popen([*MOCO, *map(str, words)], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while not list(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list(tmp_path.iterdir())

    process.send_signal(number)
    _, said = process.communicate(timeout=60)

    assert process.returncode == 130
    assert said == "moco: interrupted\n"
    assert list(tmp_path.iterdir()) == []


INTERRUPTED_IMPORT = """
import os, signal, sys

signal.signal(signal.SIGINT, signal.default_int_handler)  # shells' background jobs ignore it

class Interrupter:
    def find_spec(self, name, *_):
        if name == "mocotool.cli.cmd_edit":
            try:
                os.kill(os.getpid(), signal.SIGINT)
                signal.pause()  # it comes here
            except BaseException as error:  # as compiled modules do
                raise ImportError(name) from error

sys.meta_path.insert(0, Interrupter())
from mocotool.__main__ import main
main()
"""


def test_an_interrupt_within_an_import_that_calls_it_a_failure_is_quiet():
    words = [sys.executable, "-c", INTERRUPTED_IMPORT, "sample", "--help"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}

    ended = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=60)

    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


@pytest.mark.parametrize("delay_s", [0.03, 0.06, 0.1, 0.15, 0.25])
def test_an_interrupt_at_the_start_is_quiet(delay_s):
    script = "from mocotool.__main__ import main; print(flush=True); main()"
    process = subprocess.Popen(
        [sys.executable, "-c", script, "sample", "--help"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    process.stdout.readline()  # the interpreter is up, and main comes next
    time.sleep(delay_s)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)

    assert "mocotool" not in said  # no traceback from our side of the script
