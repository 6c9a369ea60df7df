"""Digests of the contents of videos, from a sample of their bytes."""

import hashlib
import os
from collections.abc import Sequence

from mocotool.boundary import foreign_data
from mocotool.video.archives import Source, open_source, source_size
from mocotool.video.opening import VideoEntry

SAMPLE_BYTES = 1 << 14
MAX_SAMPLED = 64  # images of a folder that are looked into; the lengths of all count


def digest_contents(entries: Sequence[VideoEntry]) -> list[str]:
    """Return a digest of 16 digits for each video, which changes when the video is replaced.

    It depends on the length and on bytes from the beginning, middle and end, not on file times or
    the location, so that a run can be moved to another machine.
    """
    return [entry.contents or _digest(entry) for entry in entries]


def _digest(entry: VideoEntry) -> str:
    files = entry.sources
    step = -(-len(files) // MAX_SAMPLED)
    digest = hashlib.sha256()
    with foreign_data(entry.path, what="a video"):
        for index, file in enumerate(files):
            size = source_size(file)
            digest.update(f"{size} ".encode())
            if index % step == 0:
                digest.update(_sample(file, size))
    return digest.hexdigest()[:16]


def _sample(file: Source, size: int) -> bytes:
    with open_source(file) as stream:
        pieces = [stream.read(SAMPLE_BYTES)]
        for place in (size // 2, size - SAMPLE_BYTES):
            stream.seek(max(0, place), os.SEEK_SET)
            pieces.append(stream.read(SAMPLE_BYTES))
    return b"".join(pieces)
