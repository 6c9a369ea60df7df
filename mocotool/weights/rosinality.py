"""rosinality's stylegan2-pytorch checkpoints -> weights under stylegan2-ada-pytorch's names."""

import math
import re
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from mocotool.errors import FileFormatError
from mocotool.weights.contents import GeneratorWeights
from mocotool.weights.records import Record, TensorRecord
from mocotool.weights.refusals import shown
from mocotool.weights.state_dicts import (
    TensorReader,
    as_state_dict,
    check_filter,
    fir_filter,
    unknown_name,
)

MAPPING_LR_MULTIPLIER = 0.01
"""rosinality's default, which no released checkpoint departs from; the files do not say it."""
NOISE_SEED = 0
MAX_OCTAVES = 10


def read(tree: Any, tensors: TensorReader) -> GeneratorWeights | None:
    """Return the generator of a rosinality checkpoint, or `None` if `tree` is not one.

    Source:
        Official code: its loader of generators (strict=False).
        Deviation: every tensor has to be there; the program keeps random numbers for those that
            are not, such as the layers of a deeper mapping.
    """
    state, notes = find_state(tree)
    if state is None or "input.input" not in state or "style.1.weight" not in state:
        return None
    if any(".iwt." in name or name.startswith("iwt.") for name in state):
        raise FileFormatError("a SWAGAN checkpoint, which is another architecture than StyleGAN2")
    values = tensors.read_all(state)
    sizes = infer_sizes(values)
    converted = convert_names(values, sizes["img_resolution"])
    latent_mean = tree.get("latent_avg") if isinstance(tree, dict) else None
    if isinstance(latent_mean, TensorRecord):
        converted["mapping.w_avg"] = tensors.read(latent_mean).reshape(-1)
    if missing := add_missing_noise(converted, sizes["img_resolution"]):
        notes["noise"] = f"{missing} noise maps are not in the file; drawn with seed {NOISE_SEED}"
    return GeneratorWeights(
        kind="stylegan2",
        arch=sizes,
        tensors=converted,
        file_format="rosinality stylegan2-pytorch checkpoint",
        notes=notes,
        lacks_latent_mean="mapping.w_avg" not in converted,
    )


def find_state(tree: Any) -> tuple[dict[str, TensorRecord] | None, dict[str, str]]:
    """Return the generator's table of tensors and what the file says of its training."""
    if not isinstance(tree, dict):
        return None, {}
    for name in ("g_ema", "g"):
        if (state := as_state_dict(tree.get(name))) is not None:
            notes = {"network": name}
            args = tree.get("args")
            if isinstance(args, Record) and isinstance(args.state.get("path"), str):
                notes["training_set"] = shown(args.state["path"])
            return state, notes
    return as_state_dict(tree), {}


def infer_sizes(values: dict[str, Tensor]) -> dict[str, Any]:
    """Return the architecture that the shapes imply.

    Raises:
        FileFormatError: The shapes are not a generator's.
    """
    num_layers = sum(re.fullmatch(r"style\.\d+\.weight", name) is not None for name in values)
    num_octaves = sum(re.fullmatch(r"to_rgbs\.\d+\.bias", name) is not None for name in values)
    if num_octaves > MAX_OCTAVES:
        raise FileFormatError(f"the checkpoint has {num_octaves} octaves, more than {MAX_OCTAVES}")
    style = _shaped(values, "style.1.weight", 2)
    widths = [_shaped(values, "conv1.conv.weight", 5).shape[1]]
    for octave in range(num_octaves):
        widths.append(_shaped(values, f"convs.{2 * octave + 1}.conv.weight", 5).shape[1])
    return {
        "z_dim": style.shape[1],
        "w_dim": style.shape[0],
        "c_dim": 0,
        "img_resolution": 4 << num_octaves,
        "img_channels": _shaped(values, "to_rgb1.bias", 4).shape[1],
        "channels": widths,
        "num_mapping_layers": num_layers,
        "mapping_lr_multiplier": MAPPING_LR_MULTIPLIER,
        "architecture": "skip",
        "conv_clamp": None,
    }


def _shaped(values: dict[str, Tensor], name: str, ndim: int) -> Tensor:
    value = values.get(name)
    if value is None or value.ndim != ndim or 0 in value.shape:
        raise FileFormatError(f"the checkpoint lacks {name}, or it has another shape")
    return value


