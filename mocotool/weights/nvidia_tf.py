"""NVIDIA's TensorFlow pickles (stylegan2, stylegan2-ada): variables -> torch names and layouts."""

import math
import re
from typing import Any

import torch
from torch import Tensor

from mocotool.errors import FileFormatError
from mocotool.weights.contents import GeneratorWeights
from mocotool.weights.records import ArrayRecord, Record
from mocotool.weights.refusals import shown
from mocotool.weights.state_dicts import (
    TensorReader,
    fir_filter,
    infer_first_size,
    infer_mapping_widths,
    read_float,
    read_int,
    unknown_name,
)

NETWORK = "dnnlib.tflib.network.Network"
OLDEST_VERSION = 4
MAX_COMPONENTS = 100
E_F_HINT = "of StyleGAN2's configurations, E and F are supported, which all official files use"

# What training alone looks at, or what the weights' shapes say anyway.
IGNORED_SETTINGS = frozenset(
    (
        *("truncation_psi", "truncation_cutoff", "style_mixing_prob", "structure", "conditioning"),
        *("fused_modconv", "randomize_noise", "dlatent_avg_beta", "w_avg_beta", "num_fp16_res"),
        *("fmap_base", "fmap_max", "fmap_decay", "fmap_min", "label_fmaps", "mapping_fmaps"),
        *("mapping_func", "synthesis_func", "dtype", "architecture", "verbose", "impl"),
    )
)
FIXED_SETTINGS = {
    "mapping_nonlinearity": "lrelu",
    "nonlinearity": "lrelu",
    "resample_kernel": [1, 3, 3, 1],
    "normalize_latents": True,
}


def read(tree: Any, tensors: TensorReader) -> GeneratorWeights | None:
    """Return the averaged generator of a TensorFlow pickle, or `None` if `tree` is not one."""
    networks = list(tree) if isinstance(tree, tuple | list) else [tree]
    if not networks or not all(isinstance(n, Record) and n.name == NETWORK for n in networks):
        return None
    # (G, D, Gs): the last is the running average, which is the one to use.
    network: Record = networks[-1]
    arrays = collect_variables(network)
    refuse_other_generations(network, arrays)

    # variables and settings, under torch's names and in its layouts
    settings = read_settings(network)
    values = {name: tensors.read(array) for name, array in arrays.items() if name != "lod"}
    converted = convert_names(values)
    resolution = settings["img_resolution"]
    blocks = [2**i for i in range(2, int(math.log2(resolution)) + 1)]

    # the first block may be of another shape than 4x4, which both have to say
    const = converted.get("synthesis.b4.const")
    own_size = {} if const is None else infer_first_size(const.shape)
    first_size = own_size.get("first_size", [4, 4])
    if settings.pop("first_size") != first_size:
        raise FileFormatError("the network's setting init_res is not the size of its constant")

    complete(converted, blocks, first_size=first_size, has_noise=settings.pop("use_noise"))
    if OLD_LABELS in values:
        settings |= {"joint_normalization": True}
        complete_old_labels(converted)

    return GeneratorWeights(
        kind="stylegan2",
        arch=settings
        | {
            "channels": [_length(converted, f"synthesis.b{res}.conv1.bias") for res in blocks],
            "architecture": infer_architecture(converted),
        }
        | infer_mapping_widths(converted, w_dim=settings["w_dim"])
        | own_size,
        tensors=converted,
        file_format="StyleGAN2 TensorFlow pickle",
        notes={"network": "Gs" if len(networks) == 3 else shown(network.state.get("name"))},
    )


def collect_variables(network: Record) -> dict[str, ArrayRecord]:
    """Return a network's variables, those of its components under "NAME/".

    Raises:
        FileFormatError: The record is not a network's.
    """
    found: dict[str, ArrayRecord] = {}
    waiting = [("", network)]
    visited = 0
    while waiting:
        prefix, record = waiting.pop()
        visited += 1
        variables, components = record.state.get("variables"), record.state.get("components")
        if not isinstance(variables, list) or not isinstance(components, dict):
            raise FileFormatError("a TensorFlow network without variables or components")
        for pair in variables:
            if not is_variable(pair):
                raise FileFormatError("a TensorFlow network whose variables are not named arrays")
            if isinstance(pair[1], ArrayRecord):
                found[f"{prefix}{pair[0]}"] = pair[1]
        # A component may hold itself, so they are counted.
        if visited + len(waiting) + len(components) > MAX_COMPONENTS:
            raise FileFormatError("a TensorFlow network of far too many components")
        for name, component in components.items():
            if not isinstance(component, Record):
                raise FileFormatError("a TensorFlow network whose components are not networks")
            waiting.append((f"{prefix}{name}/", component))
    return found


