"""Writes pickles as NVIDIA's TensorFlow programs do, with a stand-in for their class."""

import pickle
import sys
import types

import numpy as np


class Network:
    """Pickles under the name of NVIDIA's class, with any state."""

    def __init__(self, **state):
        self.__dict__.update(state)


def stylegan2_tensorflow_pickle(generator, *, further=(), mapping=(), **settings):
    """Return a pickle of one of our StyleGAN2 networks, in TensorFlow's names and layouts.

    Args:
        generator: The network.
        further: Variables of the synthesis beside it.
        mapping: Variables of the mapping beside it, or in place of its own.
        **settings: What the network was built with, beside its sizes.
    """
    outer, replaced, mapping, synthesis = {}, dict(mapping), {}, dict(further)
    for name, value in generator.state_dict().items():
        _, *parts = name.split(".")
        if name == "mapping.w_avg":
            outer["dlatent_avg"] = value.numpy()
        elif name.startswith("mapping."):
            layer = parts[0].replace("fc", "Dense").replace("embed", "LabelEmbed")
            mapping[f"{layer}/{parts[1]}"] = value.t().numpy()
        elif not name.endswith("resample_filter"):
            synthesis |= _synthesis_variable(int(parts[0].removeprefix("b")), parts[1:], value)
    arch = generator.arch
    sizes = {
        "latent_size": arch["z_dim"],
        "dlatent_size": arch["w_dim"],
        "resolution": arch["img_resolution"],
        "mapping_layers": arch["num_mapping_layers"],
        "conv_clamp": arch["conv_clamp"],
    }
    mapping |= replaced
    return tensorflow_pickle(synthesis, mapping=mapping, outer=outer, **(sizes | settings))


def _synthesis_variable(resolution, parts, value):
    block = f"{resolution}x{resolution}"
    if parts == ["const"]:
        return {f"{block}/Const/const": value[None].numpy()}
    layer, *rest = parts
    index = 2 * resolution.bit_length() - 7 + (layer == "conv1")
    if rest == ["noise_const"]:
        return {f"noise{index}": value[None, None].numpy()}
    theirs = {"conv0": "Conv0_up", "conv1": "Conv1", "torgb": "ToRGB"}[layer]
    theirs = "Conv" if (resolution, layer) == (4, "conv1") else theirs
    if rest[0] == "affine":
        changed = value.t() if rest[1] == "weight" else value - 1
        return {f"{block}/{theirs}/mod_{rest[1]}": changed.numpy()}
    if rest == ["weight"]:
        changed = value.permute(2, 3, 1, 0)  # [h, w, in, out]
        changed = changed.flip(0, 1) if layer == "conv0" else changed
        return {f"{block}/{theirs}/weight": changed.numpy()}
    return {f"{block}/{theirs}/{rest[0]}": value.numpy()}


def tensorflow_pickle(variables, *, mapping=None, outer=None, version=4, protocol=3, **settings):
    """Return a pickle of (G, D, Gs) whose synthesis has these variables.

    Args:
        variables: Of the synthesis: name -> a number or an array.
        mapping: Of the mapping; False for a network without one.
        outer: Of the whole network, beside "lod".
        version: Of the file.
        protocol: Of the pickle.
        **settings: What the network was built with.
    """

    def to_array(value):
        return np.asarray([value] if isinstance(value, (int, float)) else value, np.float32)

    def network(name, inner, components):
        return Network(
            version=version,
            name=name,
            static_kwargs={"resolution": 8, "latent_size": 4, "dlatent_size": 4} | settings,
            components=components,
            build_module_src="raise SystemExit('the program text was run')",
            build_func_name=name,
            variables=[(key, to_array(value)) for key, value in inner.items()],
        )

    components = {"synthesis": network("G_synthesis", variables, {})}
    if mapping is not False:
        components["mapping"] = network("G_mapping", mapping or {"Dense0/weight": 0.0}, {})
    outer = {"lod": 0.0} | (outer or {})
    networks = tuple(network(name, outer, components) for name in ("G", "D", "Gs"))
    name = "dnnlib.tflib.network"
    parts = ["dnnlib", "dnnlib.tflib", name]
    try:
        for part in parts:
            sys.modules[part] = types.ModuleType(part)
        sys.modules[name].Network = Network
        Network.__module__, Network.__qualname__ = name, "Network"
        return pickle.dumps(networks, protocol=protocol)
    finally:
        for part in parts:
            del sys.modules[part]
