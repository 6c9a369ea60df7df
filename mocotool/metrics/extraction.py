"""Extraction of features in constant memory: prefetched, batched, checked, cached, distributed."""

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mocotool.arrays import FramesU8
from mocotool.cache import kept_path
from mocotool.configs.evaluate import ExtractionConfig
from mocotool.devices import full_precision
from mocotool.errors import FileFormatError, MismatchError
from mocotool.files import make_folder
from mocotool.layouts import to_channels_last
from mocotool.metrics.detectors import Detector
from mocotool.metrics.reading import read_together
from mocotool.metrics.sampling import WorkPlan
from mocotool.metrics.sources import VideoSource
from mocotool.metrics.statistics import (
    FeatureStats,
    Float32,
    StatsAccumulator,
    read_statistics,
    write_statistics,
)
from mocotool.training.distributed import Processes
from mocotool.video.cutting import square_frames

CACHE_LAYOUT = 1  # part of every key; raise it when features change for any other reason
GPU_BATCH_FACTOR = 8

# To resume interrupted runs, finished work is kept in this many parts, of enough videos each.
NUM_PARTS, LEAST_VIDEOS = 8, 256


@dataclasses.dataclass(frozen=True, slots=True)
class FeatureRequest:
    """A request for features of clips or frames of a source."""

    plan: WorkPlan
    """The clips or frames."""
    detector: Detector
    """Computes the features."""
    frame_size: int | None = None
    """Frames are first cropped to squares of this size; `None` does not crop."""


def extract_statistics(
    source: VideoSource,
    plan: WorkPlan,
    *,
    detector: Detector,
    frame_size: int | None = None,
    config: ExtractionConfig | None = None,
    device: torch.device | None = None,
    processes: Processes | None = None,
    progress: Callable[[int], None] | None = None,
) -> FeatureStats:
    """Compute the statistics of a detector's features; arguments as in `extract_together`.

    Args:
        source: Source of the frames.
        plan: Which frames to read.
        detector: Computes the features.
        frame_size: Frames are first cropped to squares of this size; `None` does not crop.
        config: Batches, threads and cache.
        device: Device of the detector; `None` for the CPU.
        processes: Processes that share the work.
        progress: Called with the number of features done since the last call, in this process.
    """
    (stats,) = extract_together(
        source,
        [FeatureRequest(plan, detector, frame_size)],
        config=config,
        device=device,
        processes=processes,
        progress=progress,
    )
    return stats


