"""Where the golden values are: the small ones beside the tests, the others in ../shared."""

from pathlib import Path

import numpy as np
import pytest
import torch

HERE = Path(__file__).parent.parent / "golden"
SHARED = Path(__file__).parents[2].parent / "shared"


def find_golden(name):
    """Return the path of a golden file, or skip the test that asks for it."""
    for folder in (HERE, SHARED / "golden", SHARED / "data"):
        if (folder / name).exists():
            return folder / name
    pytest.skip(f"{name} is not part of the project, and ../shared is not there")


def read_golden(name):
    """Return the arrays of a golden .npz as tensors."""
    with np.load(find_golden(f"{name}.npz")) as file:
        return {key: torch.from_numpy(file[key]) for key in file.files}


def list_goldens():
    """Return the names of all generator files there are, for tests that damage them."""
    names = ["ada-skip-64.pkl", "ada-cond-32.pkl", "tf-config-f-64.pkl", "biggan-64.pth"]
    return [name for name in names if any((f / name).exists() for f in (HERE, SHARED / "golden"))]
