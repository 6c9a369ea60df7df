"""Sources of clips to measure: videos on disk, latents rendered on the fly, clips in memory.

Latents are rendered to bytes when they are needed, so no lossy compression comes between generator
and detector.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import av
import numpy as np
import numpy.typing as npt

from mocotool.arrays import FramesU8
from mocotool.configs.render import RenderConfig
from mocotool.errors import FileFormatError
from mocotool.files import HASH_CHUNK_BYTES
from mocotool.frames import render_video
from mocotool.generators.base import Generator
from mocotool.latents import Trajectory
from mocotool.video.archives import open_source
from mocotool.video.listing import VideoListing, list_videos
from mocotool.video.opening import VideoEntry
from mocotool.video.reading import read_frames

LOSSLESS_CODECS = frozenset(
    ("ffv1", "huffyuv", "ffvhuff", "rawvideo", "png", "apng", "utvideo", "v210", "qtrle", "bmp")
)
LOSSLESS_IMAGES = frozenset((".png", ".bmp", ".tif", ".tiff", ".ppm", ".tga"))


class VideoSource(Protocol):
    """Videos whose clips can be read."""

    name: str
    """Name in results and messages."""

    @property
    def num_frames(self) -> npt.NDArray[np.int64]:
        """Frames of each video, [n]."""

    @property
    def is_threaded(self) -> bool:
        """Whether clips may be prefetched by several threads."""

    def read_clip(self, video_idx: int, frame_idx: Sequence[int]) -> FramesU8:
        """Return some frames of a video, uint8 [t, h, w, 3].

        Raises:
            FileFormatError: They cannot be decoded.
        """

    def describe_clip(self, video_idx: int, frame_idx: Sequence[int]) -> str:
        """Name a clip in a message."""

    def fingerprint(self, video_idxs: Sequence[int]) -> str:
        """Return a hash that changes with the pixels of these videos, 64 hexadecimal digits."""

    def describe(self) -> dict[str, Any]:
        """Return the record of this input for a result."""


class VideoFiles:
    """Videos and folders of frames on disk.

    Args:
        listing: Result of `list_videos`.
        name: Name in results and messages; `None` for the folder.
    """

    is_threaded = True

    def __init__(self, listing: VideoListing, *, name: str | None = None) -> None:
        self.listing = listing
        self.entries = listing.entries
        self.name = str(listing.folder) if name is None else name
        self._hashes: dict[int, bytes] = {}

    @property
    def num_frames(self) -> npt.NDArray[np.int64]:
        """Frames of each video, [n]."""
        return np.array([entry.num_frames for entry in self.entries], np.int64)

    def read_clip(self, video_idx: int, frame_idx: Sequence[int]) -> FramesU8:
        """Return some frames of a video, uint8 [t, h, w, 3]."""
        return read_frames(self.entries[video_idx], frame_idx)

    def describe_clip(self, video_idx: int, frame_idx: Sequence[int]) -> str:
        """Name a clip in a message."""
        return f"{self.entries[video_idx].path}: frames {frame_idx[0]} to {frame_idx[-1]}"

    def fingerprint(self, video_idxs: Sequence[int]) -> str:
        """Hash the bytes of the files of some videos."""
        digest = hashlib.sha256(b"files")
        for video_idx in video_idxs:
            if video_idx not in self._hashes:
                self._hashes[video_idx] = _hash_entry(self.entries[video_idx])
            digest.update(self._hashes[video_idx])
        return digest.hexdigest()

    def describe(self) -> dict[str, Any]:
        """Return the record of this input for a result."""
        sizes = Counter(f"{entry.width}x{entry.height}" for entry in self.entries)
        lossy = sum(is_lossy(entry) for entry in _one_of_each_kind(self.entries))
        return {
            "kind": "videos",
            "num_videos": len(self.entries),
            "num_short": self.listing.num_short,
            "num_unreadable": len(self.listing.unreadable),
            "sizes": dict(sizes.most_common(8)),
            "is_lossy": lossy > 0,
            "decoding": f"PyAV {av.__version__} to RGB bytes",
        }


class RenderedLatents:
    """Latents rendered to frames on demand.

    Args:
        trajectory: The latents.
        generator: Their generator.
        config: Noise, seed and chunk size.
        name: Name in results and messages.
    """

    is_threaded = False

    def __init__(
        self,
        trajectory: Trajectory,
        generator: Generator,
        *,
        config: RenderConfig | None = None,
        name: str = "latents",
    ) -> None:
        self.trajectory = trajectory
        self.generator = generator
        self.config = RenderConfig() if config is None else config
        self.name = name

    @property
    def num_frames(self) -> npt.NDArray[np.int64]:
        """Frames of each video, [n]."""
        return np.full(self.trajectory.num_videos, self.trajectory.num_frames, np.int64)

    def read_clip(self, video_idx: int, frame_idx: Sequence[int]) -> FramesU8:
        """Render some frames of a video, uint8 [t, h, w, 3]."""
        idxs = np.asarray(frame_idx, np.int64)
        chunks = render_video(
            self.generator, self.trajectory, video_idx, config=self.config, frame_idxs=idxs
        )
        return np.concatenate(list(chunks))

    def describe_clip(self, video_idx: int, frame_idx: Sequence[int]) -> str:
        """Name a clip in a message."""
        return f"{self.name}: video {video_idx}, frames {frame_idx[0]} to {frame_idx[-1]}"

    def fingerprint(self, video_idxs: Sequence[int]) -> str:
        """Hash some videos' latents, the generator's file and the noise."""
        digest = hashlib.sha256(b"latents")
        for video_idx in video_idxs:
            digest.update(np.ascontiguousarray(self.trajectory.latents[video_idx]).tobytes())
            if self.trajectory.labels is not None:
                digest.update(self.trajectory.labels[video_idx].tobytes())
            if self.config.noise == "random":  # the noise of a video depends on its index
                digest.update(int(video_idx).to_bytes(8, "little"))
        digest.update(json.dumps(self._rendering(), sort_keys=True).encode())
        return digest.hexdigest()

    def describe(self) -> dict[str, Any]:
        """Return the record of this input for a result."""
        height, width = self.generator.img_size
        return {
            "kind": "latents",
            "num_videos": self.trajectory.num_videos,
            "sizes": {f"{width}x{height}": self.trajectory.num_videos},
            "is_lossy": False,
            "decoding": "rendered to RGB bytes",
            "rendering": self._rendering(),
            "recorded_stride": self.trajectory.meta.frame_stride,
        }

    def _rendering(self) -> dict[str, Any]:
        origin = self.generator.origin
        return {
            "generator": origin.file.sha256 if origin else None,
            "noise": self.config.noise,
            "seed": self.config.seed,
        }


def open_videos(
    path: Path,
    *,
    min_frames: int = 1,
    warn: Callable[[str], None] | None = None,
) -> VideoFiles:
    """Open a folder of videos or frames, or one video.

    A folder of numbered frames is one video; other images are videos of one frame each.

    Raises:
        FileFormatError: It has no usable video; the message says why.
    """
    return VideoFiles(list_videos(path, min_frames=min_frames, warn=warn))


def is_lossy(entry: VideoEntry) -> bool:
    """Return whether a video's codec is lossy."""
    if entry.kind == "image":
        return entry.path.suffix.lower() not in LOSSLESS_IMAGES
    if entry.kind == "frames":
        return any(Path(name).suffix.lower() not in LOSSLESS_IMAGES for name in entry.names)
    try:
        source = entry.sources[0]
        file: Any = str(source) if isinstance(source, Path) else open_source(source)
        with av.open(file) as container:
            return container.streams.video[0].codec_context.name not in LOSSLESS_CODECS
    except (av.error.FFmpegError, IndexError) as error:
        raise FileFormatError(f"{entry.path}: cannot be read as a video: {error}") from None


def _hash_entry(entry: VideoEntry) -> bytes:
    digest = hashlib.sha256(entry.num_frames.to_bytes(8, "little"))
    for source in entry.sources:
        one = hashlib.sha256()
        with open_source(source) as file:
            while chunk := file.read(HASH_CHUNK_BYTES):
                one.update(chunk)
        digest.update(one.digest())
    return digest.digest()


def _one_of_each_kind(entries: tuple[VideoEntry, ...]) -> list[VideoEntry]:
    """Return one video per suffix; files of one suffix are assumed to have the same codec."""
    kinds: dict[tuple[str, str], VideoEntry] = {}
    for entry in entries:
        suffix = Path(entry.names[0]).suffix if entry.names else entry.path.suffix
        kinds.setdefault((entry.kind, suffix.lower()), entry)
    return list(kinds.values())