def _drop_axis(name: str, value: Tensor) -> Tensor:
    if value.ndim < 2 or value.shape[0] != 1:
        raise FileFormatError(f"{name} has the shape {list(value.shape)}, expected [1, ...]")
    return value[0]


def _to_scalar(name: str, value: Tensor) -> Tensor:
    if value.numel() != 1:
        raise FileFormatError(f"{name} has the shape {list(value.shape)}, expected [1]")
    return value.reshape([])


def _to_map(name: str, value: Tensor) -> Tensor:
    if value.ndim != 4 or value.shape[:2] != (1, 1):
        raise FileFormatError(f"{name} has the shape {list(value.shape)}, expected [1, 1, h, w]")
    return value[0, 0]


CHANGES: dict[str, Callable[[str, Tensor], Tensor]] = {
    "none": lambda _, value: value,
    "drop": _drop_axis,
    "scalar": _to_scalar,
    "flatten": lambda _, value: value.reshape(-1),
}

# Their layer's parts -> ours, and what to do with axes they keep for broadcasting.
PARTS = {
    "conv.weight": ("weight", "drop"),
    "conv.modulation.weight": ("affine.weight", "none"),
    "conv.modulation.bias": ("affine.bias", "none"),
    "noise.weight": ("noise_strength", "scalar"),
    "activate.bias": ("bias", "none"),
    "bias": ("bias", "flatten"),
}
LAYER = re.compile(r"(conv1|to_rgb1|convs\.\d{1,2}|to_rgbs\.\d{1,2})\.(.+)")


def convert_names(values: dict[str, Tensor], resolution: int) -> dict[str, Tensor]:
    """Return the tensors under stylegan2-ada-pytorch's names; the unknown keep theirs.

    Raises:
        FileFormatError: A resampling filter is not the usual one.
    """
    converted: dict[str, Tensor] = {}
    for name, value in values.items():
        if name.endswith((".blur.kernel", ".upsample.kernel")):
            check_filter(value, name, gain=4.0)
        elif match := re.fullmatch(r"style\.([1-9]\d?)\.(weight|bias)", name):
            converted[f"mapping.fc{int(match[1]) - 1}.{match[2]}"] = value
        elif name == "input.input":
            converted["synthesis.b4.const"] = _drop_axis(name, value)
        elif match := re.fullmatch(r"noises\.noise_(\d{1,2})", name):
            layer = _noisy_layer(int(match[1]))
            converted[f"{layer}.noise_const"] = _to_map(name, value)
        elif (match := LAYER.fullmatch(name)) and match[2] in PARTS:
            part, change = PARTS[match[2]]
            converted[f"{_layer_name(match[1])}.{part}"] = CHANGES[change](name, value)
        else:
            converted[unknown_name(name)] = value
    add_filters(converted, resolution)
    return converted


def _layer_name(theirs: str) -> str:
    if theirs in ("conv1", "to_rgb1"):
        return "synthesis.b4.conv1" if theirs == "conv1" else "synthesis.b4.torgb"
    kind, _, number = theirs.partition(".")
    if kind == "to_rgbs":
        return f"synthesis.b{8 << int(number)}.torgb"
    return _noisy_layer(int(number) + 1)


def _noisy_layer(index: int) -> str:
    # One convolution at 4 pixels, then two at every resolution.
    return f"synthesis.b{4 << (index + 1) // 2}.conv{(index + 1) % 2}"


def add_filters(converted: dict[str, Tensor], resolution: int) -> None:
    """Add the resampling filters under our names; theirs carry a gain and have been checked."""
    for level in range(2, int(math.log2(resolution)) + 1):
        block = f"synthesis.b{1 << level}"
        for part in ("", ".conv1", ".conv0") if level > 2 else ("", ".conv1"):
            converted[f"{block}{part}.resample_filter"] = fir_filter()


def add_missing_noise(converted: dict[str, Tensor], resolution: int) -> int:
    """Draw noise maps for old checkpoints without any, and return how many were missing."""
    rng = torch.Generator().manual_seed(NOISE_SEED)
    missing = 0
    for level in range(2, int(math.log2(resolution)) + 1):
        size = 1 << level
        for layer in ("conv0", "conv1") if level > 2 else ("conv1",):
            name = f"synthesis.b{size}.{layer}.noise_const"
            if name not in converted:
                converted[name] = torch.randn(size, size, generator=rng)
                missing += 1
    return missing
