"""StyleGAN3 pickles: inert module records -> architecture and weights."""

from typing import Any

from mocotool.errors import FileFormatError
from mocotool.weights.contents import GeneratorWeights
from mocotool.weights.nvidia_modules import read_mapping, read_sizes, submodule
from mocotool.weights.records import Record, TensorRecord
from mocotool.weights.state_dicts import TensorReader, read_float, read_int

# Setting of the synthesis -> its default, and the range of whole numbers or None for fractions.
SETTINGS: dict[str, tuple[Any, tuple[int, int] | None]] = {
    "channel_base": (32768, (1, 1 << 24)),
    "channel_max": (512, (1, 1 << 16)),
    "num_layers": (14, (3, 64)),
    "num_critical": (2, (0, 32)),
    "first_cutoff": (2, None),
    "first_stopband": (2**2.1, None),
    "last_stopband_rel": (2**0.3, None),
    "margin_size": (10, (0, 256)),
    "output_scale": (0.25, None),
    "conv_kernel": (3, (1, 15)),
    "filter_size": (6, (1, 64)),
    "lrelu_upsampling": (2, (1, 16)),
}


def read_stylegan3(
    network: Record,
    records: dict[str, TensorRecord],
    tensors: TensorReader,
    notes: dict[str, str],
) -> GeneratorWeights:
    """Return a StyleGAN3 generator.

    Raises:
        FileFormatError: The records do not describe one.
    """
    given = submodule(network, "synthesis").state.get("_init_kwargs")
    if not isinstance(given, dict):
        raise FileFormatError("the StyleGAN3 synthesis does not say how it was built")
    arch: dict[str, Any] = read_sizes(network) | read_mapping(network)
    for name, (default, limits) in SETTINGS.items():
        value = given.get(name, default)
        if limits is None:
            arch[name] = read_float(value, f"the synthesis' {name}")
        else:
            arch[name] = read_int(value, f"the synthesis' {name}", low=limits[0], high=limits[1])
    clamp = given.get("conv_clamp", 256)
    arch["conv_clamp"] = None if clamp is None else read_float(clamp, "the synthesis' conv_clamp")
    arch["use_radial_filters"] = given.get("use_radial_filters", False) is True
    return GeneratorWeights(
        kind="stylegan3",
        arch=arch,
        tensors=tensors.read_all(records),
        file_format="StyleGAN3 pickle",
        notes=notes,
    )
