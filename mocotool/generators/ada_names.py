"""StyleGAN2 for other programs: the state dict and keyword arguments of stylegan2-ada-pytorch."""

from typing import Any, BinaryIO

import torch

from mocotool.errors import MismatchError
from mocotool.generators.base import Generator


def ada_keywords(generator: Generator) -> dict[str, Any]:
    """Return the keyword arguments that build this network in stylegan2-ada-pytorch.

    Raises:
        MismatchError: The generator is no StyleGAN2, or has widths that its two settings for them
            cannot express.
    """
    if generator.kind != "stylegan2":
        raise MismatchError(
            f"a {generator.kind} generator has no stylegan2-ada-pytorch form",
            hint="leave out --to, for the native format",
        )
    arch = generator.arch
    if arch.get("joint_normalization"):
        raise MismatchError(
            "stylegan2-ada-pytorch normalises latents and classes separately, this "
            "older network both together",
            hint="leave out --to, for the native format",
        )

    # The rare ones are named only where they are not as usual, as in `arch`.
    base, most = find_channel_rule(arch["channels"])
    names = ("z_dim", "c_dim", "w_dim", "img_resolution", "img_channels")
    return {name: arch[name] for name in names} | {
        "mapping_kwargs": {
            "num_layers": arch["num_mapping_layers"],
            "lr_multiplier": arch["mapping_lr_multiplier"],
        }
        | {name: arch[name] for name in ("layer_features", "embed_features") if name in arch},
        **({"init_res": arch["first_size"]} if "first_size" in arch else {}),
        "synthesis_kwargs": {
            "channel_base": base,
            "channel_max": most,
            "architecture": arch["architecture"],
            "conv_clamp": arch["conv_clamp"],
        },
    }


def find_channel_rule(channels: list[int]) -> tuple[int, int]:
    """Return (base, most) so that the channels at r pixels are min(base / r, most).

    Raises:
        MismatchError: There is no such pair.
    """
    most = max(channels)
    candidates = {width * (4 << i) for i, width in enumerate(channels)}
    for base in sorted(candidates, reverse=True):
        if [min(base // (4 << i), most) for i in range(len(channels))] == channels:
            return base, most
    raise MismatchError(
        f"the channels {channels} follow no rule that stylegan2-ada-pytorch can express",
        hint="leave out --to, for the native format",
    )


def write_ada(generator: Generator, file: BinaryIO) -> None:
    """Write {"G_ema": state dict, "init_kwargs": keyword arguments} as a torch file.

    Args:
        generator: A StyleGAN2.
        file: Where to; it must seek.
    """
    keywords = ada_keywords(generator)
    state = {name: value.detach().cpu().clone() for name, value in generator.state_dict().items()}
    torch.save({"G_ema": state, "init_kwargs": keywords}, file)
