"""`moco info`: what a file is and where it came from."""

from pathlib import Path
from typing import Annotated

import typer

from mocotool.cli.report import Report
from mocotool.errors import FileFormatError


def info(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Generator, latents, PCA basis, motion model, statistics, or a run's folder.",
        ),
    ],
    *,
    report: Report,
) -> None:
    """Say what a file is and where it came from.

    The file is recognised by its content, and nothing in it is run.

    Example: moco info stylegan2.pkl
    """
    if not file.exists():
        raise FileFormatError(f"{file}: no such file", hint="check the path")

    from mocotool.info import describe_file

    report.result(describe_file(file))