def is_variable(pair: Any) -> bool:
    """Return whether this is a name and an array (or a number, which no generator needs)."""
    is_pair = isinstance(pair, list | tuple) and len(pair) == 2 and isinstance(pair[0], str)
    return is_pair and isinstance(pair[1], ArrayRecord | float | int)


def refuse_other_generations(network: Record, arrays: dict[str, ArrayRecord]) -> None:
    """Refuse networks that share the container but not the architecture.

    Raises:
        FileFormatError: It is StyleGAN1, ProGAN, or StyleGAN2 in a configuration from A to D.
    """
    if any("/StyleMod/" in name for name in arrays):
        raise FileFormatError(
            "a StyleGAN1 network (or StyleGAN2's configuration A), which is not supported",
            hint=E_F_HINT,
        )
    if any("ToRGB_lod" in name for name in arrays):
        raise FileFormatError(
            "a StyleGAN2 network in one of the configurations B to D, which are not supported",
            hint=E_F_HINT,
        )
    if not any(name.startswith("mapping/") for name in arrays):
        raise FileFormatError("a TensorFlow network without a mapping: ProGAN, or no generator")
    version = network.state.get("version")
    if type(version) is not int or version < OLDEST_VERSION:
        raise FileFormatError(
            f"a TensorFlow network of version {shown(str(version))}, expected {OLDEST_VERSION} "
            "or newer: older than StyleGAN2",
            hint=E_F_HINT,
        )


def read_settings(network: Record) -> dict[str, Any]:
    """Return the architecture that a network's keyword arguments describe.

    Raises:
        FileFormatError: They ask for something that we do not compute.
    """
    given = network.state.get("static_kwargs")
    if not isinstance(given, dict):
        raise FileFormatError("a TensorFlow network without its settings")

    # What is left over at the end is unknown to us.
    left = {name: value for name, value in given.items() if value is not None}
    for name, expected in FIXED_SETTINGS.items():
        if (value := left.pop(name, expected)) != expected or type(value) is not type(expected):
            raise FileFormatError(f"the network's setting {name} is not {expected}")

    clamp = left.pop("conv_clamp", None)
    limits = (
        ("z_dim", "latent_size", 512, 1, 1 << 16),
        ("w_dim", "dlatent_size", 512, 1, 1 << 16),
        ("c_dim", "label_size", 0, 0, 1 << 20),
        ("img_resolution", "resolution", 1024, 4, 1 << 12),
        ("img_channels", "num_channels", 3, 1, 64),
        ("num_mapping_layers", "mapping_layers", 8, 1, 64),
    )
    settings: dict[str, Any] = {
        ours: read_int(left.pop(theirs, default), f"the setting {theirs}", low=low, high=high)
        for ours, theirs, default, low, high in limits
    }
    settings["mapping_lr_multiplier"] = read_float(left.pop("mapping_lrmul", 0.01), "mapping_lrmul")
    settings["conv_clamp"] = None if clamp is None else read_float(clamp, "conv_clamp")
    settings["use_noise"] = left.pop("use_noise", True) is not False
    first_size = left.pop("init_res", [4, 4])
    settings["first_size"] = list(first_size) if isinstance(first_size, list | tuple) else None
    if unknown := sorted(shown(name) for name in left.keys() - IGNORED_SETTINGS):
        raise FileFormatError(f"the network has the unknown setting {unknown[0]}")
    return settings


# TensorFlow name -> (torch name, what to do with the numbers).
RULES: tuple[tuple[str, str, str], ...] = (
    (r"dlatent_avg", "mapping.w_avg", ""),
    (r"mapping/LabelConcat/weight", "mapping.embed.weight", "dense"),
    (r"mapping/LabelEmbed/(weight|bias)", r"mapping.embed.\1", "dense"),
    (r"mapping/Dense(\d+)/(weight|bias)", r"mapping.fc\1.\2", "dense"),
    (r"synthesis/4x4/Const/const", "synthesis.b4.const", "first"),
    (r"synthesis/4x4/Conv/(.*)", r"synthesis.b4.conv1.\1", "conv"),
    (r"synthesis/(\d+)x\1/Conv0_up/(.*)", r"synthesis.b\1.conv0.\2", "up"),
    (r"synthesis/(\d+)x\1/Conv1/(.*)", r"synthesis.b\1.conv1.\2", "conv"),
    (r"synthesis/(\d+)x\1/ToRGB/(.*)", r"synthesis.b\1.torgb.\2", "conv"),
    (r"synthesis/(\d+)x\1/Skip/weight", r"synthesis.b\1.skip.weight", "up"),
)
OLD_LABELS = "mapping/LabelConcat/weight"
NOISE = re.compile(r"synthesis/noise(\d{1,2})")


