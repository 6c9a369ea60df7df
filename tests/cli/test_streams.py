"""Pipes and devices under names of their own, as shells give them."""

import json
import os
import subprocess
import sys
import threading

import pytest

MOCO = f"{sys.executable} -m mocotool"


@pytest.fixture
def pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


def test_latents_come_through_a_named_pipe(pipe, toy_latents_path, run_moco, tmp_path):
    thread = threading.Thread(
        target=pipe.write_bytes, args=[toy_latents_path.read_bytes()], daemon=True
    )
    thread.start()

    result = run_moco("interpolate", pipe, "-o", tmp_path / "out.npz")

    thread.join(10)
    assert (result.exit_code, result.stderr) == (0, "")


def test_latents_go_into_a_named_pipe(pipe, toy_latents_path, run_moco):
    got = []
    thread = threading.Thread(target=lambda: got.append(pipe.read_bytes()), daemon=True)
    thread.start()

    result = run_moco("interpolate", toy_latents_path, "-o", pipe, "--format", "npz")

    thread.join(10)
    assert result.exit_code == 0
    assert got[0].startswith(b"PK")
    assert pipe.is_fifo()


def test_nothing_is_made_of_the_null_device(toy_latents_path, run_moco):
    result = run_moco("interpolate", toy_latents_path, "-o", os.devnull)

    assert result.exit_code == 0
    assert not os.path.isfile(os.devnull)


def test_what_goes_into_a_device_is_reported_with_its_name(toy_latents_path, run_moco):
    words = ("render", toy_latents_path, "--grid", "--format", "gif", "--json", "-o", os.devnull)

    assert json.loads(run_moco(*words).stdout)["wrote"] == [os.devnull]


def test_zeros_are_refused_before_they_are_all_read(run_moco, tmp_path):
    result = run_moco("interpolate", "/dev/zero", "-o", tmp_path / "out.npz")

    assert result.exit_code == 3
    assert "/dev/zero: not a readable .npz file" in result.stderr


@pytest.mark.parametrize("words", [("info",), ("pca",), ("convert", "-o", "x.safetensors")])
def test_a_pipe_in_place_of_weights_is_not_waited_for(words, pipe, run_moco):
    result = run_moco(*words, pipe)

    assert result.exit_code == 3
    assert "is a device or a pipe" in result.stderr


@pytest.mark.slow
def test_a_shell_may_substitute_and_name_the_standard_streams(toy_latents_path, tmp_path):
    script = f"""set -e -o pipefail
    {MOCO} interpolate <(cat {toy_latents_path}) -o a.npz -q
    cat {toy_latents_path} | {MOCO} interpolate /dev/stdin -o /dev/stdout > b.npz
    {MOCO} interpolate {toy_latents_path} --format npz -o >(cat > c.npz) -q; sleep 1
    cmp a.npz b.npz || test -s b.npz; test -s c.npz"""

    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_help_and_version_are_taken_as_people_type_them(run_moco):
    assert run_moco("help", "sample").stdout == run_moco("sample", "--help").stdout
    assert run_moco("help", "eval", "fvd").stdout == run_moco("eval", "fvd", "--help").stdout
    assert run_moco("-V").stdout == run_moco("--version").stdout


def test_nothing_from_a_file_is_obeyed_by_the_terminal(run_moco, tmp_path):
    path = tmp_path / "a\x1b[2J\x9b31m\u202eb.npz"

    result = run_moco("interpolate", path, "-o", tmp_path / "out.npz")

    assert result.exit_code == 3
    assert r"a\x1b[2J\x9b31m\u202eb.npz: no such file" in result.stderr
