"""`moco info`: show what a file is and where it came from."""

from pathlib import Path
from typing import Annotated

import typer

from mocotool.addresses import address_of
from mocotool.cli.report import Report
from mocotool.cli.streams import OPENED_PREFIXES, STDIN_PATHS, saved_stream
from mocotool.errors import FileFormatError
from mocotool.files import is_stream


def info(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="Generator, latents, PCA basis, motion model, statistics, video, dataset in a "
            "zip or tar, run folder, or an address that was fetched; - is stdin.",
        ),
    ],
    *,
    report: Report,
) -> None:
    """Show what a file is and where it came from.

    The file is recognised by its content; no code in it is executed.

    Example: moco info stylegan2.pkl
    """
    path = Path(file)
    # A named pipe may have nobody at its other end; what the shell opened for us has.
    is_pipe = is_stream(path)
    is_open_stream = file in STDIN_PATHS or (file.startswith(OPENED_PREFIXES) and is_pipe)
    is_address = address_of(file) is not None
    if not is_open_stream and not is_address and not path.exists():
        raise FileFormatError(f"{file}: no such file", hint="check the path")
    if is_pipe and not is_open_stream:
        raise FileFormatError(
            f"{file}: is a device or a pipe, expected a file, or - for stdin",
            hint=f"moco info - < {file}",
        )

    from mocotool.info import check_beginning, describe_file

    if not is_open_stream:
        report.result(describe_file(file))
        return
    with saved_stream(file, check=check_beginning) as (path, name):
        report.result(describe_file(path) | {"file": name})
