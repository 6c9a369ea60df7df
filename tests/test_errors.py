"""Errors carry their exit code, their message and what to do next."""

import pytest

from mocotool.errors import (
    ConfigError,
    DivergedError,
    FileFormatError,
    MismatchError,
    MocoError,
    StoppedError,
    UnavailableError,
)


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (ConfigError, 2),
        (FileFormatError, 3),
        (MismatchError, 4),
        (UnavailableError, 5),
        (DivergedError, 6),
        (StoppedError, 130),
    ],
)
def test_each_error_has_the_exit_code_that_scripts_lean_on(error, exit_code):
    assert error.exit_code == exit_code
    assert issubclass(error, MocoError)


def test_an_error_prints_as_its_message_alone():
    error = FileFormatError("walk.npz: no field 'latents'", hint="moco info walk.npz")

    assert str(error) == "walk.npz: no field 'latents'"
    assert error.hint == "moco info walk.npz"


def test_a_hint_may_be_left_out():
    assert ConfigError("factor 0: expected at least 1").hint is None


def test_a_new_kind_of_error_counts_as_a_usage_error_until_it_says_otherwise():
    class NewError(MocoError):
        """One without a code of its own."""

    assert NewError("x").exit_code == 2
