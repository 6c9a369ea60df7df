import json
import signal
import subprocess
import sys
import urllib.request

import pytest

from mocotool.explore.server import ExploreServer


@pytest.fixture
def interrupted(monkeypatch):
    """A server that somebody stops at once."""

    def stop(self):
        raise KeyboardInterrupt

    monkeypatch.setattr(ExploreServer, "serve_forever", stop)


def test_the_address_is_printed_and_an_interrupt_is_quiet(interrupted, run_moco, toy_motion_path):
    result = run_moco("explore", toy_motion_path, "--num-samples", 500)

    words = result.stdout.split()
    assert result.exit_code == 130
    first, *others = result.stderr.splitlines()
    assert first == "moco: no --pca: computing a basis of 500 latents"
    assert all("one thread" in line for line in others)
    assert words[0] == "address"
    assert words[1].startswith("http://127.0.0.1:")
    assert words[1].endswith("/")


def test_a_browser_is_opened_only_when_asked_to(
    interrupted, run_moco, toy_motion_path, toy_pca_path, monkeypatch
):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    words = ("explore", toy_motion_path, "--pca", toy_pca_path, "--json")

    run_moco(*words)
    assert opened == []
    result = run_moco(*words, "--open")

    assert opened == [json.loads(result.stdout)["address"]]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["nowhere.pkl"], 3, "nowhere.pkl"),
        (["--generator", "nowhere.pkl"], 3, "nowhere.pkl"),
        (["--port", "70000"], 2, "--port"),
        (["--num-frames", "100000"], 2, "--num-frames"),
        (["--num-directions", "0"], 2, "--num-directions"),
        (["--device", "abacus"], 2, "abacus"),
    ],
)
def test_what_cannot_be_explored_is_a_sentence(words, code, said, run_moco):
    result = run_moco("explore", *words)

    assert result.exit_code == code
    assert said in result.stderr


def test_a_file_of_something_else_is_a_sentence(run_moco, toy_pca_path):
    result = run_moco("explore", toy_pca_path)

    assert result.exit_code == 3
    assert str(toy_pca_path) in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_real_process_serves_until_it_is_stopped(number, toy_motion_path, toy_pca_path):
    words = ["explore", str(toy_motion_path), "--pca", str(toy_pca_path), "--json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "mocotool", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    address = json.loads(process.stdout.readline())["address"]
    watched = urllib.request.urlopen(f"{address}frames?num_frames=480", timeout=60)
    assert watched.read(8)

    process.send_signal(number)
    _, said = process.communicate(timeout=60)

    assert process.returncode == 130
    assert said == ""
