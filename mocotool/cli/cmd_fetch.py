"""`moco fetch`: download published weights into the verified cache."""

from pathlib import PurePosixPath
from typing import Annotated, Any

import typer

from mocotool.addresses import is_store
from mocotool.cli.report import Report
from mocotool.downloads import (
    PUBLISHED,
    PublishedWeights,
    cached_path,
    describe_weights,
    fetch,
    known_sha256,
)
from mocotool.fetched import fetch_clips
from mocotool.stores import is_folder


def fetch_command(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME|URL]...",
            help="What to download, also weights and latents by https://host/file, "
            "hf://owner/repo/file or s3://bucket/file, and folders or tars of videos by "
            "s3://bucket/folder; without arguments the known names are listed.",
            autocompletion=lambda: list(PUBLISHED),
        ),
    ] = None,
    *,
    report: Report,
) -> None:
    """Download weights or videos into the cache, and check them.

    An interrupted download resumes where it stopped. A file that is not the
    published one is refused before it is opened. Of a folder that was
    downloaded before, only changed files are downloaded. The cache is
    $MOCO_CACHE, else the user's cache folder.

    Example: moco fetch i3d
    """
    wanted = [describe_weights(name) for name in names or []]
    copied = {}
    for name, weights in zip(names or [], wanted, strict=True):
        with report.progress(weights.name, weights.size_bytes) as advance:
            if is_store(weights.url) and holds_videos(weights.url):
                path, facts = fetch_clips(name, progress=advance)
                copied[weights.name] = {"path": str(path), "is_here": True, **facts}
            else:
                fetch(name, progress=advance, note=report.note)
    report.result(
        {
            weights.name: copied.get(weights.name) or describe(weights)
            for weights in wanted or PUBLISHED.values()
        },
        quiet_hides=bool(wanted),
    )


def holds_videos(url: str) -> bool:
    """Return whether an address points to videos rather than to weights or latents.

    Raises:
        UnavailableError: It cannot be reached, or nothing is there.
    """
    from mocotool.video.archives import ARCHIVE_SUFFIXES
    from mocotool.video.candidates import MEDIA_SUFFIXES

    ending = PurePosixPath(url).suffix.lower()
    return ending in MEDIA_SUFFIXES | ARCHIVE_SUFFIXES or is_folder(url)


def describe(weights: PublishedWeights) -> dict[str, Any]:
    """Return the facts about a file of weights."""
    path = cached_path(weights.name)
    return {
        "path": str(path),
        "is_here": path.is_file(),
        "purpose": weights.purpose,
        "url": weights.url,
        "sha256": weights.sha256 or known_sha256(weights.name),
        "licence": weights.licence,
    }
