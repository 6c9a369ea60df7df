"""`moco cache`: what the cache holds, and how it is emptied."""

from typing import Annotated

import typer

from mocotool.cache import KINDS, clear_cache, describe_cache, parse_kinds
from mocotool.cli.report import Report
from mocotool.configs.option import list_choices


def cache(
    *,
    clear: Annotated[
        str | None,
        typer.Option(
            metavar="KIND,KIND",
            help=f"Remove what is kept of these kinds: {list_choices((*KINDS, 'all'))}.",
        ),
    ] = None,
    report: Report,
) -> None:
    """Show what the cache holds, or empty it.

    weights and clips are those of moco fetch, features those of moco eval,
    videos what is known of folders of videos, and frames decoded ones. All can
    be made or fetched again. $MOCO_CACHE says where the cache is,
    $MOCO_CACHE_GB how large features, videos and frames may grow together, and
    clips by themselves (20).

    Example: moco cache --clear frames
    """
    removed = {} if clear is None else clear_cache(parse_kinds(clear))
    report.result(describe_cache() | removed, quiet_hides=clear is not None)
