"""Can two sets of features be told apart? By each sample's nearest neighbour."""

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt

from mocotool.errors import MismatchError

BLOCK_ROWS = 2048  # rows of the distances held at once


@dataclasses.dataclass(frozen=True, slots=True)
class NearestNeighbourAccuracy:
    """How often a sample's nearest neighbour among all others is of its own side."""

    value: float
    """Share of all samples, in [0, 1]: 0.5 where the sides are alike, 1 where they are apart; below
    0.5 where samples of one side copy samples of the other."""
    x: float
    """The same among samples of the first side; low if the second surrounds them."""
    y: float
    """The same among samples of the second side; near 1 if the first does not reach it."""


def nearest_neighbour_accuracy(
    x: npt.NDArray[Any], y: npt.NDArray[Any]
) -> NearestNeighbourAccuracy:
    """Classify each sample as its nearest neighbour among all the others, by Euclidean distance.

    Samples must be independent: two frames of one video would find each other.

    Args:
        x: Features of one side, [n, d], n at least 2.
        y: Features of the other side, as many of them.

    Returns:
        How many were classified right.

    Raises:
        MismatchError: The sides differ in number or length, or have fewer than two samples.

    Source:
        Paper: Lopez-Paz and Oquab, "Revisiting classifier two-sample tests", 2017; Xu et al.,
            arXiv:1806.07755.
    """
    if x.ndim != 2 or x.shape != y.shape or len(x) < 2:
        raise MismatchError(
            f"features of shapes {list(x.shape)} and {list(y.shape)}, expected as many of either "
            "side, at least 2"
        )
    both = np.concatenate([x, y]).astype(np.float64)
    both -= both.mean(axis=0)  # small numbers lose less to rounding
    squares = np.einsum("nd,nd->n", both, both)
    nearest = np.zeros(len(both), dtype=np.int64)
    for row in range(0, len(both), BLOCK_ROWS):
        rows = np.arange(row, min(row + BLOCK_ROWS, len(both)))
        # |a - b|^2 less |a|^2, which is the same for all b
        distances = squares - 2.0 * both[rows] @ both.T
        distances[np.arange(len(rows)), rows] = np.inf
        nearest[rows] = distances.argmin(axis=1)

    is_x = np.arange(len(both)) < len(x)
    is_right = is_x == is_x[nearest]
    shares = (is_right, is_right[is_x], is_right[~is_x])
    return NearestNeighbourAccuracy(*(float(share.mean()) for share in shares))
