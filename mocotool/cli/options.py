"""Options shared by several commands that belong to no configuration, each defined once."""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import torch

    from mocotool.cli.report import Report
    from mocotool.training.distributed import Processes

Device = Annotated[
    str, typer.Option(help="auto, cpu, cuda, cuda:N or mps.", rich_help_panel="Computing")
]
Force = Annotated[
    bool, typer.Option("--force", help="Overwrite existing files.", rich_help_panel="Output")
]


@contextlib.contextmanager
def speaking_once(device: str, report: "Report") -> "Iterator[Processes]":
    """Join the processes of `torchrun`, of which the first one alone speaks.

    Args:
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        report: Of this process.

    Raises:
        ConfigError: There is no such device, or it is one GPU for all of them.
        UnavailableError: The device is not there.
    """
    from mocotool.devices import resolve_device
    from mocotool.training.distributed import joined_processes

    with joined_processes(resolve_device(device)) as processes:
        report.quiet |= not processes.is_first
        yield processes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Computing:
    """Device and precision of a command."""

    device: Device = "auto"
    precision: Annotated[
        str,
        typer.Option(
            help="auto, fp32, tf32, bf16 or fp16; auto is bf16 if the hardware supports it.",
            rich_help_panel="Computing",
        ),
    ] = "auto"

    def resolve(self, report: "Report") -> "tuple[torch.device, torch.dtype]":
        """Return the device and the precision, and report them.

        Raises:
            ConfigError: There is no such device or precision.
            UnavailableError: The device is not available.
        """
        from mocotool.devices import resolve_device, resolve_precision

        device = resolve_device(self.device)
        precision = resolve_precision(self.precision, device)
        report.name_device(device, precision)
        return device, precision

    @contextlib.contextmanager
    def joined(self, report: "Report") -> "Iterator[tuple[Processes, torch.dtype]]":
        """Do the same for all processes of `torchrun`, which share the work in the block.

        Yields:
            This process among them, with its device, and the precision.

        Raises:
            ConfigError: There is no such device or precision, or it is one GPU for all processes.
            UnavailableError: The device is not available.
        """
        from mocotool.devices import resolve_precision

        with speaking_once(self.device, report) as processes:
            precision = resolve_precision(self.precision, processes.device)
            report.name_device(processes.device, precision, shares=True)
            yield processes, precision


@dataclasses.dataclass(frozen=True, kw_only=True)
class MetricComputing(Computing):
    """Device of a metric, and the precision in which latents are rendered for it."""

    precision: Annotated[
        str,
        typer.Option(
            help="Precision of a generator of latents: auto, fp32, tf32, bf16 or fp16; "
            "detectors always take fp32.",
            rich_help_panel="Computing",
        ),
    ] = "fp32"


ShardOption = Annotated[
    str,
    typer.Option(
        "--shard",
        metavar="I/N",
        help="Compute only part I of N, from 0, for independent jobs; see moco merge.",
        rich_help_panel="Computing",
    ),
]
WHOLE_SHARD = "0/1"
Out = Annotated[
    str | None,
    typer.Option(
        "--out", "-o", metavar="FILE", help="Output; - is stdout.", rich_help_panel="Output"
    ),
]
GeneratorArgument = Annotated[
    Path | None,
    typer.Argument(metavar="GENERATOR", help="Generator weights; the bundled ones if left out."),
]
GeneratorOption = Annotated[
    Path | None,
    typer.Option(
        "--generator", metavar="FILE", help="Generator weights; the bundled ones if left out."
    ),
]
PCAOption = Annotated[
    Path | None,
    typer.Option("--pca", metavar="FILE", help="PCA basis (.npz), or the authors' folder of .npy."),
]

LatentsArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="LATENTS", help="Latents (.npz, .npy), or - for stdin, the default in a pipe."
    ),
]
RecordedGenerator = Annotated[
    Path | None,
    typer.Option(
        "--generator",
        metavar="FILE",
        help="Generator weights; if left out, those recorded in the latents.",
    ),
]
MotionArgument = Annotated[
    Path | None,
    typer.Argument(metavar="[MOTION]", help="Motion model; the bundled one if left out."),
]
MotionsGenerator = Annotated[
    Path | None,
    typer.Option(
        "--generator",
        metavar="FILE",
        help="Generator weights; if left out, those that the motion model was trained with.",
    ),
]
