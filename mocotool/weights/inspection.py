"""Describe files of weights that are not image generators: motion models, other state dicts."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mocotool.boundary import foreign_data
from mocotool.weights.opening import WeightFile
from mocotool.weights.refusals import shown
from mocotool.weights.safetensors_file import read_header, read_record
from mocotool.weights.sniffing import identify_container

if TYPE_CHECKING:
    from mocotool.weights.records import TensorRecord

MOTION_NAMES = {"w", "b", "enc_cell.weight_ih", "cell.weight_hh", "fc1.weight", "fc2.weight"}
GENERATOR_NAMES = (
    "input.input",
    "linear.weight",
    "main.0.weight",
    "synthesis.b4.const",
)

KINDS = {"moco.motion": "motion model", "moco.tuning": "tuned generator"}


def describe_weights(path: Path) -> dict[str, Any] | None:
    """Return what a file of weights is, or `None` if it may be a generator.

    Raises:
        FileFormatError: The file is damaged or unsafe.
    """
    file = WeightFile(path)
    with foreign_data(path, what="a file of weights"):
        container = identify_container(file.data)
        if container == "safetensors":
            return _describe_safetensors(path)
        if container == "pickle":
            return None

        # From here on torch: the tensors of a torch file are its.
        from mocotool.weights.reading import read_tree
        from mocotool.weights.state_dicts import as_state_dict

        tree = read_tree(file, container)
    state = as_state_dict(tree)
    if state is None:
        return _describe_checkpoint(tree)
    if state.keys() >= MOTION_NAMES:
        return _describe_motion(state)
    if any(name in state for name in GENERATOR_NAMES):
        return None
    kind = "discriminator of the authors'" if "netD.scale0_layer0.0.weight" in state else None
    kind = "image discriminator of the authors'" if "q_ptr" in state else kind
    return {"what": kind or "state dict", "tensors": len(state), "numbers": _count(state)}


def _describe_safetensors(path: Path) -> dict[str, Any] | None:
    shapes, metadata = read_header(path)
    record = read_record(metadata)
    schema = record.pop("schema", metadata.get("schema"))
    if not isinstance(schema, str) or schema.startswith("moco.generator/"):
        return None
    if not record and not schema.startswith("moco."):
        return None
    what = KINDS.get(schema.rpartition("/")[0], schema)
    return {"what": what} | record | {"tensors": len(shapes)}


def _describe_motion(state: "dict[str, TensorRecord]") -> dict[str, Any]:
    hidden, components = (*state["w"].shape, 0, 0)[:2]
    return {
        "what": "motion model of the authors' (modelR)",
        "latent_dim": (*state["enc_cell.weight_ih"].shape, 0, 0)[1],
        "hidden_dim": hidden,
        "num_components": components,
        "parameters": _count(state),
        "step_size": "not in the file; 0.2 unless told",
        "pca": "not in the file; add --pca FOLDER",
    }


def _describe_checkpoint(tree: Any) -> dict[str, Any] | None:
    # A training state of ours: say what is in it. Everything else goes to the generator readers.
    if not isinstance(tree, dict) or not isinstance(tree.get("schema"), str):
        return None
    names = {shown(name): type(value).__name__ for name, value in tree.items()}
    return {"what": shown(tree["schema"]), "holds": ", ".join(names)}


def _count(state: "dict[str, TensorRecord]") -> int:
    return sum(math.prod(record.shape) for record in state.values())
