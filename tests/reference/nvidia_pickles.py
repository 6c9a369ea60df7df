"""Writes pickles as NVIDIA's torch programs do, from any network, with inert stand-ins.

The programs' own classes are not needed: pickle stores functions by name, so two empty modules with
the right names are enough.
"""

import contextlib
import pickle
import sys
import types

from torch import nn

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_state_dict_hooks")


def _reconstruct_persistent_obj(meta):
    raise AssertionError("never to be called")


class EasyDict(dict):
    """A table whose class has the right name."""


class PersistentObject:
    """Pickles as NVIDIA's persistent classes do: a call with class name, program text and state."""

    def __init__(self, class_name, state):
        self.meta = {
            "type": "class",
            "version": 6,
            "module_src": "raise SystemExit('the program text was run')",
            "class_name": class_name,
            "state": state,
        }

    def __reduce__(self):
        return (_reconstruct_persistent_obj, (self.meta,), None)


@contextlib.contextmanager
def nvidia_modules():
    """Make the names importable while a pickle is written."""
    functions = {"torch_utils.persistence": _reconstruct_persistent_obj, "dnnlib.util": EasyDict}
    saved = dict(sys.modules)
    try:
        for name, thing in functions.items():
            for part in (name.partition(".")[0], name):
                sys.modules[part] = types.ModuleType(part)
            setattr(sys.modules[name], thing.__name__, thing)
            thing.__module__ = name
            thing.__qualname__ = thing.__name__
        yield
    finally:
        for name in set(sys.modules) - set(saved):
            if name.startswith(("torch_utils", "dnnlib")):
                del sys.modules[name]


def to_persistent(module, attributes, class_name="Generator", path=""):
    """Turn a network into nested persistent objects.

    Args:
        module: The network.
        attributes: Path of a submodule -> plain attributes to give it ("" is the network).
        class_name: Name of the outermost class.
        path: Where in the tree this module stands.
    """
    state = {"training": False, "_parameters": {}, "_buffers": {}, "_modules": {}}
    state |= {hook: {} for hook in HOOKS} | {"_non_persistent_buffers_set": set()}
    for name, parameter in module._parameters.items():
        state["_parameters"][name] = nn.Parameter(parameter.detach().clone(), requires_grad=False)
    for name, buffer in module._buffers.items():
        state["_buffers"][name] = None if buffer is None else buffer.clone()
    for name, child in module._modules.items():
        inner = f"{path}.{name}" if path else name
        state["_modules"][name] = to_persistent(child, attributes, type(child).__name__, inner)
    state |= attributes.get(path, {})
    return PersistentObject(class_name, state)


def dump_nvidia(tree, *, protocol=4):
    """Return the pickle of a tree with persistent objects in it."""
    with nvidia_modules():
        return pickle.dumps(tree, protocol=protocol)


def mapping_attributes(num_layers, lr_multiplier=0.01):
    """What NVIDIA's mapping layers say of themselves."""
    attributes = {"mapping": {"num_layers": num_layers}}
    for i in range(num_layers):
        attributes[f"mapping.fc{i}"] = {"activation": "lrelu", "bias_gain": lr_multiplier}
    return attributes


def stylegan2_pickle(generator, *, conv_clamp=None, extra=None, is_flat=False, **layer):
    """Return a pickle of one of our StyleGAN2 networks, as ada or (flat) stylegan3 writes it."""
    arch = generator.arch
    sizes = {
        name: arch[name] for name in ("z_dim", "w_dim", "c_dim", "img_resolution", "img_channels")
    }
    settings = {"channel_base": 32768, "architecture": arch["architecture"]}
    kwargs = sizes | (settings if is_flat else {"synthesis_kwargs": settings})
    attributes = mapping_attributes(arch["num_mapping_layers"], arch["mapping_lr_multiplier"])
    attributes[""] = sizes | {"_init_args": (), "_init_kwargs": EasyDict(kwargs)}
    for name, _ in generator.synthesis.named_modules():
        if name.endswith(("conv0", "conv1", "torgb")):
            plain = {"activation": "lrelu", "conv_clamp": conv_clamp}
            attributes[f"synthesis.{name}"] = plain | layer
    network = to_persistent(generator, attributes)
    tree = {"G": None, "G_ema": network, "augment_pipe": None} | (extra or {})
    return dump_nvidia(EasyDict(tree) if is_flat else tree)


def stylegan3_pickle(generator):
    """Return a pickle of one of our StyleGAN3 networks, as stylegan3 writes it."""
    arch = dict(generator.arch)
    sizes = {
        name: arch.pop(name)
        for name in ("z_dim", "w_dim", "c_dim", "img_resolution", "img_channels")
    }
    attributes = mapping_attributes(
        arch.pop("num_mapping_layers"), arch.pop("mapping_lr_multiplier")
    )
    attributes[""] = sizes
    attributes["synthesis"] = {"_init_kwargs": EasyDict(sizes | arch)}
    return dump_nvidia({"G_ema": to_persistent(generator, attributes)})
