"""A generator tuned to a few pictures, as a small file of changes to another one's weights."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor, nn

from mocotool.boundary import foreign_data
from mocotool.errors import FileFormatError, MismatchError
from mocotool.files import open_target
from mocotool.generators.base import Generator
from mocotool.provenance import FileRecord, current_command, tool_version
from mocotool.weights.finite import check_finite
from mocotool.weights.safetensors_file import (
    read_header,
    read_record,
    read_safetensors,
    write_safetensors,
)

SCHEMA = "moco.tuning/1"
DOWN, UP = ".down", ".up"  # endings of the names of a factor's two halves
HEADER_BYTES = 9  # its length, then "{"

Factors = Mapping[str, tuple[Tensor, Tensor]]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class GeneratorTuning:
    """Changes of low rank to the convolutions of a synthesis network."""

    base: FileRecord
    """The generator that they belong to."""
    factors: Factors
    """Name of a weight [o, ...] -> u [o, r] and v [r, ...] flat; u @ v is added to it."""

    def apply(self, generator: Generator) -> None:
        """Add the changes to the weights of a generator, in place.

        Raises:
            MismatchError: They belong to another generator.
        """
        named = generator.origin.file if generator.origin else None
        if named is not None and named.sha256 != self.base.sha256:
            raise MismatchError(
                f"it was tuned from {self.base.path} ({self.base.sha256[:12]}), "
                f"not from {named.path} ({named.sha256[:12]})"
            )
        weights = dict(list_tunable(generator))
        for name, (up, down) in self.factors.items():
            weight = weights.get(name)
            if weight is None or (len(up), down.shape[1]) != flat_shape(weight):
                raise FileFormatError(f"the change of {name!r:.60} does not fit the generator")
            with torch.no_grad():
                weight.add_((up @ down).view_as(weight).to(weight.device))


def list_tunable(generator: Generator) -> list[tuple[str, nn.Parameter]]:
    """Return what tuning may change: the weights of the synthesis network's convolutions."""
    assert isinstance(generator.synthesis, nn.Module)
    named = generator.synthesis.named_parameters()
    return [(name, weight) for name, weight in named if weight.ndim == 4]


def flat_shape(weight: Tensor) -> tuple[int, int]:
    """Return the shape of a weight [o, ...] as a matrix."""
    return weight.shape[0], weight[0].numel()


def write_tuning(
    tuning: GeneratorTuning, target: Path | str | BinaryIO, *, notes: dict[str, Any] | None = None
) -> None:
    """Write changes as float16, whole or not at all; the same ones give the same bytes."""
    tensors: dict[str, Tensor] = {}
    for name, (up, down) in tuning.factors.items():
        tensors |= {name + UP: up.half(), name + DOWN: down.half()}
    record = {
        "schema": SCHEMA,
        "base": tuning.base.as_json(),
        "notes": notes or {},
        "history": [current_command()],
        "tool": tool_version(),
    }
    with open_target(target) as file:
        write_safetensors(tensors, file, record=record)


def read_tuning(path: Path) -> GeneratorTuning | None:
    """Read changes, or return `None` if a file holds something else.

    Raises:
        FileFormatError: It holds changes, but damaged ones.
    """
    with path.open("rb") as file:
        if file.read(HEADER_BYTES)[-1:] != b"{":
            return None
    with foreign_data(path, what="a tuned generator"):
        try:
            schema = read_record(read_header(path)[1]).get("schema")
        except FileFormatError:
            return None  # what is wrong with it, whoever reads whole generators says
        if schema != SCHEMA:
            return None
        tensors, metadata = read_safetensors(path)
        check_finite(tensors)
        base = read_record(metadata).get("base")
        if not isinstance(base, dict) or base.keys() != {"path", "sha256", "kind"}:
            raise FileFormatError("does not say which generator it was tuned from")
        record = FileRecord(**{name: str(value) for name, value in base.items()})
        return GeneratorTuning(base=record, factors=_pair(tensors))


def _pair(tensors: Mapping[str, Tensor]) -> Factors:
    factors: dict[str, tuple[Tensor, Tensor]] = {}
    for name in sorted(tensors):
        if not name.endswith(UP):
            continue
        up, down = tensors[name].float(), tensors.get(name.removesuffix(UP) + DOWN)
        if down is None or up.ndim != 2 or down.ndim != 2 or up.shape[1] != down.shape[0]:
            raise FileFormatError(f"the change {name!r:.60} is not complete")
        factors[name.removesuffix(UP)] = (up, down.float())
    if 2 * len(factors) != len(tensors):
        raise FileFormatError("holds something other than changes of weights")
    return factors
