"""Describe files of weights that are not image generators: motion models, other state dicts."""

import json
import math
from pathlib import Path
from typing import Any

from mocotool.boundary import foreign_data
from mocotool.weights.native import SCHEMA
from mocotool.weights.reading import WeightFile, read_tree
from mocotool.weights.records import TensorRecord
from mocotool.weights.refusals import shown
from mocotool.weights.safetensors_file import read_header
from mocotool.weights.sniffing import identify_container
from mocotool.weights.state_dicts import as_state_dict

MOTION_NAMES = {"w", "b", "enc_cell.weight_ih", "cell.weight_hh", "fc1.weight", "fc2.weight"}
GENERATOR_NAMES = (
    "input.input",
    "linear.weight",
    "main.0.weight",
    "synthesis.b4.const",
)
METADATA_KEY = "moco"


def describe_weights(path: Path) -> dict[str, Any] | None:
    """Return what a file of weights is, or `None` if it may be a generator.

    Raises:
        FileFormatError: The file is damaged or unsafe.
    """
    file = WeightFile(path)
    with foreign_data(path, what="a file of weights"):
        container = identify_container(file.data)
        if container == "safetensors":
            return _describe_safetensors(file)
        if container == "pickle":
            return None
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


def _describe_safetensors(file: WeightFile) -> dict[str, Any] | None:
    header, metadata, _ = read_header(file.data)
    if metadata.get("schema") == SCHEMA:
        return None
    record = _parse(metadata.get(METADATA_KEY, "null"))
    if isinstance(record, dict) and isinstance(record.get("schema"), str):
        what = record.pop("schema")
        facts = {"what": "motion model" if what.startswith("moco.motion/") else what}
        return facts | record | {"tensors": len(header)}
    if not metadata.get("schema", "").startswith("moco."):
        return None
    return {"what": metadata["schema"], "tensors": len(header)}


def _parse(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _describe_motion(state: dict[str, TensorRecord]) -> dict[str, Any]:
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


def _count(state: dict[str, TensorRecord]) -> int:
    return sum(math.prod(record.shape) for record in state.values())
