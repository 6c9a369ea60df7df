"""Randomness and data order as pure functions of seed and position.

Nothing here keeps a state: what a step draws follows from the run's seed and the step's number. So
a resumed run draws what the uninterrupted one would have drawn, and every process of a distributed
run can draw the whole batch's numbers and keep its own rows.
"""

import hashlib

import torch


def derive_seed(seed: int, *path: int | str) -> int:
    """Return a 63-bit seed for one use, such as `derive_seed(seed, "z", step)`."""
    digest = hashlib.sha256(repr((seed, *path)).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def derive_rng(seed: int, *path: int | str, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a torch random generator for one use."""
    return torch.Generator(device).manual_seed(derive_seed(seed, *path))
