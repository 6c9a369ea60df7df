"""StyleGAN2 for other programs: the checkpoint that rosinality's stylegan2-pytorch reads.

It is the form in which the authors' program takes its image generators.
"""

import math
from typing import BinaryIO

import torch
from torch import Tensor

from mocotool.errors import MismatchError
from mocotool.generators.base import Generator
from mocotool.weights.rosinality import MAPPING_LR_MULTIPLIER, PARTS
from mocotool.weights.state_dicts import fir_filter

GAIN = 4.0  # their filters make up for the zeros of doubling
EXPRESSED = {
    "c_dim": 0,
    "architecture": "skip",
    "conv_clamp": None,
    "mapping_lr_multiplier": MAPPING_LR_MULTIPLIER,
    "layer_features": None,
}
"""What their program takes for granted."""


def write_rosinality(generator: Generator, file: BinaryIO) -> None:
    """Write {"g_ema": state dict, "latent_avg": truncation centre} as a torch file.

    Args:
        generator: A StyleGAN2 without classes.
        file: Where to; it must seek.

    Raises:
        MismatchError: Their program cannot express the generator.
    """
    if generator.kind != "stylegan2":
        raise MismatchError(
            f"a {generator.kind} generator has no rosinality form",
            hint="leave out --to, for the native format",
        )
    generator.check_square("rosinality's program")
    for name, value in EXPRESSED.items():
        if generator.arch.get(name) != value:
            raise MismatchError(
                f"the generator has {name} {generator.arch[name]}, rosinality's program supports "
                f"only {value}",
                hint="leave out --to, for the native format",
            )
    state = {name: value.detach().cpu().clone() for name, value in generator.state_dict().items()}
    contents: dict[str, object] = {"g_ema": rename_for_rosinality(state, generator.resolution)}
    if generator.latent_mean is not None:
        contents["latent_avg"] = generator.latent_mean.detach().cpu().clone()
    torch.save(contents, file)


def rename_for_rosinality(state: dict[str, Tensor], resolution: int) -> dict[str, Tensor]:
    """Turn a state dict in our names into theirs, with the axes they keep for broadcasting."""
    num_layers = sum(name.startswith("mapping.fc") and name.endswith("weight") for name in state)
    renamed = {"input.input": state["synthesis.b4.const"][None]}
    for i in range(num_layers):
        for part in ("weight", "bias"):
            renamed[f"style.{i + 1}.{part}"] = state[f"mapping.fc{i}.{part}"]
    for level in range(2, int(math.log2(resolution)) + 1):
        _add_octave(renamed, state, level)
    return renamed


def _add_octave(renamed: dict[str, Tensor], state: dict[str, Tensor], level: int) -> None:
    """Add the layers of 2 ** level pixels: two convolutions (one at 4 pixels) and a to-RGB."""
    block, octave = f"synthesis.b{1 << level}", level - 3
    layers = {"conv1": f"convs.{2 * octave + 1}", "torgb": f"to_rgbs.{octave}"}
    if level == 2:
        layers = {"conv1": "conv1", "torgb": "to_rgb1"}
    else:
        layers = {"conv0": f"convs.{2 * octave}"} | layers
        renamed[f"convs.{2 * octave}.conv.blur.kernel"] = fir_filter(GAIN)
        renamed[f"to_rgbs.{octave}.upsample.kernel"] = fir_filter(GAIN)
    for ours, theirs in layers.items():
        bias = "bias" if ours == "torgb" else "activate.bias"
        for their_part, (part, _) in PARTS.items():
            name = f"{block}.{ours}.{part}"
            if name not in state or (part == "bias" and their_part != bias):
                continue
            renamed[f"{theirs}.{their_part}"] = _add_axes(state[name], their_part)
        if f"{block}.{ours}.noise_const" in state:
            index = 0 if level == 2 else 2 * octave + (1 if ours == "conv0" else 2)
            renamed[f"noises.noise_{index}"] = state[f"{block}.{ours}.noise_const"][None, None]


def _add_axes(value: Tensor, their_part: str) -> Tensor:
    if their_part == "conv.weight":
        return value[None]
    if their_part == "noise.weight":
        return value.reshape(1)
    return value.reshape(1, -1, 1, 1) if their_part == "bias" else value
