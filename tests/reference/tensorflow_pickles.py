"""Writes pickles as NVIDIA's TensorFlow programs do, with a stand-in for their class."""

import pickle
import sys
import types

import numpy as np


class Network:
    """Pickles under the name of NVIDIA's class, with any state."""

    def __init__(self, **state):
        self.__dict__.update(state)


def tensorflow_pickle(variables, *, mapping=True, version=4, protocol=3, **settings):
    """Return a pickle of (G, D, Gs) whose synthesis has these variables."""

    def network(name, inner, components):
        return Network(
            version=version,
            name=name,
            static_kwargs={"resolution": 8, "latent_size": 4, "dlatent_size": 4} | settings,
            components=components,
            build_module_src="raise SystemExit('the program text was run')",
            build_func_name=name,
            variables=[(key, np.float32([value])) for key, value in inner.items()],
        )

    components = {"synthesis": network("G_synthesis", variables, {})}
    if mapping:
        components["mapping"] = network("G_mapping", {"Dense0/weight": 0.0}, {})
    networks = tuple(network(name, {"lod": 0.0}, components) for name in ("G", "D", "Gs"))
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
