"""One process or many: the same training code under `python` and under `torchrun`."""

import contextlib
import dataclasses
import os
import secrets
import time
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.rendezvous import rendezvous

from mocotool.devices import describe_gpu
from mocotool.errors import ConfigError, UnavailableError

T = TypeVar("T")

MEETING_SECONDS = 600.0


@dataclasses.dataclass(frozen=True, slots=True)
class Processes:
    """This process among those that train together."""

    rank: int = 0
    world_size: int = 1
    device: torch.device = torch.device("cpu")
    """Where this process computes."""

    @property
    def is_first(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.rank == 0

    def share(self, things: range) -> range:
        """Return this process's block of some things, which may be none."""
        begin, end = (len(things) * i // self.world_size for i in (self.rank, self.rank + 1))
        return things[begin:end]

    def rows(self, global_batch: int) -> slice:
        """Return this process's part of a batch that all processes draw alike.

        Raises:
            ConfigError: The batch cannot be split evenly.
        """
        if global_batch % self.world_size:
            raise ConfigError(
                f"--batch-size {global_batch} cannot be split over {self.world_size} processes",
                hint=f"use a multiple of {self.world_size}",
            )
        local = global_batch // self.world_size
        return slice(self.rank * local, (self.rank + 1) * local)

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace each gradient by its mean over all processes."""
        if self.world_size == 1:
            return
        grads = [p.grad for p in parameters if p.grad is not None]
        if not grads:
            return
        flat = torch.cat([grad.reshape(-1) for grad in grads])
        dist.all_reduce(flat)
        flat /= self.world_size
        for grad, mean in zip(grads, flat.split([grad.numel() for grad in grads]), strict=True):
            grad.copy_(mean.view_as(grad))

    def average(self, value: Tensor) -> Tensor:
        """Return the mean of `value` over all processes; no gradient flows through it."""
        value = value.detach().clone()
        if self.world_size > 1:
            dist.all_reduce(value)
            value /= self.world_size
        return value

    def gather(self, value: Tensor) -> Tensor:
        """Return the rows [n, ...] of all processes in rank order, without gradient."""
        value = value.detach().contiguous()
        if self.world_size == 1:
            return value
        parts = [torch.empty_like(value) for _ in range(self.world_size)]
        dist.all_gather(parts, value)
        return torch.cat(parts)

    def gather_objects(self, value: T) -> list[T]:
        """Return the values of all processes in rank order; anything that can be pickled."""
        if self.world_size == 1:
            return [value]
        values: list[Any] = [None] * self.world_size
        dist.all_gather_object(values, value)
        return values

    def average_with_gradient(self, value: Tensor) -> Tensor:
        """Return the mean of `value` over all processes; gradients flow back to all of them."""
        if self.world_size == 1:
            return value
        average: Tensor = _AverageWithGradient.apply(value, self.world_size)
        return average

    def gather_with_gradient(self, value: Tensor) -> Tensor:
        """Return the rows of all processes, in rank order; gradients flow back to all of them."""
        if self.world_size == 1:
            return value
        rows: Tensor = _GatherWithGradient.apply(value, self.rank, self.world_size)
        return rows

    def any(self, flag: bool) -> bool:
        """Return whether `flag` is set in any process, so that all do the same."""
        return bool(self.find_largest([float(flag)])[0])

    def find_largest(self, values: list[float]) -> list[float]:
        """Return the largest of each value among all processes."""
        if self.world_size == 1:
            return values
        found = torch.tensor(values, device=self.device)
        dist.all_reduce(found, op=dist.ReduceOp.MAX)
        largest: list[float] = found.tolist()
        return largest

    def describe(self) -> dict[str, Any]:
        """Return what the last bits of a run depend on besides its settings, as JSON values."""
        return {
            "device": self.device.type,
            "processes": self.world_size,
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            **describe_gpu(self.device),
        }

    def barrier(self) -> None:
        """Wait until every process is here."""
        if self.world_size > 1:
            dist.barrier()


class _AverageWithGradient(torch.autograd.Function):
    """A mean over processes; its gradient is the mean of theirs."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, world_size: int) -> Tensor:
        ctx.world_size = world_size
        value = value.clone()
        dist.all_reduce(value)
        return value / world_size

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        grad = grads[0].clone()
        dist.all_reduce(grad)
        return grad / ctx.world_size, None


class _GatherWithGradient(torch.autograd.Function):
    """The rows of all processes; each process's rows get the sum of all gradients."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, rank: int, world_size: int) -> Tensor:
        ctx.rank, ctx.num_rows = rank, len(value)
        parts = [torch.empty_like(value) for _ in range(world_size)]
        dist.all_gather(parts, value.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        grad = grads[0].clone()
        dist.all_reduce(grad)
        first = ctx.rank * ctx.num_rows
        return grad[first : first + ctx.num_rows], None, None


def is_first_process() -> bool:
    """Return whether this process is the one that speaks, also where none have joined yet."""
    return os.environ.get("RANK", "0") == "0"


def _agree_on_meeting(store: Any, rank: int, world_size: int) -> str:
    """Return a name that all processes of this start have in common, and those of none before.

    Torch keeps one store over restarts, where a new process can read the address of one that died
    (seen with torch 2.13: "Gloo connectFullMesh failed ... Connection refused"). How often torchrun
    has started a process anew tells them apart on one machine only: one that comes back begins to
    count at 0. So the first process answers each of the others by a name that nobody had before,
    until all have heard. Remove when torch tells them apart itself.

    Raises:
        UnavailableError: Not all processes came in time.
    """
    own = secrets.token_hex(8)
    if rank:
        store.set(f"moco hello {rank}", own)
        meeting: str = store.get(f"moco answer {own}").decode()  # waits for it
        store.set(f"moco heard {meeting} {rank}", "")
        return meeting
    missing = set(range(1, world_size))
    deadline = time.monotonic() + MEETING_SECONDS
    while missing:
        for other in sorted(missing):
            if store.check([f"moco hello {other}"]):
                name = store.get(f"moco hello {other}").decode()
                store.set(f"moco answer {name}", own)
            if store.check([f"moco heard {own} {other}"]):
                missing.remove(other)
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"processes {sorted(missing)} of {world_size} did not connect within "
                f"{MEETING_SECONDS / 60:.0f} minutes"
            )
        time.sleep(0.01)
    return own


@contextlib.contextmanager
def joined_processes(device: torch.device) -> Iterator[Processes]:
    """Join the processes that `torchrun` started, or stand alone without it.

    NCCL on CUDA devices, where each process takes the one of its local rank; gloo elsewhere.

    Raises:
        ConfigError: `device` names one GPU for all of them.
        UnavailableError: The processes have no device each that they can join on.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Processes(device=device)
        return

    # a device for each
    if device.type == "cuda":
        local_rank = int(os.environ["LOCAL_RANK"])
        if device != torch.device("cuda"):  # one of them has a number
            raise ConfigError(
                f"--device {device}: each process of torchrun takes a GPU of its own",
                hint="--device cuda; CUDA_VISIBLE_DEVICES=0,2 chooses among GPUs",
            )
        if local_rank >= torch.cuda.device_count():
            raise UnavailableError(
                f"process {local_rank} has no CUDA device of its own, torch sees "
                f"{torch.cuda.device_count()}",
                hint="start torchrun with a smaller --nproc-per-node",
            )
        device = torch.device("cuda", local_rank)
        torch.cuda.set_device(device)
    elif device.type != "cpu":
        raise UnavailableError(
            f"--device {device.type}: several processes cannot train on it together",
            hint="use --device cpu, or one process",
        )

    # where they meet, under a name that agents of several machines agree on
    store, rank, world_size = next(rendezvous("env://"))
    meeting = _agree_on_meeting(store, rank, world_size)
    dist.init_process_group(
        "nccl" if device.type == "cuda" else "gloo",
        store=dist.PrefixStore(meeting, store),  # type: ignore[attr-defined]
        rank=rank,
        world_size=world_size,
        device_id=device if device.type == "cuda" else None,
    )
    try:
        yield Processes(dist.get_rank(), dist.get_world_size(), device)
    finally:
        dist.destroy_process_group()
