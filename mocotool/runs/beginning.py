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
    """State of a run, or of the plan of one, before it reads a file."""

    processes: Processes
    """The processes that train together."""
    heard: Listeners
    """Callbacks for progress, notes and warnings."""
    deadline: Deadline
    """When the run must end."""
    asked: Collection[str] | None
    """Names of settings that must not be changed; `None` for all that differ from defaults."""
    begun: Mapping[str, Any] | None = None
    """Settings of the run that is resumed, whose planned and measured ones stay; `None` for a new
    run."""

    @property
    def resumes(self) -> bool:
        """Whether a run is resumed."""
        return self.begun is not None

    def take_folder(self, out: Path | str, *, resume: bool) -> "tuple[RunFolder, Beginning]":
        """Check early that a run can begin or resume in a folder.

        Args:
            out: The folder; nothing is written yet.
            resume: Whether to resume. A run restarted by `torchrun` is always resumed.

        Returns:
            The run's folder, and this with the settings that the run began with.

        Raises:
            ConfigError: See `RunFolder.check_place`.
            FileFormatError: The settings of the run to resume cannot be read.
        """
        run = RunFolder(Path(out), processes=self.processes)
        resume |= run.is_restarted
        run.check_place(resume=resume)
        begun = read_config(run.path)["config"] if resume else None
        return run, dataclasses.replace(self, begun=begun)

    def list_asked(self, config: Any) -> Collection[str]:
        """Return the names of settings that must not be changed."""
        return list_changed(config) if self.asked is None else self.asked

    def take_planned(self, planned: Collection[str], *, asked: Collection[str]) -> dict[str, Any]:
        """Return those settings that a time budget planned when the resumed run began.

        Args:
            planned: Names of settings that a budget plans.
            asked: Names of settings that were typed now, which are left out.
        """
        begun = self.begun or {}
        return {name: begun[name] for name in planned if name in begun and name not in asked}

    def choose_precision(self, precision: str) -> torch.dtype:
        """Return the precision of a run; report the device, and GPUs that stay idle.

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
    """Join the processes of `torchrun`; only the first one reports.

    Args:
        heard: Callbacks for progress, notes and warnings.
        budget: Time limit of the run from now on, in seconds; `None` for none.
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
    """Open a run's folder with a record of its inputs.

    Args:
        run: The folder.
        beginning: Whether the run is resumed, and callbacks for what has changed since it began.
        config: The run's settings.
        videos: The training data.
        counted: Its sizes by name, such as {"frames": 100}, with that of each class.
        generator: The generator that training starts from or renders with.
        precision: Its precision.
        machine: Further facts on which its exact results depend.
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
    """`load_clips` or `load_images`, apart from the arguments for processes and cache."""

    def __call__(
        self,
        listing: VideoListing,
        /,
        *,
        rank: int,
        world_size: int,
        folder: Path,
        shares: bool,
        beside: bool,
        warn: Callable[[str], None],
        advance: Callable[[int], None],
    ) -> BatchLoader:
        """Return the batches of one process."""


def load_share(
    load: LoadsShare, listing: VideoListing, run: RunFolder, heard: Listeners
) -> BatchLoader:
    """Load this process's share of each batch; decoded frames are cached for other runs.

    A process alone decodes them beside its first steps. Several would wait for the one that does,
    each in its own collective.
    """
    batches = load(
        listing,
        rank=run.processes.rank,
        world_size=run.processes.world_size,
        folder=run.path / "frames",
        shares=True,
        beside=run.processes.world_size == 1,
        warn=heard.warn_each or heard.warn,
        advance=heard.count("frames decoded", listing.num_frames),
    )
    if batches.is_decoding:
        heard.note(f"{listing.num_frames:,} frames are decoded beside the first steps")
    return batches
