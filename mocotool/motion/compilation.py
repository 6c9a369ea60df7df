"""`torch.compile` for whoever wants it: what is compiled, and what is said where that fails."""

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from mocotool.errors import UnavailableError
from mocotool.motion.trainer import MotionTrainer

INDUCTOR = "inductor"
HINT = (
    "leave --compile out, it changes nothing but speed; it needs a C++ compiler such as g++, "
    "and on a GPU triton"
)


def compile_networks(trainer: MotionTrainer, *, backend: str = INDUCTOR) -> None:
    """Compile what most of a step's time goes into: the generator's synthesis and discriminators.

    Parameters keep their names, so a state is the same with and without. The gradient penalty,
    which differentiates twice, goes past what is compiled (`score_twice_differentiable`).

    Args:
        trainer: Whose networks; they compile at their first use, and once more for other sizes.
        backend: Torch's name of what compiles.

    Raises:
        UnavailableError: Nothing can be compiled for the trainer's device on this machine.
    """
    check_compiler(trainer.device, backend=backend)
    synthesis = trainer.generator.synthesis
    assert isinstance(synthesis, nn.Module)
    synthesis.compile(backend=backend)
    for game in trainer.games.values():
        # Their sizes stay the same. Left to itself, torch 2.13 takes the sizes of one discriminator
        # and the next for one that varies, and fails on 3-D convolutions of varying size.
        game.network.compile(backend=backend, dynamic=False)


def check_compiler(device: torch.device, *, backend: str = INDUCTOR) -> None:
    """Compile something small, to learn before a run begins whether that works.

    Raises:
        UnavailableError: It does not.
    """
    with compile_failures_named(device):
        torch.compile(_double, backend=backend)(torch.ones(8, device=device))


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
