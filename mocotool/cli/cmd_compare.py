"""`moco compare`: ask people which videos they prefer, blind, and count their votes."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mocotool.cli import options as opt
from mocotool.cli.group import MocoGroup
from mocotool.cli.report import Report
from mocotool.cli.spread import spread_options
from mocotool.configs.compare import CompareConfig
from mocotool.files import check_output_folder

DEFAULT_COMMAND = "page"


class CompareGroup(MocoGroup):
    """A group that takes `moco compare A B` for `moco compare page A B`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Insert the default command if none is named."""
        if args and args[0] not in (*self.commands, "help", "--help", "-h"):
            args = [DEFAULT_COMMAND, *args]
        return super().parse_args(ctx, args)


compare_app = typer.Typer(
    name="compare",
    cls=CompareGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@compare_app.callback()
def compare() -> None:
    """Ask people which videos they prefer, blind, and count their votes.

    Example: moco compare ours/ theirs/ -o page/
    """


def page(
    sides: Annotated[
        list[Path],
        typer.Argument(metavar="SIDES", help="Folders of videos or pictures, one per side."),
    ],
    *,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            metavar="FOLDER",
            help="Folder for the page and copies of the videos.",
            rich_help_panel="Output",
        ),
    ],
    config: CompareConfig,
    force: opt.Force = False,
    report: Report,
) -> None:
    """Make a page for a blind comparison: which of two sides looks better?

    The order of sides, positions and videos is random (--seed), and file names
    do not give the side away. The page opens from disk and sends nothing;
    people choose with the arrow keys or by touch, and save their votes as a
    file.

    Example: moco compare page ours/ theirs/ -o page/
    """
    folder = check_output_folder(out, force=force)

    from mocotool.preference.page import write_page
    from mocotool.preference.study import describe_study, plan_study

    study = plan_study(sides, config=config)
    written = write_page(study, folder)
    report.result({"page": str(written)} | describe_study(study), quiet_hides=True)


def tally(
    votes: Annotated[list[Path], typer.Argument(metavar="VOTES", help="Saved vote files.")],
    *,
    report: Report,
) -> None:
    """Count votes: shares with 95 % intervals, and a Bradley-Terry scale from 3 sides.

    Example: moco compare tally votes-*.json
    """
    from mocotool.preference.votes import describe_tally, read_ballot, tally_votes

    counted = tally_votes([read_ballot(path) for path in votes])
    for warning in counted.warnings:
        report.warn(warning)
    report.result(describe_tally(counted, as_text=not report.json))


compare_app.command()(spread_options(page))
compare_app.command()(spread_options(tally))
