"""What every training run begins with: a precision, kept settings, its folder and its pictures."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch

from mocotool.addresses import address_of
from mocotool.devices import describe_device, find_idle_gpus, resolve_precision
from mocotool.provenance import FileRecord, portable_path
from mocotool.training.distributed import Processes
from mocotool.training.listeners import Listeners
from mocotool.training.run_folder import RunFolder
from mocotool.video.listing import VideoListing
from mocotool.video.loading import BatchLoader


def choose_precision(
    precision: str, processes: Processes, *, note: Callable[[str], None]
) -> torch.dtype:
    """Return what a run computes in; name the device, and GPUs that stay idle beside it.

    Args:
        precision: "auto", "fp32", "tf32", "bf16" or "fp16".
        processes: Those that train together.
        note: Told of both.
    """
    dtype = resolve_precision(precision, processes.device)
    note(f"computing on {describe_device(processes.device, dtype)}")
    if (idle := find_idle_gpus(processes.device)) is not None:
        note(idle)
    return dtype


def take_planned(
    begun: Mapping[str, Any], planned: Collection[str], *, asked: Collection[str]
) -> dict[str, Any]:
    """Return those settings of the run to go on with that a time budget planned when it began.

    Args:
        begun: Its settings.
        planned: Names of what a budget plans.
        asked: Names of settings that are asked for now, and so left out.
    """
    return {name: begun[name] for name in planned if name in begun and name not in asked}


def open_run(
    run: RunFolder,
    config: Any,
    *,
    videos: Path | str,
    counted: Mapping[str, Any],
    generator: FileRecord | None,
    precision: torch.dtype,
    machine: Mapping[str, Any] | None = None,
    resume: bool,
    warn: Callable[[str], None],
) -> None:
    """Open a run's folder with a record of what the run is made of.

    Args:
        run: The folder.
        config: The run's settings.
        videos: What it learns from.
        counted: What there is of it by name, such as {"frames": 100} and each class's share.
        generator: The generator that training starts from or renders with.
        precision: What it computes in.
        machine: What else its last bits depend on.
        resume: Whether it goes on.
        warn: Told of what has changed since it began.
    """
    run.open(
        config,
        resume=resume,
        inputs={
            "videos": {"path": address_of(videos) or portable_path(Path(videos)), **counted},
            "generator": generator.as_json() if generator else None,
        },
        machine=run.processes.describe()
        | {"precision": str(precision).removeprefix("torch.")}
        | dict(machine or {}),
        warn=warn,
    )


class LoadsShare(Protocol):
    """`load_clips` or `load_images`, but for what says which process reads and where to."""

    def __call__(
        self,
        listing: VideoListing,
        /,
        *,
        rank: int,
        world_size: int,
        folder: Path,
        shares: bool,
        warn: Callable[[str], None],
        advance: Callable[[int], None],
    ) -> BatchLoader:
        """Return the batches of one process."""


def load_share(
    load: LoadsShare, listing: VideoListing, run: RunFolder, heard: Listeners
) -> BatchLoader:
    """Load this process's share of all batches; frames are decoded once for all runs."""
    return load(
        listing,
        rank=run.processes.rank,
        world_size=run.processes.world_size,
        folder=run.path / "frames",
        shares=True,
        warn=heard.warn_each or heard.warn,
        advance=heard.count("frames decoded", listing.num_frames),
    )
