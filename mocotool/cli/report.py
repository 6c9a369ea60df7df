"""Progress, notes and results, for people and for scripts."""

import contextlib
import dataclasses
import json
import sys
import time
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mocotool.cli.printable import printable
from mocotool.cli.streams import is_terminal
from mocotool.errors import MocoWarning

if TYPE_CHECKING:
    import torch

    from mocotool.training.listeners import RunProgress

Advance = Callable[[int], None]
ShowStep = Callable[[int, Mapping[str, float]], None]

MAX_LISTED = 32
"""Rows of a table shown as text."""


@dataclasses.dataclass
class Report:
    """Messages and results of a command, apart from its data.

    Notes, warnings and progress go to stderr. The result goes to stdout: a table, or one JSON
    object with `json`.
    """

    json: Annotated[
        bool,
        typer.Option("--json", help="Print one JSON object on stdout.", rich_help_panel="Output"),
    ] = False
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print errors only.", rich_help_panel="Output")
    ] = False
    """The result of a command that only measures still appears."""

    def __post_init__(self) -> None:
        """Silence the library's warnings as well."""
        if self.quiet:
            warnings.simplefilter("ignore", MocoWarning)

    def note(self, text: str) -> None:
        """Print a note on stderr."""
        if not self.quiet:
            typer.echo(printable(f"moco: {text}"), err=True)

    def echo(self, text: str) -> None:
        """Print text to stderr without a prefix, such as a command about to run."""
        if not self.quiet:
            typer.echo(printable(text), err=True)

    def warn(self, text: str) -> None:
        """Print a warning on stderr."""
        if not self.quiet:
            typer.echo(printable(f"moco: warning: {text}"), err=True)

    def name_device(
        self,
        device: "torch.device",
        precision: "torch.dtype | None" = None,
        *,
        shares: bool = False,
    ) -> None:
        """Report device and precision; the CPU only if stderr is a terminal.

        Args:
            device: The device.
            precision: The precision; `None` is float32.
            shares: Whether `torchrun` would split the work among GPUs.
        """
        import torch

        from mocotool.devices import describe_device, find_idle_gpus

        # of interest to a person, but noise at the top of a log
        if device.type != "cpu" or is_terminal(sys.stderr):
            self.note(f"computing on {describe_device(device, precision or torch.float32)}")
        idle = find_idle_gpus(device) if shares else None
        if idle is not None:
            self.note(idle)

    def warn_if(self, text: str | None) -> None:
        """Print a warning if there is one."""
        if text is not None:
            self.warn(text)

    @contextlib.contextmanager
    def progress(self, what: str, total: int | None = None) -> Iterator[Advance]:
        """Show a progress bar on stderr while the block runs, if stderr is a terminal.

        Args:
            what: What is counted, such as "frames".
            total: How many there will be, if known.

        Yields:
            A function to call with the number of things done since the last call.
        """
        if self.quiet or not is_terminal(sys.stderr):
            yield lambda _: None
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

        columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(what, total=total)
            yield lambda done: bar.advance(task, done)

    @contextlib.contextmanager
    def follow_run(self, shown: Collection[str]) -> "Iterator[Callable[[RunProgress], None]]":
        """Show the stages of a run on stderr, one after the other.

        Args:
            shown: Which values of a step to show.

        Yields:
            A function to call with how far a stage is.
        """
        stage = ""
        show: ShowStep = _show_nothing
        with contextlib.ExitStack() as bars:

            def follow(told: "RunProgress") -> None:
                nonlocal stage, show
                if told.stage != stage:
                    bars.close()  # that of the stage before
                    stage, is_training = told.stage, told.values is not None
                    show = bars.enter_context(
                        self._stage_bar(stage, told.total, told.done, stays=is_training)
                    )
                values = told.values or {}
                show(told.done, {name: values[name] for name in shown if name in values})

            yield follow

    @contextlib.contextmanager
    def _stage_bar(
        self, unit: str, total: int | None, done: int, *, stays: bool
    ) -> Iterator[ShowStep]:
        """Show a stage's progress, rate, time left and losses; yield a function to update them."""
        if self.quiet or not is_terminal(sys.stderr):
            yield _show_nothing
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

        columns = (
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            unit,
            "{task.fields[rate]}",
            TimeRemainingColumn(),
            "{task.fields[losses]}",
        )
        started = time.monotonic()
        with Progress(*columns, console=Console(stderr=True), transient=not stays) as bar:
            task = bar.add_task(unit, total=total, completed=done, rate="", losses="")

            def show(now: int, values: Mapping[str, float]) -> None:
                rate = (now - done) / max(time.monotonic() - started, 1e-9)
                losses = "  ".join(f"{name} {value:.3f}" for name, value in values.items())
                bar.update(task, completed=now, rate=f"{rate:.3g}/s", losses=losses)

            yield show

    def result(self, values: Mapping[str, Any], *, quiet_hides: bool = False) -> None:
        """Print a command's result on stdout, as a table or as one JSON object.

        Args:
            values: Name -> value; nested mappings are flattened with dots in the table.
            quiet_hides: Whether `--quiet` drops it (for summaries of commands that write files).
        """
        if self.json:
            typer.echo(json.dumps(values, default=str))
        elif not (self.quiet and quiet_hides):
            rows = list(_flatten(values))
            width = max((len(name) for name, _ in rows), default=0)
            for name, value in rows:
                typer.echo(printable(f"{name:<{width}}  {value}"))


def _show_nothing(_done: int, _values: Mapping[str, float]) -> None:
    """Replace the progress bar if stderr is not a terminal."""


def _flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        elif isinstance(value, float):
            yield f"{prefix}{name}", f"{value:.6g}"
        elif isinstance(value, list | tuple):
            yield f"{prefix}{name}", ", ".join(str(item) for item in value) or "-"
        else:
            yield f"{prefix}{name}", "-" if value is None else str(value)


def list_first(told: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return the first rows of a long table of name and text, and the number of the others."""
    listed = dict(told[:MAX_LISTED])
    if len(told) > MAX_LISTED:
        listed["..."] = f"{len(told) - MAX_LISTED} more; --json lists all"
    return listed
