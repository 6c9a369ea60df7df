"""Our own files: safetensors whose metadata says how to build the network."""

import json
from typing import Any

from torch import Tensor

from mocotool.errors import FileFormatError
from mocotool.weights.contents import GeneratorWeights
from mocotool.weights.refusals import explain_tree, shown

SCHEMA = "moco.generator/1"
MAX_ARCH_TEXT = 10_000


def read(tensors: dict[str, Tensor], metadata: dict[str, str]) -> GeneratorWeights:
    """Return the generator of a native file.

    Raises:
        FileFormatError: It is another kind of safetensors file.
    """
    schema = metadata.get("schema")
    if schema != SCHEMA:
        if schema is not None and schema.startswith("moco."):
            what = f"a {shown(schema)} file, not a generator"
        else:
            known = explain_tree(dict.fromkeys(tensors)) if tensors else None
            what = "a safetensors file that was not written by `moco convert`"
            if known is not None and "a diffusion model" in str(known):
                what = str(known)
        raise FileFormatError(what, hint="convert the original weights with `moco convert`")
    arch = read_json_table(metadata, "arch")
    notes = read_json_table(metadata, "notes") if "notes" in metadata else {}
    kind = metadata.get("kind", "")
    floats = {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
    }
    return GeneratorWeights(
        kind=kind,
        arch=arch,
        tensors=floats,
        file_format="mocotool safetensors",
        notes={str(name): str(value) for name, value in notes.items()},
    )


def write_metadata(weights: GeneratorWeights, *, tool: str) -> dict[str, str]:
    """Return the metadata that `read` understands."""
    return {
        "schema": SCHEMA,
        "kind": weights.kind,
        "arch": json.dumps(weights.arch, sort_keys=True),
        "notes": json.dumps(weights.notes, sort_keys=True),
        "tool": tool,
    }


def read_json_table(metadata: dict[str, str], name: str) -> dict[str, Any]:
    """Return a metadata entry that holds a JSON table.

    Raises:
        FileFormatError: It does not.
    """
    text = metadata.get(name, "")
    try:
        value = json.loads(text) if len(text) <= MAX_ARCH_TEXT else None
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise FileFormatError(f"the metadata entry {name!r} is missing or damaged")
    return value
