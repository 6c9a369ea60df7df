"""Randomness and data order as pure functions of seed and position.

Nothing here keeps a state: what a step draws follows from the run's seed and the step's number. So
a resumed run draws what the uninterrupted one would have drawn, and every process of a distributed
run can draw the whole batch's numbers and keep its own rows.
"""

import hashlib

import numpy as np
import torch
from torch import Tensor


def derive_seed(seed: int, *path: int | str) -> int:
    """Return a 63-bit seed for one use, such as `derive_seed(seed, "z", step)`."""
    digest = hashlib.sha256(repr((seed, *path)).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def derive_rng(seed: int, *path: int | str, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a torch random generator for one use."""
    return torch.Generator(device).manual_seed(derive_seed(seed, *path))


def shuffled_indices(size: int, seed: int, start: int, count: int) -> Tensor:
    """Return positions `start` to `start + count` of an endless shuffled pass over `size` items.

    Each pass holds every item once, in an order of its own.

    Returns:
        int64 [count], each in [0, size).
    """
    positions = np.arange(start, start + count)
    parts = [
        np.random.Generator(np.random.PCG64(derive_seed(seed, "order", int(epoch)))).permutation(
            size
        )[positions[positions // size == epoch] % size]
        for epoch in np.unique(positions // size)
    ]
    return torch.from_numpy(np.concatenate(parts))
