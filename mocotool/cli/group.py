"""The error boundary: errors become messages and exit codes here, and nowhere else."""

import contextlib
import inspect
import math
import signal
import threading
import warnings
from collections.abc import Iterator
from types import FrameType
from typing import Any, Never

import typer
from typer.core import TyperGroup

from mocotool.cli.printable import printable
from mocotool.cli.shortages import describe_shortage
from mocotool.cli.streams import silence_stdout
from mocotool.errors import ConfigError, MocoError, MocoWarning, StoppedError


class MocoGroup(TyperGroup):
    """A group of commands that turns the library's errors into a message and an exit code."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command, with the line breaks inside its help's paragraphs removed."""
        command = super().get_command(ctx, cmd_name)
        if command is not None and command.help:
            paragraphs = inspect.cleandoc(command.help).split("\n\n")
            command.help = "\n\n".join(" ".join(text.split()) for text in paragraphs)
        for param in getattr(command, "params", ()):
            if param.callback is None:
                param.callback = require_finite
        return command

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Accept `help COMMAND` for `COMMAND --help`."""
        if args[:1] == ["help"]:
            args = [*args[1:], "--help"]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            with terminations_raised(), warnings_said():
                return super().invoke(ctx)
        except MocoError as error:
            fail(error)
        except KeyboardInterrupt:
            typer.echo("moco: interrupted", err=True)
            raise typer.Exit(130) from None
        except BrokenPipeError:
            silence_stdout()
            raise typer.Exit(0) from None
        except (MemoryError, OSError, RuntimeError) as error:
            command = self.get_command(ctx, ctx.invoked_subcommand)
            shortage = describe_shortage(error, list_options(command))
            if shortage is None:
                raise
            if isinstance(error, OSError):
                silence_stdout()  # its buffer cannot be written either
            fail(shortage)


def require_finite(_ctx: Any, param: Any, value: float | None) -> float | None:
    """Return the value of a numeric option.

    Raises:
        ConfigError: It is NaN or infinite, which Python parses as numbers.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{param.opts[0]} {value}: expected a finite number")
    return value


class Terminated(KeyboardInterrupt):
    """Raised when SIGTERM or SIGHUP arrives."""


@contextlib.contextmanager
def terminations_raised() -> Iterator[None]:
    """Make SIGTERM and SIGHUP unwind the block as Ctrl-C does, so that temporary files are removed.

    Training handles them itself while it runs. Ignored signals, as under nohup, stay ignored.
    """

    def end(_number: int, _frame: FrameType | None) -> None:
        raise Terminated

    is_main = threading.current_thread() is threading.main_thread()
    names = [name for name in ("SIGTERM", "SIGHUP") if is_main and hasattr(signal, name)]
    caught = [
        number
        for number in (getattr(signal, name) for name in names)
        if signal.getsignal(number) is signal.SIG_DFL
    ]
    for number in caught:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in caught:
            signal.signal(number, signal.SIG_DFL)


@contextlib.contextmanager
def warnings_said() -> Iterator[None]:
    """Print the library's warnings as the command's; a quiet `Report` silences them."""
    with warnings.catch_warnings():
        show_others = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *place: Any) -> None:
            if issubclass(category, MocoWarning):
                typer.echo(printable(f"moco: warning: {message}"), err=True)
            else:
                show_others(message, category, *place)

        warnings.simplefilter("always", MocoWarning)
        # NumPy reports an overflow; its result is refused later with a message of ours
        warnings.filterwarnings("ignore", "overflow|invalid value", RuntimeWarning)
        warnings.showwarning = show  # type: ignore[assignment]
        yield


def fail(error: MocoError) -> Never:
    """Print an error to stderr, and exit with its code."""
    # A run that was asked to stop, and has saved, did nothing wrong.
    mark, advice = ("", "") if isinstance(error, StoppedError) else ("error: ", "hint: ")
    typer.echo(printable(f"moco: {mark}{error}"), err=True)  # echo, not rich: shapes survive
    if error.hint:
        typer.echo(printable(f"moco: {advice}{error.hint}"), err=True)
    raise typer.Exit(error.exit_code) from None


def list_options(command: Any) -> list[str]:
    """Return a command's long options as they are typed."""
    return [name for param in command.params for name in param.opts if name.startswith("--")]
