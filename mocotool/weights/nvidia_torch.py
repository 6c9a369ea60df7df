"""NVIDIA's torch pickles (stylegan2-ada-pytorch and stylegan3): inert module records -> weights."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mocotool.errors import FileFormatError
from mocotool.weights.contents import GeneratorWeights
from mocotool.weights.nvidia_modules import (
    check_activation,
    collect_tensors,
    find_network,
    read_mapping,
    read_sizes,
    submodule,
)
from mocotool.weights.records import Record, TensorRecord
from mocotool.weights.refusals import refuse_relatives
from mocotool.weights.state_dicts import (
    TensorReader,
    check_filter,
    infer_first_size,
    infer_mapping_widths,
    read_float,
)
from mocotool.weights.stylegan3 import read_stylegan3


def read(tree: Any, tensors: TensorReader) -> GeneratorWeights | None:
    """Return the generator of an NVIDIA torch pickle, or `None` if `tree` is not one."""
    network, notes = find_network(tree)
    if network is None:
        return None
    records = collect_tensors(network)
    refuse_relatives(records)
    if "synthesis.b4.const" in records:
        return read_stylegan2(network, records, tensors, notes)
    if "synthesis.input.freqs" in records:
        return read_stylegan3(network, records, tensors, notes)
    raise FileFormatError(
        f"the pickle holds a network of class {network.name}, which is neither StyleGAN2 nor 3"
    )


def read_stylegan2(
    network: Record,
    records: dict[str, TensorRecord],
    tensors: TensorReader,
    notes: dict[str, str],
) -> GeneratorWeights:
    """Return a StyleGAN2 generator: sizes from shapes and attributes, weights by name.

    Raises:
        FileFormatError: Something in it differs from StyleGAN2 as we compute it.
    """
    # sizes and settings: from attributes where the file has them, else from shapes
    sizes = read_sizes(network)
    resolution = sizes["img_resolution"]
    blocks = [2**i for i in range(2, int(math.log2(resolution)) + 1)]
    clamp = submodule(network, "synthesis.b4.conv1").state.get("conv_clamp")
    check_activation(network, "synthesis.b4.conv1")
    arch = (
        sizes
        | read_mapping(network)
        | {
            "channels": [channels_of(records, f"synthesis.b{res}.conv1.bias") for res in blocks],
            "architecture": infer_architecture(records, resolution),
            "conv_clamp": None if clamp is None else read_float(clamp, "conv_clamp"),
        }
    )
    arch |= infer_first_size(records["synthesis.b4.const"].shape)

    # weights; a filter that is not ours would render something else without a word
    values = tensors.read_all(records)
    arch |= infer_mapping_widths(values, w_dim=sizes["w_dim"])
    add_missing_noise(network, values, blocks, first_size=arch.get("first_size", (4, 4)))
    for name, value in values.items():
        if name.endswith("resample_filter"):
            check_filter(value, name)
    return GeneratorWeights(
        kind="stylegan2",
        arch=arch,
        tensors=values,
        file_format="stylegan2-ada-pytorch pickle",
        notes=notes,
    )


def channels_of(records: dict[str, TensorRecord], name: str) -> int:
    """Return the length of a bias."""
    record = records.get(name)
    if record is None or len(record.shape) != 1 or not record.shape[0]:
        raise FileFormatError(f"the network lacks {name}, or it has no length")
    return record.shape[0]


def infer_architecture(records: dict[str, TensorRecord], resolution: int) -> str:
    """Tell skip, resnet and orig apart by the layers that are there."""
    if resolution == 4:
        return "skip"
    if "synthesis.b8.skip.weight" in records:
        return "resnet"
    return "skip" if "synthesis.b4.torgb.weight" in records else "orig"


def add_missing_noise(
    network: Record, values: dict[str, Tensor], blocks: list[int], *, first_size: Sequence[int]
) -> None:
    """Give layers trained without noise a noise of strength zero, which computes the same."""
    for resolution in blocks:
        for layer in ("conv0", "conv1"):
            name = f"synthesis.b{resolution}.{layer}"
            if f"{name}.weight" not in values or f"{name}.noise_strength" in values:
                continue
            if submodule(network, name).state.get("use_noise") is False:
                values[f"{name}.noise_strength"] = torch.zeros([])
                values[f"{name}.noise_const"] = torch.zeros(
                    *(side * resolution // 4 for side in first_size)
                )
