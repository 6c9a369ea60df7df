"""BigGAN-PyTorch state dicts (`G_ema*.pth`): tensor names and shapes -> weights.

Spectral normalisation is folded into the weights, as the original computes it in evaluation: one
power iteration from the stored vector.
"""

import math
import re
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from mocotool.configs.generator import GeneratorOptions
from mocotool.errors import FileFormatError
from mocotool.weights.contents import GeneratorWeights
from mocotool.weights.records import TensorRecord
from mocotool.weights.state_dicts import TensorReader, as_state_dict

MAX_BLOCKS = 10


def read(tree: Any, tensors: TensorReader, options: GeneratorOptions) -> GeneratorWeights | None:
    """Return the generator of a BigGAN state dict, or `None` if `tree` is not one."""
    state = as_state_dict(tree)
    if state is None or not {"linear.weight", "blocks.0.0.conv1.weight"} <= state.keys():
        return None
    if "output_layer.2.weight" not in state:
        raise FileFormatError(
            "a BigGAN discriminator, not a generator", hint="use the file named G_ema*.pth"
        )
    values = {
        name: value
        for name, value in tensors.read_all(state).items()
        if not name.endswith("accumulation_counter")
    }
    arch = infer_sizes(state) | {"bn_eps": options.bn_eps}
    folded = fold_spectral_norms(values, eps=options.sn_eps)
    return GeneratorWeights(
        kind="biggan",
        arch=arch,
        tensors={f"synthesis.{name}": value for name, value in folded.items()},
        file_format="BigGAN-PyTorch state dict",
    )


def infer_sizes(state: dict[str, TensorRecord]) -> dict[str, Any]:
    """Return the architecture that names and shapes imply.

    Raises:
        FileFormatError: They are not a BigGAN generator's.
    """
    num_blocks = 0
    while f"blocks.{num_blocks}.0.conv1.weight" in state and num_blocks <= MAX_BLOCKS:
        num_blocks += 1

    # channels before the first block and after each
    firsts = [_shape(state, f"blocks.{i}.0.conv1.weight", 4) for i in range(num_blocks)]
    channels = [firsts[0][1], *(shape[0] for shape in firsts)]
    linear_out, linear_in = _shape(state, "linear.weight", 2)
    bottom = math.isqrt(linear_out // channels[0])
    if bottom**2 * channels[0] != linear_out:
        raise FileFormatError("the first layer's size does not fit the first block's")

    # Each block is told the class, to which hierarchical ones add a part of z.
    gain = _shape(state, "blocks.0.0.bn1.gain.weight", 2)
    is_shared = "shared.weight" in state
    if is_shared:
        num_classes, shared_dim = _shape(state, "shared.weight", 2)
    else:
        num_classes, shared_dim = gain[0], 0
    chunk = gain[1] - shared_dim if is_shared else 0
    if chunk not in (0, linear_in):
        raise FileFormatError(
            f"conditioning takes {gain[1]} inputs: neither the {shared_dim} of the class nor "
            f"{linear_in} more of z"
        )

    return {
        "z_dim": linear_in * (num_blocks + 1) if chunk else linear_in,
        "num_classes": num_classes,
        "shared_dim": shared_dim,
        "is_hierarchical": chunk > 0,
        "channels": channels,
        "img_channels": _shape(state, "output_layer.2.weight", 4)[0],
        "bottom_width": bottom,
        "attention_blocks": [i for i in range(num_blocks) if f"blocks.{i}.1.gamma" in state],
    }


def _shape(state: dict[str, TensorRecord], name: str, ndim: int) -> tuple[int, ...]:
    record = state.get(name)
    if record is None or len(record.shape) != ndim or 0 in record.shape:
        raise FileFormatError(f"the state dict lacks {name}, or it has another shape")
    return record.shape


def fold_spectral_norms(values: dict[str, Tensor], *, eps: float) -> dict[str, Tensor]:
    """Return the tensors with each weight divided by its spectral norm, the vectors left out.

    Args:
        values: Tensors by name; a weight `X.weight` with a vector `X.u0` is normalised.
        eps: Smallest norm a vector is divided by.

    Raises:
        FileFormatError: A vector does not fit its weight.
    """
    folded: dict[str, Tensor] = {}
    for name, value in values.items():
        if re.search(r"\.(u|sv)\d+$", name):
            continue
        vector = (
            values.get(f"{name.removesuffix('.weight')}.u0") if name.endswith("weight") else None
        )
        if vector is None:
            folded[name] = value
            continue
        is_pair = value.ndim >= 2 and vector.shape == (1, value.shape[0])
        if not is_pair or not value.is_floating_point() or not vector.is_floating_point():
            raise FileFormatError(
                f"{name} of shape {list(value.shape)} has a vector of shape {list(vector.shape)}"
            )
        matrix = value.flatten(1)  # [out, in]
        right = F.normalize(vector @ matrix, eps=eps)  # [1, in]
        left = F.normalize(right @ matrix.t(), eps=eps)  # [1, out]
        sigma = (right @ matrix.t() @ left.t()).squeeze()
        folded[name] = value / sigma
    return folded
