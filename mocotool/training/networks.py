"""What every network in training has: a number of weights, and passes that only want slopes."""

import contextlib
from collections.abc import Iterator

import torch
from torch import nn

_inputs_only = False


def count_parameters(network: nn.Module) -> int:
    """Return how many trained numbers a network has."""
    return sum(parameter.numel() for parameter in network.parameters())


def has_finite_weights(network: nn.Module) -> bool:
    """Tell whether no trained number of a network is NaN or infinite."""
    found = [parameter.isfinite().all() for parameter in network.parameters()]
    return not found or bool(torch.stack(found).all())


@contextlib.contextmanager
def input_gradients_only() -> Iterator[None]:
    """Spare the gradients of weights in the block, where only that of the input is asked for.

    Convolutions made for gradient penalties heed it; torch's own do not.
    """
    global _inputs_only  # noqa: PLW0603 - autograd gives a backward pass no other way to know
    _inputs_only = True
    try:
        yield
    finally:
        _inputs_only = False


def wants_weight_gradients() -> bool:
    """Whether a backward pass under way shall find gradients of weights."""
    return not _inputs_only
