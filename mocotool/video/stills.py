"""Pictures for inversion: images, folders of them, or the frames of a video."""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mocotool.arrays import FramesU8
from mocotool.configs.invert import DEFAULT_ALIGN, AlignChoice
from mocotool.errors import ConfigError, FileFormatError
from mocotool.files import check_input_file
from mocotool.video.alignment import Landmarks, align_frames, find_face
from mocotool.video.archives import is_archive, list_members
from mocotool.video.candidates import MEDIA_SUFFIXES
from mocotool.video.cutting import Size, iter_chunks, largest_cut, to_height_and_width
from mocotool.video.opening import (
    VideoEntry,
    is_image_name,
    natural_key,
    open_source_video,
    open_video,
)
from mocotool.video.pictures import IMAGE_MAGIC, read_image

MIN_SIDE = 8
MAGIC_BYTES = 12


@dataclass(frozen=True, slots=True)
class Stills:
    """Pictures that were found and not read yet."""

    entries: tuple[VideoEntry, ...]
    """One entry per image, or a single video."""
    frame_idxs: tuple[int, ...]
    """Frame indices of a single video; 0 for an image."""
    is_video: bool
    """Whether they are the frames of one video, in order."""

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each picture in reports."""
        if not self.is_video or len(self.entries) > 1:
            return tuple(str(entry.path) for entry in self.entries)
        return tuple(f"{self.entries[0].path}#{idx}" for idx in self.frame_idxs)

    def take(self, share: range) -> "Stills":
        """Return a block of the images.

        Raises:
            ConfigError: They are the frames of one video.
        """
        if self.is_video:
            raise ConfigError(
                "--shard divides images or clips, and these are the frames of one video",
                hint="leave out --shard, or give several videos",
            )
        part = slice(share.start, share.stop)
        return dataclasses.replace(
            self, entries=self.entries[part], frame_idxs=self.frame_idxs[part]
        )

    @property
    def fps(self) -> float | None:
        """Frames per second, if the selected frames of a video are evenly spaced."""
        rate = self.entries[0].fps
        steps = set(np.diff(self.frame_idxs).tolist())
        if not self.is_video or rate is None or len(steps) > 1:
            return None
        return rate / (steps.pop() if steps else 1)

    def describe_cuts(self, size: Size, *, align: AlignChoice = DEFAULT_ALIGN) -> list[str]:
        """Describe how `read` crops and resizes pictures of another size."""
        wanted = to_height_and_width(size)
        to_wanted = f" -> {wanted[1]}x{wanted[0]}"
        sizes = Counter((entry.width, entry.height) for entry in self.entries)
        lines = []
        for (width, height), count in sizes.items():
            if (height, width) == wanted and align != "face":
                continue
            first = next(
                str(entry.path)
                for entry in self.entries
                if (entry.width, entry.height) == (width, height)
            )
            name = first if count == 1 else f"{first} and {count - 1} more"
            rows, columns = largest_cut((height, width), wanted)
            cut = "" if (rows, columns) == (height, width) else f" -> the centre {columns}x{rows}"
            shrink = "" if (rows, columns) == wanted else to_wanted
            if align != "center":
                cut = " -> the largest face, upright" if align == "face" else ""
                shrink = to_wanted
            lines.append(f"{name}: {width}x{height}{cut}{shrink}")
        return lines

    def read(
        self, size: Size, *, align: AlignChoice = DEFAULT_ALIGN, landmarks: Landmarks | None = None
    ) -> FramesU8:
        """Read the pictures, cropped and resized to one size.

        Args:
            size: Side in pixels, or height and width.
            align: How they are cropped; see `align_frames`.
            landmarks: Detects the landmarks of a face, for "face".

        Returns:
            uint8 [n, 3, h, w] RGB, of that size.

        Raises:
            FileFormatError: A picture cannot be decoded, or has no detectable face.
        """
        return np.concatenate(
            [
                squares
                for entry in self.entries
                for squares in self._iter_aligned(entry, size, align, landmarks)
            ]
        )

    def _iter_aligned(
        self, entry: VideoEntry, size: Size, align: AlignChoice, landmarks: Landmarks | None
    ) -> Iterator[FramesU8]:
        """Yield an entry's frames, cropped, in chunks of bounded memory.

        A face is detected in the first frame.
        """
        face = None
        for chunk in iter_chunks(entry, self._idxs_of(entry)):
            if face is None and align == "face":
                assert landmarks is not None
                face = find_face(chunk[0], landmarks, name=str(entry.path))
            yield align_frames(chunk, size, align=align, face=face)

    def _idxs_of(self, entry: VideoEntry) -> tuple[int, ...] | None:
        """Frame indices of an entry; `None` for all."""
        return self.frame_idxs if entry.num_frames > 1 else None


def find_stills(
    paths: Sequence[Path], *, as_video: bool = False, frame_idxs: Sequence[int] | None = None
) -> Stills:
    """Find the pictures at some paths.

    Args:
        paths: Images, folders, zips or tars of images, or one video, also in a zip or tar.
        as_video: Treat images as the frames of one video.
        frame_idxs: Frame indices of a video; `None` for all.

    Raises:
        FileFormatError: A path is missing or neither image nor video, or a picture is too small.
        ConfigError: Images and a video are mixed, or `frame_idxs` was given for images.
    """
    entries = [entry for path in paths for entry in _list_entries(path)]

    # one video alone, or any number of images
    video = next((entry for entry in entries if entry.num_frames > 1), None)
    if video is not None and len(entries) > 1:
        raise ConfigError(
            f"{video.path}: a video of {video.num_frames} frames, expected an image like the "
            "others",
            hint="give images only, or one video alone, whose frames become one trajectory",
        )
    if video is None and frame_idxs is not None:
        raise ConfigError(f"{paths[0]}: an image has no frames to choose from, got --frames")

    for entry in entries:
        if min(entry.width, entry.height) < MIN_SIDE:
            raise FileFormatError(
                f"{entry.path}: {entry.width}x{entry.height} pixels, "
                f"expected at least {MIN_SIDE}x{MIN_SIDE}"
            )
    if video is None:
        return Stills(tuple(entries), (0,) * len(entries), as_video)

    chosen = tuple(range(video.num_frames)) if frame_idxs is None else tuple(sorted(frame_idxs))
    if chosen[-1] >= video.num_frames:
        raise ConfigError(
            f"{video.path}: there is no frame {chosen[-1]}, it has {video.num_frames}",
            hint=f"--frames 0-{video.num_frames - 1}",
        )
    return Stills((video,), chosen, True)


def _list_entries(path: Path) -> list[VideoEntry]:
    if path.is_dir():
        names = sorted(
            (item.name for item in path.iterdir() if is_image_name(item.name)), key=natural_key
        )
        if not names:
            raise FileFormatError(f"{path}: no images in this folder")
        return [open_video(path / name) for name in names]
    check_input_file(path)
    if is_archive(path):
        return _list_archived(path)
    if is_image_name(path.name) or _has_image_magic(path):
        return [_open_image(path)]
    try:
        return [open_video(path)]
    except FileFormatError as error:
        if error.hint is not None:  # it is a video, and the hint says what to do about it
            raise
        reason = str(error).removeprefix(f"{path}: ").removeprefix("cannot be read as a video: ")
        raise FileFormatError(
            f"{path}: neither an image nor a video that can be decoded ({reason})",
            hint="`moco info` says what a file is",
        ) from error


def _list_archived(archive: Path) -> list[VideoEntry]:
    """Open all images in a zip or a tar, at any depth, else its videos."""
    members = sorted(list_members(archive), key=lambda member: natural_key(member.name))
    images = [member for member in members if is_image_name(member.name)]
    found = images or [m for m in members if m.path.suffix.lower() in MEDIA_SUFFIXES]
    if not found:
        raise FileFormatError(f"{archive}: no images and no video in this archive")
    return [open_source_video(member) for member in found]


def _open_image(path: Path) -> VideoEntry:
    """Open an image, whatever its suffix."""
    height, width, _ = read_image(path).shape
    return VideoEntry(path=path, kind="image", num_frames=1, fps=None, width=width, height=height)


def _has_image_magic(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(MAGIC_BYTES)
    if start.startswith(b"RIFF"):
        return start[8:12] == b"WEBP"
    return any(start.startswith(magic) for magic, _ in IMAGE_MAGIC)
