"""The authors' names for the tensors of our networks, for reading their files and writing them.

Their files are plain state dicts. Ours and theirs hold the same numbers under other names, in the
same shapes.
"""

from collections.abc import Iterator

from torch import nn

from mocotool.motion.generator import MotionGenerator
from mocotool.motion.image_discriminator import (
    ImageDiscriminator,
    SpectralConv2d,
    SpectralLinear,
)
from mocotool.motion.patch_discriminator import MultiscaleDiscriminator

MOTION_PARTS = {
    "encoder": "enc_cell",
    "decoder": "cell",
    "noise_head.0": "fc1",
    "noise_head.2": "fc2",
}
MOTION_TENSORS = {"coefficient_weight": "w", "coefficient_bias": "b"}


def official_names(network: nn.Module) -> dict[str, str]:
    """Return the authors' name of each tensor of `network`, by our name, in their order.

    Args:
        network: The motion generator in its reference form, D_V, or either D_I.

    Raises:
        TypeError: It is none of these.
    """
    if isinstance(network, MotionGenerator):
        return dict(official_motion_names())
    if isinstance(network, MultiscaleDiscriminator):
        return dict(_patch_names(network))
    if isinstance(network, ImageDiscriminator):
        return dict(_image_names(network))
    raise TypeError(f"the authors' program has no {type(network).__name__}")


def official_motion_names() -> Iterator[tuple[str, str]]:
    """Yield our and the authors' name of each tensor of the motion generator, in their order."""
    yield from MOTION_TENSORS.items()
    for ours, theirs in MOTION_PARTS.items():
        if ours.startswith("noise_head"):
            parts = ["weight", "bias"]
        else:
            parts = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]
        yield from ((f"{ours}.{part}", f"{theirs}.{part}") for part in parts)


def _patch_names(network: MultiscaleDiscriminator) -> Iterator[tuple[str, str]]:
    """Count scales from the smallest, and layers by their convolutions."""
    num_scales = len(network.scales)
    for i in reversed(range(num_scales)):
        layers = network.scales[i].layers
        assert isinstance(layers, nn.Sequential)
        convs = [k for k, x in enumerate(layers) if isinstance(x, (nn.Conv2d, nn.Conv3d))]
        for layer, k in enumerate(convs):
            theirs = f"netD.scale{num_scales - 1 - i}_layer{layer}.0"
            for part in ("weight", "bias"):
                yield f"scales.{i}.layers.{k}.{part}", f"{theirs}.{part}"


def _image_names(network: ImageDiscriminator) -> Iterator[tuple[str, str]]:
    for ours, layer in network.named_modules():
        if not isinstance(layer, (SpectralConv2d, SpectralLinear)):
            continue
        theirs = ours.replace("shortcut", "conv_sc")
        if theirs.startswith("blocks."):
            _, block, conv = theirs.split(".")
            theirs = f"blocks.{block}.0.{conv}"
        yield f"{ours}.bias", f"{theirs}.bias"
        yield f"{ours}.weight", f"{theirs}.weight_orig"
        yield f"{ours}.u", f"{theirs}.weight_u"
