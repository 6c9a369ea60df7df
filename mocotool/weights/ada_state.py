"""What `moco convert --to ada` writes: a state dict in ada's names beside its keyword arguments."""

import math
from typing import Any

from mocotool.errors import FileFormatError
from mocotool.weights.contents import GeneratorWeights
from mocotool.weights.refusals import shown
from mocotool.weights.state_dicts import (
    TensorReader,
    as_state_dict,
    infer_first_size,
    infer_mapping_widths,
    read_float,
    read_int,
)


def read(tree: Any, tensors: TensorReader) -> GeneratorWeights | None:
    """Return the generator of such a file, or `None` if `tree` is not one."""
    state = as_state_dict(tree.get("G_ema")) if isinstance(tree, dict) else None
    keywords = tree.get("init_kwargs") if isinstance(tree, dict) else None
    if state is None or not isinstance(keywords, dict) or "synthesis.b4.const" not in state:
        return None
    mapping, synthesis = keywords.get("mapping_kwargs"), keywords.get("synthesis_kwargs")
    if not isinstance(mapping, dict) or not isinstance(synthesis, dict):
        raise FileFormatError("init_kwargs lacks mapping_kwargs or synthesis_kwargs")

    # init_kwargs -> the architecture
    limits = (("z_dim", 1), ("w_dim", 1), ("c_dim", 0), ("img_resolution", 4), ("img_channels", 1))
    arch: dict[str, Any] = {
        name: read_int(keywords.get(name), f"init_kwargs' {name}", low=low, high=1 << 16)
        for name, low in limits
    }
    base = read_int(synthesis.get("channel_base"), "channel_base", low=1, high=1 << 24)
    most = read_int(synthesis.get("channel_max"), "channel_max", low=1, high=1 << 16)
    num_blocks = int(math.log2(arch["img_resolution"])) - 1
    clamp = synthesis.get("conv_clamp")
    arch |= {
        "channels": [min(base // (4 << i), most) for i in range(num_blocks)],
        "num_mapping_layers": read_int(
            mapping.get("num_layers"), "the mapping's num_layers", low=1, high=64
        ),
        "mapping_lr_multiplier": read_float(mapping.get("lr_multiplier"), "lr_multiplier"),
        "architecture": shown(synthesis.get("architecture")),
        "conv_clamp": None if clamp is None else read_float(clamp, "conv_clamp"),
    }

    # what init_kwargs does not say is read from shapes
    values = tensors.read_all(state)
    return GeneratorWeights(
        kind="stylegan2",
        arch=arch
        | infer_mapping_widths(values, w_dim=arch["w_dim"])
        | infer_first_size(values["synthesis.b4.const"].shape),
        tensors=values,
        file_format="stylegan2-ada-pytorch state dict",
    )
