"""The error boundary, the version, and what the command line is before any command runs."""

import os
import re
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

import mocotool
from mocotool.cli.group import MocoGroup
from mocotool.errors import (
    ConfigError,
    DivergedError,
    FileFormatError,
    MismatchError,
    StoppedError,
    UnavailableError,
)


def make_app(error):
    """An application whose commands, one of them nested, raise `error`."""
    failing = typer.Typer(cls=MocoGroup, pretty_exceptions_enable=False)
    nested = typer.Typer(cls=MocoGroup)

    @failing.callback()
    def group():
        """Have a group even with one command."""

    @failing.command("fail")
    @nested.command("fail")
    def fail():
        raise error

    @nested.command("other")
    def other():
        """Keep the nested group a group."""

    failing.add_typer(nested, name="eval")
    return failing


@pytest.mark.parametrize("words", [["fail"], ["eval", "fail"]], ids=["top", "nested"])
@pytest.mark.parametrize(
    "error",
    [ConfigError, FileFormatError, MismatchError, UnavailableError, DivergedError],
)
def test_an_error_becomes_a_sentence_and_its_exit_code(error, words):
    result = CliRunner().invoke(make_app(error("walk.npz: is wrong", hint="mend it")), words)

    assert result.exit_code == error.exit_code
    assert result.stderr == "moco: error: walk.npz: is wrong\nmoco: hint: mend it\n"
    assert result.stdout == ""


def test_a_run_that_was_asked_to_stop_and_has_saved_is_no_error():
    stopped = StoppedError("run: stopped and saved", hint="run it with --resume")
    result = CliRunner().invoke(make_app(stopped), ["fail"])

    assert result.exit_code == 130
    assert result.stderr == "moco: run: stopped and saved\nmoco: run it with --resume\n"


def test_an_error_without_a_hint_is_one_line():
    result = CliRunner().invoke(make_app(ConfigError("factor 0: expected at least 1")), ["fail"])

    assert result.stderr == "moco: error: factor 0: expected at least 1\n"


def test_shapes_in_a_message_survive():
    error = MismatchError("ws has shape [2, 14, 511], expected [n, num_ws=14, w_dim=512]")

    result = CliRunner().invoke(make_app(error), ["fail"])

    assert "[2, 14, 511], expected [n, num_ws=14, w_dim=512]" in result.stderr


def test_a_bug_keeps_its_traceback_and_exits_1():
    result = CliRunner().invoke(make_app(ZeroDivisionError("a bug")), ["fail"])

    assert result.exit_code == 1
    assert isinstance(result.exception, ZeroDivisionError)


def test_an_interrupted_command_exits_130():
    result = CliRunner().invoke(make_app(KeyboardInterrupt()), ["fail"])

    assert result.exit_code == 130
    assert result.stderr == "moco: interrupted\n"


def test_a_reader_that_went_away_is_no_error():
    result = CliRunner().invoke(make_app(BrokenPipeError()), ["fail"])

    assert result.exit_code == 0
    assert result.stderr == ""


def test_the_version_is_the_packages(run_moco):
    result = run_moco("--version")

    assert result.stdout == f"mocotool {mocotool.__version__}\n"
    assert result.exit_code == 0


@pytest.mark.parametrize(
    "argv",
    [
        ["no-such-command"],
        ["sample", "--no-such-option"],
        ["sample", "--num-frames", "many"],
        ["sample", "--num-frames", "0"],
        ["sample", "--seeds", "one"],
        ["sample", "--seeds", "3-1"],
        ["interpolate", "--mode", "quadratic"],
        ["render", "--fps", "0"],
        ["render", "--noise", "some"],
        ["train-motion", "-o", "run"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_meant_is_a_usage_error(argv, run_moco):
    result = run_moco(*argv)

    assert result.exit_code == 2
    assert result.stderr
    assert "Traceback" not in result.stderr


def test_a_slip_in_a_command_is_answered_with_what_was_meant(run_moco):
    result = run_moco("smaple")

    assert "sample" in result.stderr
    assert result.exit_code == 2


def test_no_arguments_show_the_help(run_moco):
    result = run_moco()

    assert "Usage: moco" in result.stdout + result.stderr
    assert result.exit_code == 2


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_lists_the_commands_in_the_order_of_the_pipeline(option, run_moco):
    listed = re.findall(r"^│ ([a-z][a-z-]*) ", run_moco(option).stdout, re.MULTILINE)

    places = [listed.index(name) for name in ("pca", "train-motion", "sample", "render", "eval")]

    assert places == sorted(places)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_commands_and_options(shell):
    environment = os.environ | {
        "_MOCO_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": "moco render --noi",
        "COMP_CWORD": "2",
        "_TYPER_COMPLETE_ARGS": "moco render --noi",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }

    done = subprocess.run(
        [sys.executable, "-m", "mocotool"], env=environment, capture_output=True, text=True
    )

    assert "--noise" in done.stdout
    assert done.stderr == ""


def test_a_reader_that_closes_early_sees_no_traceback():
    reading, writing = os.pipe()
    os.close(reading)

    done = subprocess.run(
        [sys.executable, "-m", "mocotool", "--help"],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writing)

    assert done.stderr == ""


def test_python_m_mocotool_is_moco():
    done = subprocess.run(
        [sys.executable, "-m", "mocotool", "no-such-command"], capture_output=True, text=True
    )

    assert done.returncode == 2
    assert "Usage: moco " in done.stderr
