"""`torch.compile` for whoever wants it: what is compiled, and what is said where that fails."""

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from mocotool.errors import UnavailableError
from mocotool.generators.base import Generator

INDUCTOR = "inductor"
GRAPHS_MODE = "reduce-overhead"  # torch's name for inductor with CUDA graphs
HINT = (
    "leave --compile out, it changes nothing but speed; it needs a C++ compiler such as g++, "
    "and on a GPU triton"
)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Compilation:
    """How the networks of a motion run are compiled.

    What most of a step's time goes into is: the generator's synthesis and the discriminators.
    Parameters keep their names, so a state is the same with and without. The gradient penalty,
    which differentiates twice, goes past what is compiled (`score_twice_differentiable`).
    """

    graphs: bool = False
    """Whether a GPU replays kernels as CUDA graphs, which the host launches as one."""
    backend: str = INDUCTOR
    """Torch's name of what compiles."""

    def check(self, device: torch.device) -> None:
        """Compile something small, to learn before a run begins whether that works.

        Raises:
            UnavailableError: It does not; or graphs are asked for, and the device has none.
        """
        if self.graphs and device.type != "cuda":
            raise UnavailableError(
                f"--cuda-graphs: needs a CUDA device, and this run computes on {device.type}",
                hint="leave --cuda-graphs out, it changes nothing but speed",
            )
        with compile_failures_named(device):
            torch.compile(_double, backend=self.backend)(torch.ones(8, device=device))

    def compile_generator(self, generator: Generator) -> None:
        """Compile a generator's synthesis, at its first use and once more for other sizes.

        Raises:
            UnavailableError: Nothing can be compiled for its device on this machine.
        """
        self.check(generator.device)
        synthesis = generator.synthesis
        assert isinstance(synthesis, nn.Module)
        synthesis.compile(**self._options)
        self.begin_move()

    def compile_discriminators(self, networks: Iterable[nn.Module]) -> None:
        """Compile discriminators, at their first use."""
        for network in networks:
            # Their sizes stay the same. Left to itself, torch 2.13 takes the sizes of one
            # discriminator and the next for one that varies, and fails on 3-D convolutions of
            # varying size.
            network.compile(dynamic=False, **self._options)

    def begin_move(self) -> None:
        """Let graphs overwrite what they gave before; between two calls nothing of it is lost."""
        if self.graphs:
            torch.compiler.cudagraph_mark_step_begin()

    @property
    def _options(self) -> dict[str, Any]:
        return {"backend": self.backend} | ({"mode": GRAPHS_MODE} if self.graphs else {})


def choose_compilation(*, compile: bool, cuda_graphs: bool) -> Compilation | None:
    """Return what `--compile` and `--cuda-graphs` ask for; graphs are of what is compiled."""
    return Compilation(graphs=cuda_graphs) if compile or cuda_graphs else None


def _double(x: Tensor) -> Tensor:
    return x + x


@contextlib.contextmanager
def compile_failures_named(device: torch.device) -> Iterator[None]:
    """Say in a sentence what torch's compiler could not do in the block.

    Raises:
        UnavailableError: It could not compile something.
    """
    from torch._dynamo.exc import TorchDynamoException

    try:
        yield
    except (TorchDynamoException, ImportError) as error:
        cause = getattr(error, "inner_exception", error)
        reason = next(iter(str(cause).splitlines()), type(cause).__name__)
        raise UnavailableError(
            f"--compile: torch cannot compile for {device.type} here: {reason}", hint=HINT
        ) from None
