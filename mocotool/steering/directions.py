"""Directions that latents can be moved along: components of a basis, and vectors in files."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from mocotool.basis import PCABasis
from mocotool.boundary import Meter, foreign_data
from mocotool.configs.edit import Move
from mocotool.errors import ConfigError, FileFormatError, MismatchError
from mocotool.npz import Array, read_npy, read_npz

Direction = npt.NDArray[np.float32]


def find_direction(
    move: Move, *, basis: PCABasis | None, latent_dim: int, num_ws: int | None
) -> Direction:
    """Return the vector of a move, without its strength.

    Args:
        move: Index of a component, or a file.
        basis: Components, scaled by the standard deviation of the latents.
        latent_dim: Size of the latents.
        num_ws: Layers of the latents, or `None` without layers.

    Returns:
        float32 [latent_dim], or [num_ws, latent_dim] for a file with a vector for each layer.

    Raises:
        ConfigError: The basis or the file has no such vector.
        FileFormatError: The file is missing or holds no vectors.
        MismatchError: The vector has another size.
    """
    if move.is_component:
        assert basis is not None
        vectors, name = basis.directions, "the basis"
        row: int | None = int(move.name)
    else:
        vectors, name, row = read_directions(Path(move.name)), move.name, move.row
    if vectors.shape[-1] != latent_dim:
        raise MismatchError(
            f"{name}: directions of {vectors.shape[-1]} dimensions, the latents have {latent_dim}"
        )

    if row is None and vectors.ndim == 2 and len(vectors) == num_ws:
        return vectors  # one for each layer
    if row is None and len(vectors) > 1:
        raise ConfigError(f"{name}: holds {len(vectors)} directions, choose one: {name}#0")
    if row is not None and row >= len(vectors):
        last = len(vectors) - 1
        raise ConfigError(f"{name}: there is no direction {row}, the last is {last}")
    return np.asarray(vectors[row or 0])


def read_directions(path: Path) -> Direction:
    """Read direction vectors from `.npy`, `.npz` or a torch file; no code in it is executed.

    An `.npz` is a PCA basis, whose directions are then a standard deviation long, or holds one
    array; a torch file holds one tensor.

    Returns:
        float32 [k, latent_dim] or [k, num_ws, latent_dim].

    Raises:
        FileFormatError: It is missing, damaged, or holds anything else.
    """
    if path.suffix == ".npy":
        vectors = read_npy(path)
    elif path.suffix == ".npz":
        vectors = _choose_array(read_npz(path, str(path)), path)
    else:
        vectors = _read_torch_file(path)
    if vectors.dtype.kind != "f" or not 1 <= vectors.ndim <= 3 or not vectors.size:
        raise FileFormatError(
            f"{path}: {vectors.dtype} of shape {list(vectors.shape)}, expected directions: floats "
            "[latent_dim], [k, latent_dim] or [k, num_ws, latent_dim]"
        )
    with np.errstate(over="ignore"):  # what overflows is refused below
        vectors = np.asarray(vectors, np.float32)
    if not np.isfinite(vectors).all():
        raise FileFormatError(f"{path}: holds NaN or infinity")
    return vectors if vectors.ndim > 1 else vectors[None]


def _choose_array(arrays: dict[str, Array], path: Path) -> Array:
    if {"components", "stdev"} <= arrays.keys():
        from mocotool.basis import read_basis

        return read_basis(path).directions
    names = sorted(arrays.keys() - {"meta"})
    if len(names) != 1:
        raise FileFormatError(
            f"{path}: expected a basis or one array, found {', '.join(names) or 'none'}"
        )
    return arrays[names[0]]


def _read_torch_file(path: Path) -> Array:
    from mocotool.weights.opening import WeightFile
    from mocotool.weights.reading import read_tree
    from mocotool.weights.records import TensorRecord
    from mocotool.weights.sniffing import identify_container
    from mocotool.weights.state_dicts import TensorReader

    file = WeightFile(path)
    with foreign_data(path, what="a file of directions (.npy, .npz or .pt)"):
        tree = read_tree(file, identify_container(file.data))
        tensors = list(tree.values()) if isinstance(tree, dict) else [tree]
        if len(tensors) != 1 or not isinstance(tensors[0], TensorRecord):
            raise FileFormatError("expected one tensor")
        tensor = TensorReader(limit_bytes=Meter.for_file(len(file.data)).bytes).read(tensors[0])
    return tensor.float().numpy()
