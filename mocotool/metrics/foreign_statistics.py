"""Statistics in the formats of other programs: read without executing code, written as `.npz` only.

They replace a dataset that is not at hand. None of these files records its detector or protocol,
so the user must know them.
"""

from pathlib import Path
from typing import Any

import numpy as np

from mocotool.boundary import foreign_data
from mocotool.errors import FileFormatError
from mocotool.files import open_target
from mocotool.metrics.statistics import FeatureStats, Float64
from mocotool.npz import Array, write_npz
from mocotool.weights.opening import WeightFile
from mocotool.weights.reading import read_tree
from mocotool.weights.records import ArrayRecord, TensorRecord
from mocotool.weights.sniffing import identify_container

ENDINGS = frozenset({".pkl", ".pt", ".pth"})
SYMMETRY_TOLERANCE = 1e-3  # of the largest entry; some programs keep float32
HINT = (
    "read are caches of NVIDIA's and StyleGAN-V's metrics (.pkl), torch-fidelity's (.pt), and .npz "
    "of mu and sigma as of clean-fid and pytorch-fid; an authors' motion model (.pth) needs --pca"
)


def is_mean_and_covariance(fields: Any) -> bool:
    """Return whether a dict has the fields of pytorch-fid, clean-fid and torch-fidelity."""
    return {"mu", "sigma"} <= set(fields)


def read_foreign_statistics(path: Path) -> tuple[FeatureStats, dict[str, Any]]:
    """Read statistics from a pickle or a torch file of another program.

    Returns:
        The statistics, without features, and a record of their origin.

    Raises:
        FileFormatError: The file is damaged, unsafe, or holds something else.

    Source:
        Official code: metrics/metric_utils.py of stylegan2-ada-pytorch and StyleGAN-V (sums of
            features and of their outer products); torch-fidelity, metric_fid.py (mu, sigma).
    """
    file = WeightFile(path)
    with foreign_data(path, what="a file of statistics", hint=HINT):
        tree = read_tree(file, identify_container(file.data))
        if not isinstance(tree, dict):
            raise FileFormatError("holds no statistics")
        if is_mean_and_covariance(tree):
            fields = {name: _to_array(tree[name], name) for name in ("mu", "sigma")}
            return from_mean_and_covariance(fields, program="torch-fidelity's kind")
        if {"raw_mean", "raw_cov", "num_items"} <= tree.keys():
            return _from_sums(tree)
        raise FileFormatError("holds no statistics of features")


def from_mean_and_covariance(
    fields: dict[str, Array], *, program: str
) -> tuple[FeatureStats, dict[str, Any]]:
    """Return statistics from mu [d] and sigma [d, d], with an unknown number of samples.

    Raises:
        FileFormatError: Their shapes do not match, or they are not finite.
    """
    mean, covariance = (np.asarray(fields[name], np.float64) for name in ("mu", "sigma"))
    _check(mean, covariance)
    stats = FeatureStats(
        num_samples=0,
        mean=mean,
        scatter=np.zeros_like(covariance),
        known_covariance=covariance,
    )
    return stats, {"foreign": program, "source": {"kind": program}}


def write_mean_and_covariance(stats: FeatureStats, path: Path) -> None:
    """Write mu [d] and sigma [d, d] in the format of pytorch-fid and clean-fid, atomically.

    Other caches are pickles (NVIDIA's, StyleGAN-V's) or contain one (torch-fidelity's); pickles are
    not written, because loading one executes it.

    Args:
        stats: The statistics; the file does not hold their number of samples.
        path: Output; an existing file is replaced.

    Raises:
        MismatchError: There are fewer than two samples.

    Source:
        Official code: pytorch-fid and clean-fid keep numpy's mean and cov, which divides by n - 1.
    """
    arrays = {"mu": stats.mean, "sigma": stats.covariance(ddof=1)}
    with open_target(path) as file:
        write_npz(arrays, file)


def _from_sums(tree: dict[Any, Any]) -> tuple[FeatureStats, dict[str, Any]]:
    count = tree["num_items"]
    if type(count) is not int or count < 2:
        raise FileFormatError(f"statistics of {count!r:.20} samples, expected at least 2")
    mean = _to_array(tree["raw_mean"], "raw_mean").astype(np.float64) / count
    products = _to_array(tree["raw_cov"], "raw_cov").astype(np.float64)
    if products.shape != (len(mean),) * 2:
        raise FileFormatError(f"a mean of {len(mean)} features, products {list(products.shape)}")
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused below
        scatter = products - count * np.outer(mean, mean)
    _check(mean, scatter)
    program = "a cache of NVIDIA's metrics"
    stats = FeatureStats(num_samples=count, mean=mean, scatter=scatter)
    return stats, {"foreign": program, "source": {"kind": program, "num_clips": count}}


def _to_array(value: Any, name: str) -> Array:
    if isinstance(value, TensorRecord):
        return value.to_tensor().numpy()
    if not isinstance(value, ArrayRecord):
        raise FileFormatError(f"{name} is not an array")
    return value.to_array()


def _check(mean: Float64, matrix: Float64) -> None:
    if mean.ndim != 1 or not len(mean) or matrix.shape != (len(mean),) * 2:
        raise FileFormatError(f"a mean of shape {list(mean.shape)}, a matrix {list(matrix.shape)}")
    if not (np.isfinite(mean).all() and np.isfinite(matrix).all()):
        raise FileFormatError("the statistics are not finite")
    allowed = SYMMETRY_TOLERANCE * float(np.abs(matrix).max())
    if float(np.abs(matrix - matrix.T).max()) > allowed or (np.diag(matrix) < -allowed).any():
        raise FileFormatError("its matrix is not a covariance: not symmetric, or negative")
