"""DCGAN state dicts (`main.N.*`, as in the PyTorch example): tensor names -> weights."""

import re
from typing import Any

from mocotool.errors import FileFormatError
from mocotool.weights.contents import GeneratorWeights
from mocotool.weights.records import TensorRecord
from mocotool.weights.state_dicts import TensorReader, as_state_dict

LAYER = re.compile(r"main\.(\d{1,2})\.(weight|bias|running_mean|running_var|num_batches_tracked)")
MAX_CONVOLUTIONS = 12


def read(tree: Any, tensors: TensorReader) -> GeneratorWeights | None:
    """Return the generator of a DCGAN state dict, or `None` if `tree` is not one."""
    state = as_state_dict(tree)
    if state is None or not all(LAYER.fullmatch(name) for name in state):
        return None
    # Convolution, normalisation, ReLU; repeated; the last convolution is followed by tanh.
    convolutions = [
        record
        for index in range(MAX_CONVOLUTIONS)
        if (record := state.get(f"main.{3 * index}.weight")) is not None
    ]
    check_convolutions(convolutions)
    values = tensors.read_all(state)
    for index in range(len(convolutions) - 1):
        name = f"main.{3 * index + 1}.num_batches_tracked"
        # Files from before torch 0.4 lack this counter, which nothing reads.
        values.setdefault(name, values["main.0.weight"].new_zeros([]).long())
    return GeneratorWeights(
        kind="dcgan",
        arch={
            "z_dim": convolutions[0].shape[0],
            "channels": [record.shape[1] for record in convolutions[:-1]],
            "img_channels": convolutions[-1].shape[1],
            "has_bias": "main.0.bias" in state,
        },
        tensors={f"synthesis.{name}": value for name, value in values.items()},
        file_format="DCGAN state dict",
    )


def check_convolutions(convolutions: list[TensorRecord]) -> None:
    """Check that the convolutions are a DCGAN generator's.

    Raises:
        FileFormatError: They are a discriminator's, or of another kernel size.
    """
    if len(convolutions) < 2:
        raise FileFormatError("a state dict with names like DCGAN's, but not its layers")
    for record in convolutions:
        if len(record.shape) != 4 or record.shape[2:] != (4, 4) or 0 in record.shape:
            raise FileFormatError(
                f"a DCGAN-like state dict with a weight of shape {list(record.shape)}; "
                "only 4x4 kernels are supported"
            )
    widths = [(record.shape[0], record.shape[1]) for record in convolutions]
    if any(before[1] != after[0] for before, after in zip(widths, widths[1:], strict=False)):
        raise FileFormatError(
            "a DCGAN-like state dict whose layers do not follow each other; "
            "a discriminator (netD) instead of the generator (netG)?"
        )
