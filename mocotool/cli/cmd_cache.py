"""`moco cache`: show what the cache holds, or empty it."""

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
            help=f"Remove these kinds: {list_choices((*KINDS, 'all'))}.",
        ),
    ] = None,
    report: Report,
) -> None:
    """Show what the cache holds, or empty it.

    Kinds: weights and clips (downloaded by moco fetch), features (computed by
    moco eval), videos (indexes of video folders) and frames (decoded). All can
    be computed or downloaded again. $MOCO_CACHE sets the folder,
    $MOCO_CACHE_GB the size limit, once for features, videos and frames
    together and once for clips (default 20).

    Example: moco cache --clear frames
    """
    removed = {} if clear is None else clear_cache(parse_kinds(clear))
    report.result(describe_cache() | removed, quiet_hides=clear is not None)
