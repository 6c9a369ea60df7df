"""Batches of training samples: shuffled, shared among machines, prefetched and resumable."""

import contextlib
import functools
import itertools
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any, Self, TypedDict, Unpack

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from mocotool.arrays import FramesU8
from mocotool.errors import ConfigError, MismatchError
from mocotool.memory import num_usable_cores
from mocotool.video.classes import fingerprint_labels
from mocotool.video.clips import ClipDataset, FrameDataset, SampleDataset, read_or_replace
from mocotool.video.cutting import Size
from mocotool.video.decoded import decode_all, decode_beside
from mocotool.video.listing import VideoListing

MAX_WORKERS = 8
PREFETCH_BATCHES = 2
AHEAD_BATCHES = 2  # whose videos are decoded before others
MAX_LISTED = 5


class BatchLoader(Iterator[Tensor]):
    """An endless iterator of batches.

    Batch b of a run holds the positions from b * batch_size on, for any number of workers and
    processes; rank r gets the r-th part of it.

    Args:
        dataset: The samples.
        batch_size: Samples in a batch over all processes.
        rank: Rank of this process.
        world_size: Number of processes that share each batch.
        num_workers: Worker processes that decode ahead; `None` chooses, 0 decodes in this process.
        warn: Called once with each sample that had to be replaced.

    Raises:
        ConfigError: `batch_size` cannot be shared evenly.
    """

    def __init__(
        self,
        dataset: SampleDataset,
        *,
        batch_size: int,
        rank: int = 0,
        world_size: int = 1,
        num_workers: int | None = None,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        if batch_size < 1 or batch_size % world_size:
            raise ConfigError(
                f"batch size {batch_size} cannot be shared evenly among {world_size} processes",
                hint=f"--batch-size {max(1, round(batch_size / world_size)) * world_size}",
            )
        self.dataset = dataset
        self.batch_size = batch_size
        self.num_workers = choose_num_workers(dataset) if num_workers is None else num_workers
        self._share = batch_size // world_size
        self._rank = rank
        self._warn = warn
        self._warned: set[str] = set()
        self._position = 0
        self._batches: Iterator[tuple[FramesU8, list[int], list[str]]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __next__(self) -> Tensor:
        """Return this process's part of the next batch, uint8 [n, ...]."""
        return self.read()[0]

    def read(self) -> tuple[Tensor, list[int]]:
        """Return this process's part of the next batch, uint8 [n, ...], and the position of each.

        Positions are those of the samples actually read, also of replacements.
        """
        if self._batches is None:
            self._batches = self._start()
        samples, positions, problems = next(self._batches)
        self._position += self.batch_size
        for problem in problems:
            if self._warn is not None and problem not in self._warned:
                self._warn(f"{problem}; another sample takes its place")
            self._warned.add(problem)
        return torch.from_numpy(samples), positions

    def state_dict(self) -> dict[str, Any]:
        """Return the position of the loader: number of samples returned in all processes."""
        return {
            "position": self._position,
            "fingerprint": self.dataset.fingerprint,
            "contents": self.dataset.contents,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a saved position; batch size and number of processes may differ.

        Raises:
            MismatchError: The videos or the settings differ from those of the saved run.
        """
        if "contents" in state and (changed := _compare(state["contents"], self.dataset.contents)):
            raise MismatchError(
                f"the run began with other videos: {changed}",
                hint="put the old ones back, or start a new run",
            )
        if state["fingerprint"] != self.dataset.fingerprint:
            raise MismatchError(
                "the videos, the clip settings or the seed are not those the run began with",
                hint="give the same --videos, or start a new run",
            )
        self._batches = None
        self._position = state["position"]

    @property
    def is_decoding(self) -> bool:
        """Whether videos are still decoded, in threads beside."""
        return self.dataset.is_decoding

    def close(self) -> None:
        """Stop the workers, which the next batch starts anew, and threads that decode."""
        self._batches = None
        self.dataset.close()

    def _start(self) -> Iterator[tuple[FramesU8, list[int], list[str]]]:
        read = _ShareReader(self.dataset, self._share)
        first = self._position + self._rank * self._share
        starts = itertools.count(first, self.batch_size)
        if self.num_workers == 0:
            return map(read.__getitem__, starts)
        loader: DataLoader[Any] = DataLoader(
            read,  # type: ignore[arg-type]
            sampler=starts,
            batch_size=None,
            collate_fn=_unchanged,
            num_workers=self.num_workers,
            prefetch_factor=PREFETCH_BATCHES,
            multiprocessing_context="spawn",
            worker_init_fn=_begin_worker,
            generator=torch.Generator(),  # else it draws from the run's own
        )
        with _interrupts_held():
            return iter(loader)


def _compare(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Describe how videos (name -> digest of the content) differ from before; "" if they do not."""
    changed = [name for name in before if name in now and before[name] != now[name]]
    kinds = {
        "changed since": changed,
        "removed since": [name for name in before if name not in now],
        "added since": [name for name in now if name not in before],
    }
    return "; ".join(f"{_list_some(names)} {kind}" for kind, names in kinds.items() if names)


def _list_some(names: Sequence[str]) -> str:
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return f"{', '.join(names[:MAX_LISTED])}{more}"


class LabelledLoader(Iterator[tuple[Tensor, Tensor]]):
    """An endless iterator of batches and their class labels.

    Args:
        loader: The batches.
        labels: Class of each item of the dataset, int64 [num_items].
    """

    def __init__(self, loader: BatchLoader, labels: npt.NDArray[np.int64]) -> None:
        self._loader, self._labels = loader, labels

    def __next__(self) -> tuple[Tensor, Tensor]:
        """Return the next batch, uint8 [n, ...], and its classes, int64 [n]."""
        samples, positions = self._loader.read()
        items = [self._loader.dataset.item(position) for position in positions]
        return samples, torch.from_numpy(self._labels[items])

    def state_dict(self) -> dict[str, Any]:
        """Return the position of the loader."""
        return self._loader.state_dict() | {"labels": fingerprint_labels(self._labels)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a saved position.

        Raises:
            MismatchError: The samples, the settings or the classes are not those of the saved run.
        """
        if state.get("labels") != fingerprint_labels(self._labels):
            raise MismatchError(
                "the classes of the pictures are not those the run began with",
                hint="put the labels or folders back, or start a new run",
            )
        self._loader.load_state_dict(state)

    @property
    def is_decoding(self) -> bool:
        """Whether videos are still decoded, in threads beside."""
        return self._loader.is_decoding

    def close(self) -> None:
        """Stop the workers; the next batch starts them anew."""
        self._loader.close()


class LoaderOptions(TypedDict, total=False):
    """Options common to `load_clips` and `load_images`."""

    rank: int
    """Rank of this process; 0 by default."""
    world_size: int
    """Number of processes that share each batch; 1 by default."""
    num_workers: int | None
    """Worker processes that decode ahead; `None` chooses."""
    memory_bytes: int | None
    """Memory decoded frames may take; `None` for a quarter of what is free."""
    folder: Path | str | None
    """Where decoded frames go that do not fit; `None` decodes on demand."""
    shares: bool
    """Whether decoded frames may go to the user's cache, see `decode_all`; not by default."""
    beside: bool
    """Whether frames are decoded while batches are read already, see `decode_beside`; not by
    default."""
    warn: Callable[[str], None] | None
    """Called with what could not be decoded."""
    advance: Callable[[int], None] | None
    """Called with the number of frames decoded since the last call."""


def load_clips(
    listing: VideoListing,
    *,
    num_frames: int = 16,
    frame_stride: int = 2,
    size: int = 128,
    batch_size: int,
    seed: int = 0,
    **options: Unpack[LoaderOptions],
) -> BatchLoader:
    """Load clips for `train_motion`: decoded once if they fit into memory, else by workers.

    Args:
        listing: Videos of at least `clip_span(num_frames, frame_stride)` frames.
        num_frames: Frames in a clip.
        frame_stride: Take every n-th frame.
        size: Height and width of a clip.
        batch_size: Clips in a batch over all processes.
        seed: Orders the videos and draws the starts.
        **options: See `LoaderOptions`.

    Returns:
        An endless iterator of uint8 [n, t, 3, size, size], n = batch_size / world_size.
    """
    make = functools.partial(
        ClipDataset,
        listing,
        num_frames=num_frames,
        frame_stride=frame_stride,
        size=size,
        seed=seed,
    )
    return _load(make, listing, size=size, batch_size=batch_size, **options)


def load_images(
    listing: VideoListing,
    *,
    resolution: Size,
    batch_size: int,
    seed: int = 0,
    **options: Unpack[LoaderOptions],
) -> BatchLoader:
    """Load single frames for training an image generator; arguments as in `load_clips`.

    `resolution` is the side of the images, or their height and width.

    Returns:
        An endless iterator of uint8 [n, 3, h, w], n = batch_size / world_size.
    """
    make = functools.partial(FrameDataset, listing, size=resolution, seed=seed)
    return _load(make, listing, size=resolution, batch_size=batch_size, **options)


def _load(
    make_dataset: Callable[..., SampleDataset],
    listing: VideoListing,
    *,
    size: Size,
    batch_size: int,
    rank: int = 0,
    world_size: int = 1,
    num_workers: int | None = None,
    memory_bytes: int | None = None,
    folder: Path | str | None = None,
    shares: bool = False,
    beside: bool = False,
    warn: Callable[[str], None] | None = None,
    advance: Callable[[int], None] | None = None,
) -> BatchLoader:
    """Return batches of decoded frames where they fit, else of the files."""
    decode = decode_beside if beside else decode_all
    decoded = decode(
        listing.entries,
        size=size,
        memory_bytes=memory_bytes,
        folder=folder,
        shares=shares,
        advance=advance,
        warn=warn,
    )
    return BatchLoader(
        make_dataset(decoded=decoded),
        batch_size=batch_size,
        rank=rank,
        world_size=world_size,
        num_workers=num_workers,
        warn=warn,
    )


def choose_num_workers(dataset: SampleDataset) -> int:
    """Return the number of worker processes for this machine; 0 if nothing has to be decoded."""
    if dataset.is_decoded:
        return 0
    num_sharing = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return max(1, min(MAX_WORKERS, num_usable_cores() // num_sharing))


class _ShareReader:
    """Reads one process's share of a batch, given the position it starts at."""

    def __init__(self, dataset: SampleDataset, num_samples: int) -> None:
        self._dataset = dataset
        self._num_samples = num_samples

    def __getitem__(self, start: int) -> tuple[FramesU8, list[int], list[str]]:
        self._dataset.prepare(range(start, start + AHEAD_BATCHES * self._num_samples))
        samples, positions, problems = [], [], []
        for position in range(start, start + self._num_samples):
            sample, read_at, troubles = read_or_replace(self._dataset, position)
            samples.append(sample)
            positions.append(read_at)
            problems += troubles
        return np.stack(samples), positions, problems


def _unchanged(batch: Any) -> Any:
    # Arrays travel through the pipe; tensors would need /dev/shm, which containers keep tiny.
    return batch


def _begin_worker(worker_id: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Start processes in the block that ignore Ctrl-C; one pressed meanwhile is delivered after."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # it would lift the mask when it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
