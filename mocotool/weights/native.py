"""Our native files: safetensors whose metadata says how to build the network."""

import json
from typing import Any

from torch import Tensor

from mocotool.errors import FileFormatError
from mocotool.weights.contents import GeneratorWeights
from mocotool.weights.refusals import explain_tree, shown
from mocotool.weights.safetensors_file import read_record

SCHEMA = "moco.generator/1"
MAX_ARCH_TEXT = 10_000


def read(tensors: dict[str, Tensor], metadata: dict[str, str]) -> GeneratorWeights:
    """Return the generator of a native file.

    Raises:
        FileFormatError: It is another kind of safetensors file.
    """
    record = read_record(metadata) or _record_of_old(metadata)
    schema = record.get("schema")
    if schema != SCHEMA:
        if isinstance(schema, str) and schema.startswith("moco."):
            what = f"a {shown(schema)} file, not a generator"
        else:
            known = explain_tree(dict.fromkeys(tensors)) if tensors else None
            what = "a safetensors file that was not written by `moco convert`"
            if known is not None and "a diffusion model" in str(known):
                what = str(known)
        raise FileFormatError(what, hint="convert the original weights with `moco convert`")

    kind, arch, notes = record.get("kind"), record.get("arch"), record.get("notes", {})
    if not isinstance(arch, dict):
        raise FileFormatError("the metadata entry 'arch' is missing or damaged")
    if not isinstance(notes, dict):
        raise FileFormatError("the metadata entry 'notes' is damaged")

    # Networks take float32, whatever is stored.
    floats = {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
    }
    return GeneratorWeights(
        kind=kind if isinstance(kind, str) else "",
        arch=arch,
        tensors=floats,
        file_format="mocotool safetensors",
        notes={str(name): str(value) for name, value in notes.items()},
    )


def make_record(weights: GeneratorWeights, *, tool: str) -> dict[str, Any]:
    """Return the record that `read` understands."""
    return {
        "schema": SCHEMA,
        "kind": weights.kind,
        "arch": weights.arch,
        "notes": weights.notes,
        "tool": tool,
    }


def _record_of_old(metadata: dict[str, str]) -> dict[str, Any]:
    """Return the record of an older file, whose metadata has an entry for each of its parts."""
    record: dict[str, Any] = dict(metadata)
    for name in ("arch", "notes"):
        if name in metadata:
            record[name] = _read_json(metadata[name])
    return record


def _read_json(text: str) -> Any:
    try:
        return json.loads(text) if len(text) <= MAX_ARCH_TEXT else None
    except (ValueError, RecursionError):
        return None
