"""Helpers for networks in training: parameter counts, finiteness, and input-only gradients."""

import contextlib
from collections.abc import Iterator

import torch
from torch import nn

_inputs_only = False


def count_parameters(network: nn.Module) -> int:
    """Return the number of trainable parameters of a network."""
    return sum(parameter.numel() for parameter in network.parameters())


def has_finite_weights(network: nn.Module) -> bool:
    """Return whether all trainable parameters of a network are finite."""
    found = [parameter.isfinite().all() for parameter in network.parameters()]
    return not found or bool(torch.stack(found).all())


@contextlib.contextmanager
def input_gradients_only() -> Iterator[None]:
    """Skip the gradients of weights in the block, where only that of the input is needed.

    Convolutions made for gradient penalties heed it; torch's own do not.
    """
    global _inputs_only  # noqa: PLW0603 - autograd gives a backward pass no other way to know
    _inputs_only = True
    try:
        yield
    finally:
        _inputs_only = False


def wants_weight_gradients() -> bool:
    """Return whether the running backward pass computes gradients of weights."""
    return not _inputs_only
