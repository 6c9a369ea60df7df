"""`moco gallery`: one page with all videos and pictures of a folder."""

from pathlib import Path
from typing import Annotated

import typer

from mocotool.cli import options as opt
from mocotool.cli.report import Report
from mocotool.files import check_output_path


def gallery(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of videos and pictures.")],
    *,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="PAGE.html",
            help="The page.",
            show_default="DIR/index.html",
            rich_help_panel="Output",
        ),
    ] = None,
    title: Annotated[str, typer.Option(help="Heading of the page.")] = "Gallery",
    force: opt.Force = False,
    report: Report,
) -> None:
    """Make one page with all videos and pictures of a folder.

    Files are grouped by name and linked, not copied: keep the page next to
    them. It opens from disk, without a server.

    Example: moco gallery results/ -o results/index.html
    """
    from mocotool.gallery import collect_sections, write_gallery

    sections = collect_sections(folder)
    page = check_output_path(folder / "index.html" if out is None else out, force=force)
    write_gallery(page, sections, title=title)
    shown = sum(len(section.files) for section in sections)
    report.result({"page": page, "sections": len(sections), "files": shown}, quiet_hides=True)