def extract_together(
    source: VideoSource,
    requests: Sequence[FeatureRequest],
    *,
    config: ExtractionConfig | None = None,
    device: torch.device | None = None,
    processes: Processes | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[FeatureStats]:
    """Compute the statistics of several detectors' features, each frame decoded once for all.

    With the cache, an interrupted run continues after the last finished part of the videos.

    Args:
        source: Source of the frames.
        requests: Frames and detectors.
        config: Batches, threads and cache.
        device: Device of the detectors; `None` for the CPU.
        processes: Processes that share the work; each reads a part, all get the whole result.
        progress: Called with the number of features done since the last call, in this process.

    Returns:
        Statistics of all features of each request (of this shard of it, if `config` names one).

    Raises:
        FileFormatError: A frame cannot be decoded, or a feature is NaN; the message names the clip.
        MismatchError: This shard is empty.
    """
    config = ExtractionConfig() if config is None else config
    processes = Processes() if processes is None else processes
    device = torch.device("cpu") if device is None else device

    # from the cache
    paths = [
        _cache_path(source, request, config) if config.use_cache else None for request in requests
    ]
    found: dict[int, FeatureStats] = {}
    for idx, path in enumerate(paths):
        # all or none: a process without a copy would wait for the others in the gather
        if path is not None and not processes.any(not path.is_file()):
            found[idx] = _read_cached(path)
            if progress is not None:
                progress(found[idx].num_samples)

    # the rest in one pass over the videos
    missing = [idx for idx in range(len(requests)) if idx not in found]
    works = [
        _Work(
            requests[idx],
            _share(len(requests[idx].plan), config.shard, processes),
            _name_parts(paths[idx], processes),
        )
        for idx in missing
    ]
    with full_precision():
        _run_parts(source, works, config=config, device=device, progress=progress)

    for idx, work in zip(missing, works, strict=True):
        found[idx] = gather_statistics(work.merge(), processes, device)
        path = paths[idx]
        if path is not None and processes.is_first:
            _write_cached(found[idx], path, requests[idx].detector)
        work.drop_parts()
    return [found[idx] for idx in range(len(requests))]


@dataclasses.dataclass(frozen=True, slots=True)
class _Work:
    """One process's share of a request, and its results: statistics part by part."""

    request: FeatureRequest
    share: range
    """Its pieces of the plan."""
    stem: Path | None
    """Path prefix for the files of parts; `None` keeps none."""
    done: list[FeatureStats] = dataclasses.field(default_factory=list)
    files: list[Path] = dataclasses.field(default_factory=list)

    def split(self, videos_each: int) -> dict[int, range]:
        """Return the pieces of each part by its number, with videos in ascending order."""
        parts: dict[int, range] = {}
        for piece_idx in self.share:
            number = self.request.plan[piece_idx][0] // videos_each
            first = parts[number].start if number in parts else piece_idx
            parts[number] = range(first, piece_idx + 1)
        return parts

    def find_part(self, number: int, *, num_parts: int) -> Path | None:
        """Return the file of a part; `None` if none is kept."""
        if self.stem is None or num_parts == 1:
            return None
        self.files.append(self.stem.with_name(f"{self.stem.name}-{number}.npz"))
        return self.files[-1]

    def merge(self) -> FeatureStats | None:
        """Return the statistics of all parts."""
        return FeatureStats.merge(self.done) if len(self.done) > 1 else next(iter(self.done), None)

    def drop_parts(self) -> None:
        """Delete the files of parts, once the whole is cached."""
        for path in self.files:
            path.unlink(missing_ok=True)


def _name_parts(path: Path | None, processes: Processes) -> Path | None:
    if path is None:
        return None
    return path.with_name(f"{path.stem}-{processes.rank}of{processes.world_size}")


def _run_parts(
    source: VideoSource,
    works: Sequence[_Work],
    *,
    config: ExtractionConfig,
    device: torch.device,
    progress: Callable[[int], None] | None,
) -> None:
    """Compute the parts of some requests that are not done yet, one after the other."""
    videos_each = max(LEAST_VIDEOS, -(-len(source.num_frames) // NUM_PARTS))
    splits = [work.split(videos_each) for work in works]
    for number in sorted({number for split in splits for number in split}):
        # parts finished by an earlier run
        batchers: dict[int, tuple[_Batcher, Path | None]] = {}
        for place, (work, split) in enumerate(zip(works, splits, strict=True)):
            if number not in split:
                continue
            path = work.find_part(number, num_parts=len(split))
            if path is not None and path.is_file():
                work.done.append(_read_cached(path))
                if progress is not None:
                    progress(work.done[-1].num_samples)
            else:
                batcher = _Batcher(
                    source, work.request, config=config, device=device, progress=progress
                )
                batchers[place] = (batcher, path)

        # the rest in one pass
        plans = [work.request.plan for work in works]
        shares = [
            split[number] if place in batchers else range(0) for place, split in enumerate(splits)
        ]
        pieces = read_together(source, plans, shares, num_readers=config.num_readers)
        with contextlib.closing(pieces):
            for place, piece_idx, frames_u8 in pieces:
                batchers[place][0].add(piece_idx, frames_u8)
        for place, (batcher, path) in batchers.items():
            stats = batcher.finish()
            assert stats is not None
            works[place].done.append(stats)
            if path is not None:
                _write_cached(stats, path, works[place].request.detector)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class FeatureExtractor:
    """Extracts features, with settings shared by all metrics."""

    config: ExtractionConfig = dataclasses.field(default_factory=ExtractionConfig)
    """Batches, threads, cache and shard."""
    device: torch.device = dataclasses.field(default_factory=lambda: torch.device("cpu"))
    """Device of the detector."""
    processes: Processes = dataclasses.field(default_factory=Processes)
    """Processes that share the work."""
    progress: Callable[[int], None] | None = None
    """Called with the number of features done since the last call."""
    known: Mapping[str, FeatureStats] = dataclasses.field(default_factory=dict)
    """Features that are already extracted, by `feature_key`."""

    def extract(
        self, source: VideoSource, requests: list[FeatureRequest]
    ) -> dict[str, FeatureStats]:
        """Return the statistics of requests by key; unknown ones are extracted in one pass."""
        wanted = {feature_key(source, request, self.config): request for request in requests}
        missing = {key: wanted[key] for key in wanted if key not in self.known}
        found = extract_together(
            source,
            list(missing.values()),
            config=self.config,
            device=self.device,
            processes=self.processes,
            progress=self.progress,
        )
        fresh = dict(zip(missing, found, strict=True))
        return {key: fresh[key] if key in fresh else self.known[key] for key in wanted}


class _Batcher:
    """Computes features of a request's pieces batch by batch, and accumulates them.

    Pieces are preprocessed one by one, independent of batch size and neighbours.
    """

    def __init__(
        self,
        source: VideoSource,
        request: FeatureRequest,
        *,
        config: ExtractionConfig,
        device: torch.device,
        progress: Callable[[int], None] | None,
    ) -> None:
        self._source, self._plan = source, request.plan
        self._detector: Detector = request.detector.to(device)
        self._frame_size, self._device, self._progress = request.frame_size, device, progress
        self._batch_size = config.batch_size or choose_batch_size(request.detector, device)
        self._batch: Tensor | None = None  # one buffer for all batches, in constant memory
        self._names: list[int] = []  # the piece each sample in it belongs to
        self._sum: StatsAccumulator | None = None

    def add(self, piece_idx: int, frames_u8: FramesU8) -> None:
        """Take the frames of a piece, uint8 [t, h, w, 3]."""
        sized = frames_u8 if self._frame_size is None else _cut_square(frames_u8, self._frame_size)
        with torch.inference_mode():
            prepared = self._detector.prepare(torch.from_numpy(sized).to(self._device))
            if self._batch is None:
                capacity = self._batch_size - 1 + self._plan.piece_size
                self._batch = prepared.new_empty((capacity, *prepared.shape[1:]))
            self._batch[len(self._names) : len(self._names) + len(prepared)] = prepared
        self._names += [piece_idx] * len(prepared)
        if len(self._names) >= self._batch_size:
            self._run()

    def finish(self) -> FeatureStats | None:
        """Return the statistics of all features; `None` if there were none."""
        if self._names:
            self._run()
        return None if self._sum is None else self._sum.finish()

    def _run(self) -> None:
        assert self._batch is not None
        batch = self._batch[: len(self._names)]
        features = _run(self._detector, batch, self._source, self._plan, self._names)
        self._sum = self._sum or StatsAccumulator(features.shape[1])
        self._sum.add(features)
        if self._progress is not None:
            self._progress(len(features))
        self._names.clear()


def choose_batch_size(detector: Detector, device: torch.device) -> int:
    """Return the batch size that suits a device."""
    return detector.batch_size * (1 if device.type == "cpu" else GPU_BATCH_FACTOR)


def gather_statistics(
    own: FeatureStats | None, processes: Processes, device: torch.device
) -> FeatureStats:
    """Merge the statistics of all processes; the result is the same in each.

    Raises:
        MismatchError: No process has any.
    """
    if processes.world_size == 1:
        if own is None:
            raise MismatchError("this shard is empty", hint="use fewer shards than clips")
        return own
    if device.type == "cuda":
        torch.cuda.set_device(device)
    parts = processes.gather_objects(own)
    return FeatureStats.merge([part for part in parts if part is not None])


def _share(num_pieces: int, shard: tuple[int, int], processes: Processes) -> range:
    """Return a contiguous block of pieces, so that blocks keep the order of the plan."""
    index = shard[0] * processes.world_size + processes.rank
    count = shard[1] * processes.world_size
    return range(num_pieces * index // count, num_pieces * (index + 1) // count)


def _cut_square(frames_u8: FramesU8, size: int) -> FramesU8:
    squares = square_frames(frames_u8, size)  # [t, 3, size, size]
    return np.ascontiguousarray(to_channels_last(squares))


def _run(
    detector: Detector, batch: Tensor, source: VideoSource, plan: WorkPlan, names: list[int]
) -> Float32:
    """Return the features of a batch; `names` are the pieces of its samples, for messages."""
    with torch.inference_mode():
        features: Any = detector.extract(batch)
    shape = list(features.shape) if isinstance(features, Tensor) else type(features).__name__
    if not isinstance(features, Tensor) or features.ndim != 2 or len(features) != len(names):
        raise FileFormatError(
            f"{detector.record.name}: the detector gives {shape}, "
            f"expected [{len(names)}, d]: one row of features for each sample"
        )
    values: Float32 = features.float().cpu().numpy()
    broken = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if len(broken):
        clip = source.describe_clip(*plan[names[broken[0]]])
        raise FileFormatError(
            f"{clip}: the detector {detector.record.name} returns NaN or infinity for it",
            hint="the weights or the frames are damaged",
        )
    return values


def feature_key(source: VideoSource, request: FeatureRequest, config: ExtractionConfig) -> str:
    """Return the cache key of features: a hash of everything they depend on."""
    record = request.detector.record
    key = {
        "layout": CACHE_LAYOUT,
        "content": source.fingerprint(request.plan.video_idxs),
        "plan": request.plan.identify(),
        "detector": [record.name, record.sha256, request.detector.settings()],
        "frame_size": request.frame_size,
        "shard": config.shard,
    }
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]


def _cache_path(source: VideoSource, request: FeatureRequest, config: ExtractionConfig) -> Path:
    """Return the path of features in the cache."""
    return kept_path("features", f"{feature_key(source, request, config)}.npz")


def _write_cached(stats: FeatureStats, path: Path, detector: Detector) -> None:
    make_folder(path.parent)
    write_statistics(stats, path, meta={"detector": detector.record.name})


def _read_cached(path: Path) -> FeatureStats:
    stats, _ = read_statistics(path)
    return stats