def convert_names(values: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the variables under their torch names and in torch's layouts.

    Those that StyleGAN2 does not use keep their names.

    Raises:
        FileFormatError: A map of noise has another shape.
    """
    converted: dict[str, Tensor] = {}
    for name, value in values.items():
        if match := NOISE.fullmatch(name):
            # noise0 is at 4 pixels, then two at every resolution.
            index = int(match[1])
            layer = f"synthesis.b{2 ** ((index + 1) // 2 + 2)}.conv{(index + 1) % 2}"
            if value.ndim != 4 or value.shape[:2] != (1, 1):
                raise FileFormatError(f"{shown(name)} has the shape {list(value.shape)}")
            converted[f"{layer}.noise_const"] = value[0, 0].contiguous()
            continue
        for pattern, replacement, layout in RULES:
            if match := re.fullmatch(pattern, name):
                target, tensor = convert_tensor(match.expand(replacement), value, layout)
                converted[target] = tensor.contiguous()
                break
        else:
            converted[unknown_name(name)] = value
    return converted


def convert_tensor(target: str, value: Tensor, layout: str) -> tuple[str, Tensor]:
    """Return one variable's torch name and its numbers in torch's layout."""
    if target.endswith(".mod_weight"):
        return target.replace(
            ".mod_weight", ".affine.weight"
        ), value.t() if value.ndim == 2 else value
    if target.endswith(".mod_bias"):
        return target.replace(".mod_bias", ".affine.bias"), value + 1.0
    if layout == "first" and value.ndim == 4:
        return target, value[0]
    if target.endswith(".weight"):
        if layout == "dense" and value.ndim == 2:
            return target, value.t()
        if layout in ("conv", "up") and value.ndim == 4:
            # TensorFlow's up-sampling convolution runs the kernel the other way round.
            value = value.flip(0, 1) if layout == "up" else value
            return target, value.permute(3, 2, 0, 1)
    return target, value


def complete_old_labels(values: dict[str, Tensor]) -> None:
    """Give the classes' embedding of networks from before ADA the form of the later one.

    Source:
        Follows: NVlabs/stylegan2, G_mapping: a plain product with LabelConcat/weight
            [c_dim, z_dim], without bias or equalised learning rate, joined to z before both are
            normalised together.
    """
    weight = values["mapping.embed.weight"]
    if weight.ndim != 2 or not weight.numel():
        raise FileFormatError(f"{OLD_LABELS} has the shape {list(weight.shape)}")
    features, classes = weight.shape
    values["mapping.embed.weight"] = weight * math.sqrt(classes)  # which our layer divides by
    values["mapping.embed.bias"] = torch.zeros(features)


def infer_architecture(values: dict[str, Tensor]) -> str:
    """Tell skip, resnet and orig apart by the layers that are there."""
    if "synthesis.b8.skip.weight" in values:
        return "resnet"
    return "skip" if "synthesis.b4.torgb.weight" in values else "orig"


def complete(
    values: dict[str, Tensor], blocks: list[int], *, first_size: list[int], has_noise: bool
) -> None:
    """Add what the file leaves out because it follows from the architecture: filters, no noise."""
    for resolution in blocks:
        block = f"synthesis.b{resolution}"
        values[f"{block}.resample_filter"] = fir_filter()
        if f"{block}.skip.weight" in values:
            values[f"{block}.skip.resample_filter"] = fir_filter()
        for layer in ("conv0", "conv1") if resolution > 4 else ("conv1",):
            values[f"{block}.{layer}.resample_filter"] = fir_filter()
            if not has_noise:
                values[f"{block}.{layer}.noise_strength"] = torch.zeros([])
                size = [side * resolution // 4 for side in first_size]
                values[f"{block}.{layer}.noise_const"] = torch.zeros(size)


def _length(values: dict[str, Tensor], name: str) -> int:
    value = values.get(name)
    if value is None or value.ndim != 1 or not len(value):
        raise FileFormatError(f"the network lacks {name}, or it has no length")
    return len(value)
