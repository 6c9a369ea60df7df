"""NVIDIA's torch pickles (stylegan2-ada-pytorch and stylegan3): inert module records -> weights."""

import math
from typing import Any

import torch
from torch import Tensor

from mocotool.errors import FileFormatError
from mocotool.weights.contents import GeneratorWeights
from mocotool.weights.records import Record, TensorRecord
from mocotool.weights.refusals import shown
from mocotool.weights.state_dicts import TensorReader, check_filter, read_float, read_int

MAX_MODULE_DEPTH = 12
MAX_RESOLUTION = 4096


def read(tree: Any, tensors: TensorReader) -> GeneratorWeights | None:
    """Return the generator of an NVIDIA torch pickle, or `None` if `tree` is not one."""
    network, notes = find_network(tree)
    if network is None:
        return None
    records = collect_tensors(network)
    if "synthesis.b4.const" in records:
        return read_stylegan2(network, records, tensors, notes)
    raise FileFormatError(
        f"the pickle holds a network of class {network.name}, which is neither StyleGAN2 nor 3"
    )


def find_network(tree: Any) -> tuple[Record | None, dict[str, str]]:
    """Return the generator's record and what the file says of its training."""
    if isinstance(tree, Record) and "_parameters" in tree.state:
        return tree, {}
    if not isinstance(tree, dict):
        return None, {}
    for name in ("G_ema", "G"):
        network = tree.get(name)
        if isinstance(network, Record) and "_parameters" in network.state:
            notes: dict[str, str] = {"network": name} if name == "G" else {}
            dataset = tree.get("training_set_kwargs")
            if isinstance(dataset, dict) and isinstance(dataset.get("path"), str):
                notes["training_set"] = shown(dataset["path"])
            return network, notes
    return None, {}


def collect_tensors(module: Record) -> dict[str, TensorRecord]:
    """Return a module tree's parameters and buffers under their state-dict names.

    Raises:
        FileFormatError: The tree is not one of modules.
    """
    found: dict[str, TensorRecord] = {}
    level = [("", module)]
    for _ in range(MAX_MODULE_DEPTH):
        below: list[tuple[str, Record]] = []
        for prefix, record in level:
            for group in ("_parameters", "_buffers"):
                for name, value in table(record, group).items():
                    if isinstance(value, TensorRecord):
                        found[f"{prefix}{name}"] = value
                    elif value is not None:
                        raise FileFormatError(f"{prefix}{shown(name)} is not a tensor")
            for name, child in table(record, "_modules").items():
                if not isinstance(child, Record):
                    raise FileFormatError(f"{prefix}{shown(name)} is not a module")
                below.append((f"{prefix}{name}.", child))
        level = below
        if len(level) + len(found) > 10_000:
            break
    if level:
        raise FileFormatError("the network has far more modules than a generator has")
    return found


def table(record: Record, name: str) -> dict[str, Any]:
    """Return one of a record's attributes that must be a table of names."""
    value = record.state.get(name, {})
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise FileFormatError(f"{record.name}.{name} is not a table of names")
    return value


def submodule(record: Record, path: str) -> Record:
    """Return a module by its dotted path.

    Raises:
        FileFormatError: There is none.
    """
    for name in path.split("."):
        child = table(record, "_modules").get(name)
        if not isinstance(child, Record):
            raise FileFormatError(f"the network has no module {path}")
        record = child
    return record


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
    sizes = read_sizes(network)
    resolution = sizes["img_resolution"]
    blocks = [2**i for i in range(2, int(math.log2(resolution)) + 1)]
    first_conv = submodule(network, "synthesis.b4.conv1")
    num_layers = read_int(
        submodule(network, "mapping").state.get("num_layers"), "mapping layers", low=1, high=64
    )
    clamp = first_conv.state.get("conv_clamp")
    check_activations(network, num_layers)
    arch = sizes | {
        "channels": [channels_of(records, f"synthesis.b{res}.conv1.bias") for res in blocks],
        "num_mapping_layers": num_layers,
        "mapping_lr_multiplier": read_float(
            submodule(network, "mapping.fc0").state.get("bias_gain", 1), "mapping fc0 bias_gain"
        ),
        "architecture": infer_architecture(records, resolution),
        "conv_clamp": None if clamp is None else read_float(clamp, "conv_clamp"),
    }
    values = tensors.read_all(records)
    add_missing_noise(network, values, blocks)
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


def read_sizes(network: Record) -> dict[str, int]:
    """Return what a generator of NVIDIA's says of its own sizes."""
    state = network.state
    return {
        name: read_int(state.get(name), f"the network's {name}", low=low, high=high)
        for name, low, high in (
            ("z_dim", 1, 1 << 16),
            ("w_dim", 1, 1 << 16),
            ("c_dim", 0, 1 << 20),
            ("img_resolution", 4, MAX_RESOLUTION),
            ("img_channels", 1, 64),
        )
    }


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


def check_activations(network: Record, num_layers: int) -> None:
    """Check that the network computes what our StyleGAN2 computes.

    Raises:
        FileFormatError: It was trained with another activation.
    """
    paths = ["synthesis.b4.conv1", *(f"mapping.fc{i}" for i in range(num_layers))]
    for path in paths:
        activation = submodule(network, path).state.get("activation", "lrelu")
        if activation != "lrelu":
            raise FileFormatError(f"{path} uses the activation {shown(activation)}, expected lrelu")


def add_missing_noise(network: Record, values: dict[str, Tensor], blocks: list[int]) -> None:
    """Give layers trained without noise a noise of strength zero, which computes the same."""
    for resolution in blocks:
        for layer in ("conv0", "conv1"):
            name = f"synthesis.b{resolution}.{layer}"
            if f"{name}.weight" not in values or f"{name}.noise_strength" in values:
                continue
            if submodule(network, name).state.get("use_noise") is False:
                values[f"{name}.noise_strength"] = torch.zeros([])
                values[f"{name}.noise_const"] = torch.zeros(resolution, resolution)
