"""The setup of every training run: its processes, folder, record and pictures."""

import contextlib
import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch

from mocotool.addresses import address_of
from mocotool.configs.option import list_changed
from mocotool.devices import describe_device, find_idle_gpus, resolve_device, resolve_precision
from mocotool.provenance import FileRecord, portable_path
from mocotool.training.budget import Deadline
from mocotool.training.distributed import Processes, joined_processes
from mocotool.training.listeners import Listeners
from mocotool.training.run_files import read_config
from mocotool.training.run_folder import RunFolder
from mocotool.video.listing import VideoListing
from mocotool.video.loading import BatchLoader


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Beginning:
    """What a run, or the plan of one, knows before it reads a file."""

    processes: Processes
    """Those that train together."""
    heard: Listeners
    """Whom it tells what."""
    deadline: Deadline
    """When it has to end."""
    asked: Collection[str] | None
    """Names of settings that nothing may overrule; `None` for those that differ from defaults."""
    begun: Mapping[str, Any] | None = None
    """Settings of the run that is resumed, whose planned and measured ones stay; `None` for a new
    run."""

    @property
    def resumes(self) -> bool:
        """Whether a run goes on."""
        return self.begun is not None

    def take_folder(self, out: Path | str, *, resume: bool) -> "tuple[RunFolder, Beginning]":
        """Check early that a run can begin in a folder, or go on there.

        Args:
            out: The folder; nothing is written yet.
            resume: Whether to go on. A run that `torchrun` has started again does so anyway.

        Returns:
            The run's folder, and this with the settings that the run began with.

        Raises:
            ConfigError: See `RunFolder.check_place`.
            FileFormatError: The settings of the run to go on with cannot be read.
        """
        run = RunFolder(Path(out), processes=self.processes)
        resume |= run.is_restarted
        run.check_place(resume=resume)
        begun = read_config(run.path)["config"] if resume else None
        return run, dataclasses.replace(self, begun=begun)

    def list_asked(self, config: Any) -> Collection[str]:
        """Return the names of settings that nothing may overrule."""
        return list_changed(config) if self.asked is None else self.asked

    def take_planned(self, planned: Collection[str], *, asked: Collection[str]) -> dict[str, Any]:
        """Return those settings that a time budget planned when the resumed run began.

        Args:
            planned: Names of what a budget plans.
            asked: Names of settings that are asked for now, and so left out.
        """
        begun = self.begun or {}
        return {name: begun[name] for name in planned if name in begun and name not in asked}

    def choose_precision(self, precision: str) -> torch.dtype:
        """Return what a run computes in; note the device, and GPUs that stay idle beside it.

        Args:
            precision: "auto", "fp32", "tf32", "bf16" or "fp16".
        """
        device = self.processes.device
        dtype = resolve_precision(precision, device)
        self.heard.note(f"computing on {describe_device(device, dtype)}")
        if (idle := find_idle_gpus(device)) is not None:
            self.heard.note(idle)
        return dtype


@contextlib.contextmanager
def joined_beginning(
    heard: Listeners, *, budget: float | None, asked: Collection[str] | None, device: str
) -> Iterator[Beginning]:
    """Join the processes of `torchrun`, of which the first one alone is heard.

    Args:
        heard: Whom the run tells what.
        budget: How long the run may take from now on, in seconds; `None` for no end.
        asked: See `Beginning`.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
    """
    deadline = Deadline(budget)
    with joined_processes(resolve_device(device)) as processes:
        yield Beginning(
            processes=processes, heard=heard.only_of(processes), deadline=deadline, asked=asked
        )


def open_run(
    run: RunFolder,
    beginning: Beginning,
    config: Any,
    *,
    videos: Path | str,
    counted: Mapping[str, Any],
    generator: FileRecord | None,
    precision: torch.dtype,
    machine: Mapping[str, Any] | None = None,
) -> None:
    """Open a run's folder with a record of what the run is made of.

    Args:
        run: The folder.
        beginning: Whether the run goes on, and who is told of what has changed since it began.
        config: The run's settings.
        videos: What it learns from.
        counted: What there is of it by name, such as {"frames": 100} and each class's share.
        generator: The generator that training starts from or renders with.
        precision: What it computes in.
        machine: What else its last bits depend on.
    """
    run.open(
        config,
        resume=beginning.resumes,
        inputs={
            "videos": {"path": address_of(videos) or portable_path(Path(videos)), **counted},
            "generator": generator.as_json() if generator else None,
        },
        machine=run.processes.describe()
        | {"precision": str(precision).removeprefix("torch.")}
        | dict(machine or {}),
        warn=beginning.heard.warn,
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
