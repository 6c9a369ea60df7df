"""The kernel distance (KVD, KID): an unbiased estimate without a Gaussian assumption."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from mocotool.errors import MismatchError
from mocotool.metrics.statistics import Float64

BLOCK_ROWS = 2048  # rows of the kernel matrix held at once: 2048 x 100,000 doubles are 1.6 GB
BLOCK_COLUMNS = 8192


@dataclasses.dataclass(frozen=True, slots=True)
class KernelDistance:
    """An estimated squared MMD and its standard error."""

    value: float
    """The estimate; may be slightly negative for equal distributions."""
    standard_error: float
    """Its standard error, by the jackknife over samples of either side; some 1.4 times too large
    where the two distributions are equal."""


def kernel_distance(
    x: npt.NDArray[Any],
    y: npt.NDArray[Any],
    *,
    degree: int = 3,
    gamma: float | None = None,
    coef0: float = 1.0,
) -> KernelDistance:
    """Estimate the squared MMD of two sets of features under k(x, y) = (gamma x.y + coef0)^degree.

    Args:
        x: Features of one side, [m, d], m at least 3.
        y: Features of the other side, [n, d], n at least 3.
        degree: Degree of the polynomial.
        gamma: Scale of the inner product; `None` for 1 / d, as in scikit-learn.
        coef0: Constant term.

    Returns:
        The unbiased estimate over all pairs, and its standard error.

    Raises:
        MismatchError: The features differ in dimension, or a side has fewer than three.

    Source:
        Paper: Binkowski et al., "Demystifying MMD GANs", 2018; Gretton et al., 2012, Lemma 6.
        Official code: DIGAN takes all 2,048 features in one estimate, without subsets.
    """
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise MismatchError(
            f"features of shapes {list(x.shape)} and {list(y.shape)} cannot be compared"
        )
    if min(len(x), len(y)) < 3:
        raise MismatchError(
            f"{len(x)} and {len(y)} samples, a kernel distance needs at least 3 of each"
        )
    kernel = _Polynomial(degree, 1.0 / x.shape[1] if gamma is None else gamma, coef0)
    x, y = x.astype(np.float64), y.astype(np.float64)
    xx = kernel.row_sums(x, x) - kernel.diagonal(x)
    yy = kernel.row_sums(y, y) - kernel.diagonal(y)
    xy, yx = kernel.row_sums(x, y), kernel.row_sums(y, x)
    m, n = len(x), len(y)
    value = xx.sum() / (m * (m - 1)) + yy.sum() / (n * (n - 1)) - 2.0 * xy.sum() / (m * n)
    variance = _jackknife(within=xx, across=xy, other=yy) + _jackknife(
        within=yy, across=yx, other=xx
    )
    return KernelDistance(float(value), float(np.sqrt(variance)))


def jedi_distance(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> float:
    """Compute 100 times the squared MMD under k(x, y) = (x.y / d)^2, biased estimate.

    Pairs of a sample with itself are included, so it is never negative, and larger for few samples.
    This is JEDi, meant for features of V-JEPA.

    Args:
        x: Features of one side, [m, d].
        y: Features of the other side, [n, d].

    Raises:
        MismatchError: The features differ in dimension, or a side has none.

    Source:
        Paper: Luo et al., "Beyond FVD", arXiv:2410.05203.
        Official code: videojedi, JEDi.py and mmd_polynomial.py.
        Follows: official code.
    """
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or not (len(x) and len(y)):
        raise MismatchError(
            f"features of shapes {list(x.shape)} and {list(y.shape)} cannot be compared"
        )
    kernel = _Polynomial(2, 1.0 / x.shape[1], 0.0)
    x, y = x.astype(np.float64), y.astype(np.float64)
    xx, yy, xy = (kernel.row_sums(a, b).mean() / len(b) for a, b in ((x, x), (y, y), (x, y)))
    return float(100.0 * (xx + yy - 2.0 * xy))


@dataclasses.dataclass(frozen=True, slots=True)
class _Polynomial:
    degree: int
    gamma: float
    coef0: float

    def row_sums(self, x: Float64, y: Float64) -> Float64:
        """Return sum_j k(x_i, y_j), [len(x)], one block of the kernel matrix at a time."""
        from sklearn.metrics.pairwise import polynomial_kernel

        sums = np.zeros(len(x))
        for row in range(0, len(x), BLOCK_ROWS):
            rows = slice(row, row + BLOCK_ROWS)
            for column in range(0, len(y), BLOCK_COLUMNS):
                columns = y[column : column + BLOCK_COLUMNS]
                block = polynomial_kernel(x[rows], columns, self.degree, self.gamma, self.coef0)
                sums[rows] += block.sum(axis=1)
        return sums

    def diagonal(self, x: Float64) -> Float64:
        """Return k(x_i, x_i), [len(x)]."""
        products = np.einsum("id,id->i", x, x)
        return np.asarray((self.gamma * products + self.coef0) ** self.degree)


def _jackknife(*, within: Float64, across: Float64, other: Float64) -> float:
    """Return the jackknife variance over the samples of one side, from sums of kernel rows."""
    m, n = len(within), len(other)
    without = (
        (within.sum() - 2.0 * within) / ((m - 1) * (m - 2))
        + other.sum() / (n * (n - 1))
        - 2.0 * (across.sum() - across) / ((m - 1) * n)
    )  # the estimate with each sample left out, [m]
    return float((m - 1) / m * ((without - without.mean()) ** 2).sum())
