"""Checks of the architecture in a file: names, types and ranges, before anything is built."""

from typing import Any

from mocotool.errors import FileFormatError
from mocotool.weights.refusals import shown

Limits = tuple[float, float]

MAX_WIDTH = 1 << 16
MAX_BLOCKS = 16
MIN_ATTENTION_CHANNELS = 8

# Family -> argument -> (lowest, highest), "flag", a tuple of texts, or "list of" limits.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "stylegan2": {
        "z_dim": (1, MAX_WIDTH),
        "w_dim": (1, MAX_WIDTH),
        "c_dim": (0, 1 << 20),
        "img_resolution": (4, 1 << 14),
        "img_channels": (1, 64),
        "channels": [(1, MAX_WIDTH)],
        "num_mapping_layers": (1, 64),
        "mapping_lr_multiplier": (1e-9, 1e9),
        "architecture": ("skip", "resnet", "orig"),
        "conv_clamp": None,
    },
    "stylegan3": {
        "z_dim": (1, MAX_WIDTH),
        "w_dim": (1, MAX_WIDTH),
        "c_dim": (0, 1 << 20),
        "num_mapping_layers": (1, 64),
        "mapping_lr_multiplier": (1e-9, 1e9),
        "img_resolution": (16, 1 << 14),
        "img_channels": (1, 64),
        "channel_base": (1, 1 << 24),
        "channel_max": (1, MAX_WIDTH),
        "num_layers": (3, 64),
        "num_critical": (0, 32),
        "first_cutoff": (1e-3, 1e4),
        "first_stopband": (0.5, 1e4),
        "last_stopband_rel": (0.5, 1e4),
        "margin_size": (0, 256),
        "output_scale": (1e-9, 1e9),
        "conv_kernel": (1, 15),
        "filter_size": (1, 64),
        "lrelu_upsampling": (1, 16),
        "use_radial_filters": bool,
        "conv_clamp": None,
    },
    "biggan": {
        "z_dim": (1, MAX_WIDTH),
        "num_classes": (1, 1 << 20),
        "shared_dim": (0, MAX_WIDTH),
        "is_hierarchical": bool,
        "channels": [(1, MAX_WIDTH)],
        "img_channels": (1, 64),
        "bottom_width": (1, 64),
        "attention_blocks": [(0, MAX_BLOCKS)],
        "bn_eps": (1e-12, 1),
    },
    "dcgan": {
        "z_dim": (1, MAX_WIDTH),
        "channels": [(1, MAX_WIDTH)],
        "img_channels": (1, 64),
        "has_bias": bool,
    },
}
FRACTIONS = frozenset(
    {
        *("mapping_lr_multiplier", "bn_eps"),
        *("first_cutoff", "first_stopband", "last_stopband_rel", "output_scale"),
    }
)
OPTIONAL: dict[str, Any] = {
    "layer_features": (1, MAX_WIDTH),
    "embed_features": (1, MAX_WIDTH),
    "joint_normalization": bool,
    "first_size": [(1, 64)],
}
"""What a StyleGAN2 file names only where it is not as in most."""
MAY_BE_EMPTY = frozenset({"attention_blocks"})


def check_arch(kind: str, arch: dict[str, Any]) -> dict[str, Any]:
    """Return `arch` if it is complete, of the right types and of sane sizes.

    Raises:
        FileFormatError: It is not.
    """
    rare = OPTIONAL if kind == "stylegan2" else {}
    arguments = ARGUMENTS[kind] | {name: rule for name, rule in rare.items() if name in arch}
    if arch.keys() != arguments.keys():
        odd = sorted(map(shown, arch.keys() ^ arguments.keys()))
        raise FileFormatError(f"the architecture lacks or adds {', '.join(odd[:6])}")
    for name, rule in arguments.items():
        if arch[name] == [] and name in MAY_BE_EMPTY:
            continue
        if not _fits(arch[name], rule, fraction=name in FRACTIONS):
            raise FileFormatError(f"the architecture's {name} is out of range or of another type")

    # what one argument asks of another
    if kind == "stylegan2":
        if len(arch.get("first_size", (4, 4))) != 2:
            raise FileFormatError("the architecture's first_size is not a height and a width")
        resolution, channels = arch["img_resolution"], arch["channels"]
        if resolution & (resolution - 1) or len(channels) != resolution.bit_length() - 2:
            raise FileFormatError(
                f"the architecture's {len(channels)} blocks do not make {resolution} pixels"
            )
    if kind == "stylegan3" and (
        arch["num_critical"] >= arch["num_layers"] or arch["channel_base"] < arch["img_resolution"]
    ):
        raise FileFormatError("the architecture has layers without channels, or only critical ones")
    if kind == "biggan" and any(
        index + 1 >= len(arch["channels"]) or arch["channels"][index + 1] < MIN_ATTENTION_CHANNELS
        for index in arch["attention_blocks"]
    ):
        raise FileFormatError("the architecture has attention where there are no channels for it")
    return arch


def _fits(value: Any, rule: Any, *, fraction: bool) -> bool:
    if rule is bool:
        return type(value) is bool
    if rule is None:
        return value is None or (type(value) in (int, float) and 0 < value < 1e9)
    if isinstance(rule, list):
        is_short = isinstance(value, list) and 0 < len(value) <= MAX_BLOCKS
        return is_short and all(_fits(item, rule[0], fraction=fraction) for item in value)
    if isinstance(rule[0], str):
        return isinstance(value, str) and value in rule
    is_number = type(value) is int or (fraction and type(value) is float)
    return is_number and rule[0] <= value <= rule[1]
