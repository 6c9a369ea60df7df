"""`moco merge`: merge the results of `--shard`."""

from pathlib import Path
from typing import Annotated

import typer

from mocotool.cli import options as opt
from mocotool.cli.report import Report
from mocotool.files import check_input_file, check_output_path


def merge_command(
    parts: Annotated[
        list[Path], typer.Argument(metavar="PART...", help="The .npz file of every shard.")
    ],
    *,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE.npz",
            help="Output file.",
            rich_help_panel="Output",
        ),
    ],
    force: opt.Force = False,
    report: Report,
) -> None:
    """Merge the results of all shards.

    Shards of moco pca give the same basis as one machine, bit for bit; shards
    of moco sample and moco invert (and of commands after them) give the
    latents, those of moco eval stats the statistics. A missing or duplicate
    shard, or one with other settings, is refused.

    Example: moco merge part-0.npz part-1.npz -o pca.npz
    """
    for part in parts:
        check_input_file(part)
    check_output_path(out, force=force)

    from mocotool.merging import merge_files

    report.result({"wrote": str(out)} | merge_files(parts, out), quiet_hides=True)
