"""Features of many clips in constant memory: read ahead, batched, checked, cached, shared out."""

import contextlib
import hashlib
import json
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mocotool.arrays import FramesU8
from mocotool.configs.evaluate import ExtractionConfig
from mocotool.devices import full_precision
from mocotool.downloads import cache_folder
from mocotool.errors import FileFormatError, MismatchError
from mocotool.layouts import to_channels_last
from mocotool.metrics.detectors import Detector
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
    """Compute the statistics of a detector's features.

    Args:
        source: Where frames come from.
        plan: Which of them.
        detector: What turns them into features.
        frame_size: Frames are cut to squares of this size first; `None` leaves them.
        config: Batches, threads and cache.
        device: Where the detector runs; `None` is the CPU.
        processes: Those that share the work; each reads its part, all get the whole.
        progress: Called with the number of features done since the last call, in this process.

    Returns:
        Statistics of all features of the plan (of this shard of it, if `config` names one).

    Raises:
        FileFormatError: A frame cannot be decoded, or a feature is NaN; the message names the clip.
        MismatchError: Nothing is left for this shard.
    """
    config = ExtractionConfig() if config is None else config
    processes = Processes() if processes is None else processes
    device = torch.device("cpu") if device is None else device
    cached = _cache_path(source, plan, detector, frame_size, config) if config.use_cache else None
    # All or none: whoever has no copy would wait for the others at the gathering.
    if cached is not None and not processes.any(not cached.is_file()):
        stats = _read_cached(cached)
        if progress is not None:
            progress(stats.num_samples)
        return stats
    pieces = _share(len(plan), config.shard, processes)
    batch_size = config.batch_size or choose_batch_size(detector, device)
    accumulator: StatsAccumulator | None = None
    with full_precision():
        for features in extract_features(
            source,
            plan,
            pieces,
            detector=detector.to(device),
            frame_size=frame_size,
            batch_size=batch_size,
            num_readers=config.num_readers,
            device=device,
        ):
            accumulator = accumulator or StatsAccumulator(features.shape[1])
            accumulator.add(features)
            if progress is not None:
                progress(len(features))
    own = accumulator.finish() if accumulator is not None else None
    stats = gather_statistics(own, processes, device)
    if cached is not None and processes.is_first:
        cached.parent.mkdir(parents=True, exist_ok=True)
        write_statistics(stats, cached, meta={"detector": detector.record.name})
    return stats


def extract_features(
    source: VideoSource,
    plan: WorkPlan,
    pieces: range,
    *,
    detector: Detector,
    frame_size: int | None = None,
    batch_size: int,
    num_readers: int = 2,
    device: torch.device,
) -> Iterator[Float32]:
    """Yield a detector's features batch by batch, in the order of the plan.

    Each piece is prepared on its own, so that neither the batch size nor the neighbours change it.

    Yields:
        float32 [n, d], n at most `batch_size` and a piece.

    Raises:
        FileFormatError: A frame cannot be decoded, a feature is NaN, or the detector gives
            something else than one row a sample.
    """
    batch: Tensor | None = None  # one buffer for all: memory stays as it is after the first batch
    names: list[int] = []  # the piece each sample in it belongs to
    with contextlib.closing(_read_ahead(source, plan, pieces, num_readers)) as clips:
        for piece_idx, frames_u8 in clips:
            sized = frames_u8 if frame_size is None else _cut_square(frames_u8, frame_size)
            with torch.inference_mode():
                prepared = detector.prepare(torch.from_numpy(sized).to(device))
                if batch is None:
                    capacity = batch_size - 1 + plan.piece_size
                    batch = prepared.new_empty((capacity, *prepared.shape[1:]))
                batch[len(names) : len(names) + len(prepared)] = prepared
            names += [piece_idx] * len(prepared)
            if len(names) >= batch_size:
                yield _run(detector, batch[: len(names)], source, plan, names)
                names.clear()
    if batch is not None and names:
        yield _run(detector, batch[: len(names)], source, plan, names)


def choose_batch_size(detector: Detector, device: torch.device) -> int:
    """Return how many samples suit a device."""
    return detector.batch_size * (1 if device.type == "cpu" else GPU_BATCH_FACTOR)


def gather_statistics(
    own: FeatureStats | None, processes: Processes, device: torch.device
) -> FeatureStats:
    """Return the statistics of all processes together, the same in each.

    Raises:
        MismatchError: No process has any.
    """
    if processes.world_size == 1:
        if own is None:
            raise MismatchError(
                "this shard has nothing to measure", hint="use fewer shards than clips"
            )
        return own
    import torch.distributed as dist

    parts: list[FeatureStats | None] = [None] * processes.world_size
    if device.type == "cuda":
        torch.cuda.set_device(device)
    dist.all_gather_object(parts, own)
    return FeatureStats.merge([part for part in parts if part is not None])


def _share(num_pieces: int, shard: tuple[int, int], processes: Processes) -> range:
    """Return a block of pieces; blocks one after the other keep the order of the plan."""
    index = shard[0] * processes.world_size + processes.rank
    count = shard[1] * processes.world_size
    return range(num_pieces * index // count, num_pieces * (index + 1) // count)


def _read_ahead(
    source: VideoSource, plan: WorkPlan, pieces: range, num_readers: int
) -> Generator[tuple[int, FramesU8]]:
    """Yield pieces in order; threads decode the next ones meanwhile, a bounded number of them."""
    if not source.is_threaded:
        for piece_idx in pieces:
            yield piece_idx, source.read_clip(*plan[piece_idx])
        return
    with ThreadPoolExecutor(num_readers, thread_name_prefix="moco-reader") as pool:
        ahead: deque[tuple[int, Future[FramesU8]]] = deque()
        try:
            for piece_idx in pieces:
                ahead.append((piece_idx, pool.submit(source.read_clip, *plan[piece_idx])))
                if len(ahead) > 2 * num_readers:
                    done, future = ahead.popleft()
                    yield done, future.result()
            while ahead:
                done, future = ahead.popleft()
                yield done, future.result()
        finally:
            for _, future in ahead:
                future.cancel()


def _cut_square(frames_u8: FramesU8, size: int) -> FramesU8:
    squares = square_frames(frames_u8, size)  # [t, 3, size, size]
    return np.ascontiguousarray(to_channels_last(squares))


def _run(
    detector: Detector, batch: Tensor, source: VideoSource, plan: WorkPlan, names: list[int]
) -> Float32:
    """Return the features of a batch, whose samples belong to the pieces `names`."""
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
            f"{clip}: the detector {detector.record.name} gives NaN or infinity for it",
            hint="the weights or the frames are damaged",
        )
    return values


def _cache_path(
    source: VideoSource,
    plan: WorkPlan,
    detector: Detector,
    frame_size: int | None,
    config: ExtractionConfig,
) -> Path:
    """Return where these features are kept: the name says all that they depend on."""
    record = detector.record
    key = {
        "layout": CACHE_LAYOUT,
        "content": source.fingerprint(plan.video_idxs),
        "plan": plan.identify(),
        "detector": [record.name, record.sha256, detector.settings()],
        "frame_size": frame_size,
        "shard": config.shard,
    }
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    return cache_folder() / "features" / f"{digest[:32]}.npz"


def _read_cached(path: Path) -> FeatureStats:
    stats, _ = read_statistics(path)
    return stats
