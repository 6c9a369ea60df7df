"""Errors that the user can fix, each with its exit code.

The command line turns these into one sentence on stderr; see `mocotool.cli.group`. Anything else
that escapes is a bug and shows its traceback (exit code 1).
"""


class MocoError(Exception):
    """What every error meant for the user derives from; never raised itself.

    Args:
        message: The thing, what is wrong with it, what was found and what was expected. Lower case,
            no full stop, the file's name first.
        hint: What to type or do next, or `None` where the message already says it.
    """

    exit_code = 2

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class ConfigError(MocoError):
    """A value is out of range, or two options contradict each other (exit code 2)."""

    exit_code = 2


class FileFormatError(MocoError):
    """A file is missing, unreadable, or not what it claims to be (exit code 3)."""

    exit_code = 3


class MismatchError(MocoError):
    """Two valid inputs do not belong together (exit code 4)."""

    exit_code = 4


class UnavailableError(MocoError):
    """A device, codec, detector, optional package or enough memory is not there (exit code 5)."""

    exit_code = 5


class DivergedError(MocoError):
    """A computation produced NaN or infinity (exit code 6)."""

    exit_code = 6


class MocoWarning(UserWarning):
    """What may surprise the user, and stops nothing; Python's `warnings` carry it."""


class StoppedError(MocoError):
    """A run was asked to stop and has saved its state (exit code 130)."""

    exit_code = 130
