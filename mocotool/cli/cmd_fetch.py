"""`moco fetch`: download published weights into the verified cache."""

from typing import Annotated

import typer

from mocotool.cli.report import Report
from mocotool.downloads import PUBLISHED, cached_path, describe_weights, fetch, known_sha256


def fetch_command(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME|URL]...",
            help="What to download, also a generator by https://host/file or "
            "hf://owner/repo/file; nothing lists what there is.",
            autocompletion=lambda: list(PUBLISHED),
        ),
    ] = None,
    *,
    report: Report,
) -> None:
    """Download weights into the cache, and check them.

    An interrupted download resumes where it stopped. A file that is not the
    published one is refused before anything opens it. The cache is
    $MOCO_CACHE, else the user's cache folder.

    Example: moco fetch i3d
    """
    wanted = [describe_weights(name) for name in names or []]
    for name, weights in zip(names or [], wanted, strict=True):
        with report.progress(weights.name, weights.size_bytes) as advance:
            fetch(name, progress=advance, note=report.note)
    report.result(
        {
            weights.name: {
                "path": str(cached_path(weights.name)),
                "is_here": cached_path(weights.name).is_file(),
                "purpose": weights.purpose,
                "url": weights.url,
                "sha256": weights.sha256 or known_sha256(weights.name),
                "licence": weights.licence,
            }
            for weights in wanted or PUBLISHED.values()
        },
        quiet_hides=bool(wanted),
    )
