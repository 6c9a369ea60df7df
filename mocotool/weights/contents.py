"""The contents of a file of weights, whatever its format."""

import dataclasses
from typing import Any

from torch import Tensor


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class GeneratorWeights:
    """A generator as plain values: enough to build the network with our own code."""

    kind: str
    """The family: "stylegan2", "stylegan3", "biggan" or "dcgan"."""
    arch: dict[str, Any]
    """Keyword arguments of the family's class."""
    tensors: dict[str, Tensor]
    """The state dict of that class."""
    file_format: str
    """What the file was, in words: "stylegan2-ada-pytorch pickle"."""
    notes: dict[str, str] = dataclasses.field(default_factory=dict)
    """What the file records about its training."""
    lacks_latent_mean: bool = False
    """Whether the truncation centre has to be averaged over samples once the network is built."""
