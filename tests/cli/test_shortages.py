"""Memory and disk space that run out are the user's to mend, and no bug."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

from mocotool.cli.group import MocoGroup
from mocotool.cli.shortages import describe_shortage
from mocotool.errors import ConfigError, UnavailableError

PEBIBYTE = 1 << 50
CUDA_WORDS = (
    "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 7.79 GiB of "
    "which 11.25 MiB is free."
)
FULL_DEVICE = Path("/dev/full")


def provoke(action):
    """Return what `action` raises."""
    with pytest.raises((MemoryError, RuntimeError)) as caught:
        action()
    return caught.value


@pytest.mark.parametrize(
    ("error", "amount"),
    [
        (lambda: provoke(lambda: np.empty(PEBIBYTE, np.uint8)), "1 PiB"),
        (lambda: provoke(lambda: torch.empty(PEBIBYTE, dtype=torch.uint8)), "1048576.0 GiB"),
        (lambda: torch.OutOfMemoryError(CUDA_WORDS), "20 MiB"),
    ],
    ids=["numpy", "torch on the CPU", "torch on a GPU"],
)
def test_the_amount_asked_for_is_said(error, amount):
    described = describe_shortage(error(), ["--num-frames", "--device", "--batch-size"])

    assert isinstance(described, UnavailableError)
    assert str(described) == f"out of memory: {amount} more were asked for"
    assert described.hint == "less is needed with a smaller --batch-size or --num-frames"


@pytest.mark.parametrize(
    "error",
    [MemoryError(), RuntimeError("CUDA error: out of memory"), RuntimeError("CUDNN ALLOC_FAILED")],
    ids=repr,
)
def test_memory_may_run_out_without_an_amount(error):
    described = describe_shortage(error, ["--device"])

    assert str(described) == "out of memory"
    assert described.hint is None


def test_a_full_disk_is_named_with_its_file():
    described = describe_shortage(OSError(errno.ENOSPC, "No space left", "run/log"), [])

    assert isinstance(described, ConfigError)
    assert str(described) == "run/log: cannot be written: No space left"


def test_a_missing_permission_is_named_with_its_file():
    described = describe_shortage(OSError(errno.EACCES, "Permission denied", "run/log"), [])

    assert isinstance(described, ConfigError)
    assert str(described) == "run/log: no permission (Permission denied)"


@pytest.mark.parametrize(
    "words",
    [
        *(("info", "{}"), ("render", "{}.npz"), ("pca", "-o", "{}.npz"), ("convert", "{}")),
        *(("eval", "fvd", "{}", "{}"), ("train-image", "--videos", "{}", "-o", "run")),
        *(("train-image", "--videos", ".", "-o", "{}"), ("gallery", "{}"), ("plot-run", "{}")),
    ],
    ids=" ".join,
)
def test_a_name_that_no_file_can_have_is_a_sentence(words, run_moco, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    result = run_moco(*(word.format("y" * 300) for word in words))

    assert result.exit_code in (2, 3)
    assert result.stderr.startswith("moco: error: yyy")
    assert "name too long" in result.stderr.lower()


@pytest.mark.parametrize(
    "error",
    [OSError(errno.EBADF, "Bad file descriptor"), RuntimeError("shapes cannot be multiplied")],
    ids=repr,
)
def test_other_errors_stay_bugs(error):
    assert describe_shortage(error, ["--batch-size"]) is None


@pytest.mark.parametrize("words", [["fail"], ["eval", "fail"]], ids=["top", "nested"])
def test_the_hint_names_options_that_the_command_has(words):
    failing = typer.Typer(cls=MocoGroup)
    nested = typer.Typer(cls=MocoGroup)

    @failing.command("fail")
    @nested.command("fail")
    def fail(batch_size: int = 1):
        raise torch.OutOfMemoryError(CUDA_WORDS)

    @failing.command("other")
    @nested.command("other")
    def other(num_frames: int = 1):
        """Keep the groups groups."""

    failing.add_typer(nested, name="eval")
    result = CliRunner().invoke(failing, words)

    assert result.exit_code == 5
    assert result.stderr == (
        "moco: error: out of memory: 20 MiB more were asked for\n"
        "moco: hint: less is needed with a smaller --batch-size\n"
    )


@pytest.mark.parametrize(
    ("words", "stream", "code", "says"),
    [
        (["info"], "> /dev/full", 2, "output: cannot be written: No space left on device"),
        (
            ["render", "--format", "npz"],
            "> /dev/full",
            2,
            "output: cannot be written: No space left",
        ),
        (
            ["render", "--format", "gif"],
            "> /dev/full",
            2,
            "output: cannot be written: No space left",
        ),
        (["render"], ">&-", 2, "stdout is closed"),
        (["render", "-o", "clip.gif"], "2>&-", 0, ""),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_full_and_closed_streams(words, stream, code, says, toy_latents_path, tmp_path):
    if "full" in stream and not FULL_DEVICE.exists():
        pytest.skip("this system has no /dev/full")
    command, *options = words

    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {stream}', "sh", sys.executable, "-m", "mocotool", command]
        + [str(toy_latents_path), *options],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )

    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
