"""Batch sizes of rendering: as many pictures at once as memory has room for."""

import warnings
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch
from torch import Tensor, nn

from mocotool.devices import free_device_bytes, is_out_of_memory
from mocotool.errors import MocoWarning
from mocotool.generators.base import Generator

T = TypeVar("T")

ALIVE_AT_ONCE = 5  # pictures of a layer: what comes in, two on the way, what goes out, the image
CPU_BYTES = 2**30  # a processor gains nothing from more pictures at once than fill its caches
FREE_SHARE = 0.5


class ChunkSize:
    """Number of rows computed at once, halved whenever memory runs out, with one warning.

    Args:
        value: The number to begin with.
    """

    def __init__(self, value: int) -> None:
        self.value = value
        self._is_told = False

    def run(self, compute: Callable[[int, int], T], num_rows: int) -> Iterator[T]:
        """Yield `compute(start, stop)` chunk by chunk.

        A chunk that memory has no room for is computed again in halves.

        Raises:
            RuntimeError: Memory has no room for a single row.
        """
        start = 0
        while start < num_rows:
            stop = min(start + self.value, num_rows)
            has_room = True
            try:
                found = compute(start, stop)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or stop - start == 1:
                    raise
                has_room = False
            if has_room:
                yield found
                start = stop
            else:  # here, where the exception and the tensors it holds are gone
                self._halve(stop - start)

    def _halve(self, tried: int) -> None:
        self.value = tried // 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if not self._is_told:
            self._is_told = True
            warnings.warn(
                f"out of memory at {tried} pictures at once; going on with fewer",
                MocoWarning,
                stacklevel=3,
            )


def choose_batch(generator: Generator, latents: Tensor, render: Callable[[Tensor], Tensor]) -> int:
    """Return how many pictures to render at once.

    Args:
        generator: The generator.
        latents: What is to be rendered, [n, ...]; the first is, to see what it takes.
        render: Renders some of them.
    """
    each = measure_picture_bytes(generator, lambda: render(latents[:1]))
    device = generator.device
    room = int(FREE_SHARE * free_device_bytes(device))
    if device.type == "cpu":
        room = min(room, CPU_BYTES)
    return max(1, min(len(latents), room // max(each, 1)))


def measure_picture_bytes(generator: Generator, render_one: Callable[[], object]) -> int:
    """Estimate the memory that rendering one more picture takes, from its largest layer."""
    largest = 0

    def note(_module: nn.Module, _inputs: object, output: object) -> None:
        nonlocal largest
        if isinstance(output, Tensor):
            largest = max(largest, output.nbytes)

    hooks = [module.register_forward_hook(note) for module in generator.modules()]
    try:
        render_one()
    finally:
        for hook in hooks:
            hook.remove()
    return ALIVE_AT_ONCE * largest
