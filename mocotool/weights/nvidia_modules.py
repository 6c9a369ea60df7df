"""Common parts of NVIDIA's torch pickles: a tree of inert module records."""

from typing import Any

from mocotool.errors import FileFormatError
from mocotool.weights.records import Record, TensorRecord
from mocotool.weights.refusals import shown
from mocotool.weights.state_dicts import read_float, read_int

MAX_MODULE_DEPTH = 12
MAX_RESOLUTION = 4096
MAX_MODULES = 5_000


def find_network(tree: Any) -> tuple[Record | None, dict[str, str]]:
    """Return the generator's record and what the file says of its training."""
    if isinstance(tree, Record) and "_parameters" in tree.state:
        return tree, {}
    if not isinstance(tree, dict):
        return None, {}
    for name in ("G_ema", "G"):
        network = tree.get(name)
        if isinstance(network, Record) and "_parameters" in network.state:
            notes: dict[str, str] = {"network": name} if name == "G" else {}
            dataset = tree.get("training_set_kwargs")
            if isinstance(dataset, dict) and isinstance(dataset.get("path"), str):
                notes["training_set"] = shown(dataset["path"])
            return network, notes
    return None, {}


def collect_tensors(module: Record) -> dict[str, TensorRecord]:
    """Return a module tree's parameters and buffers under their state-dict names.

    Raises:
        FileFormatError: The tree is not one of modules, or is deeper or wider than any network.
    """
    found: dict[str, TensorRecord] = {}
    waiting = [("", module, 0)]
    visited = 0
    while waiting:
        prefix, record, depth = waiting.pop()
        visited += 1
        for group in ("_parameters", "_buffers"):
            for name, value in table(record, group).items():
                if isinstance(value, TensorRecord):
                    found[f"{prefix}{name}"] = value
                elif value is not None:
                    raise FileFormatError(f"{prefix}{shown(name)} is not a tensor")
        children = table(record, "_modules")
        # A module may hold itself, so both depth and number are counted, not trusted.
        if depth > MAX_MODULE_DEPTH or visited + len(waiting) + len(children) > MAX_MODULES:
            raise FileFormatError("the network has far more modules than a generator has")
        for name, child in children.items():
            if not isinstance(child, Record):
                raise FileFormatError(f"{prefix}{shown(name)} is not a module")
            waiting.append((f"{prefix}{name}.", child, depth + 1))
    return found


def table(record: Record, name: str) -> dict[str, Any]:
    """Return one of a record's attributes that must be a table of names."""
    value = record.state.get(name, {})
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise FileFormatError(f"{record.name}.{name} is not a table of names")
    return value


def submodule(record: Record, path: str) -> Record:
    """Return a module by its dotted path.

    Raises:
        FileFormatError: There is none.
    """
    for name in path.split("."):
        child = table(record, "_modules").get(name)
        if not isinstance(child, Record):
            raise FileFormatError(f"the network has no module {path}")
        record = child
    return record


def read_sizes(network: Record) -> dict[str, int]:
    """Return what a generator of NVIDIA's says of its own sizes."""
    state = network.state
    return {
        name: read_int(state.get(name), f"the network's {name}", low=low, high=high)
        for name, low, high in (
            ("z_dim", 1, 1 << 16),
            ("w_dim", 1, 1 << 16),
            ("c_dim", 0, 1 << 20),
            ("img_resolution", 4, MAX_RESOLUTION),
            ("img_channels", 1, 64),
        )
    }


def read_mapping(network: Record) -> dict[str, Any]:
    """Return the depth and the learning-rate multiplier of the mapping network.

    Raises:
        FileFormatError: It is not one that we compute.
    """
    num_layers = read_int(
        submodule(network, "mapping").state.get("num_layers"), "mapping layers", low=1, high=64
    )
    multipliers = set()
    for index in range(num_layers):
        check_activation(network, f"mapping.fc{index}")
        gain = submodule(network, f"mapping.fc{index}").state.get("bias_gain", 1)
        multipliers.add(read_float(gain, f"mapping.fc{index}.bias_gain"))
    if len(multipliers) != 1:
        raise FileFormatError("the mapping's layers have different learning-rate multipliers")
    return {"num_mapping_layers": num_layers, "mapping_lr_multiplier": multipliers.pop()}


def check_activation(network: Record, path: str) -> None:
    """Check that a layer has the activation that we compute.

    Raises:
        FileFormatError: It has another.
    """
    activation = submodule(network, path).state.get("activation", "lrelu")
    if activation != "lrelu":
        raise FileFormatError(f"{path} uses the activation {shown(activation)}, expected lrelu")
