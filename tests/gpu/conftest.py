"""Everything here needs a CUDA device: `pytest -m gpu`."""

import pytest
import torch


@pytest.fixture(autouse=True)
def _needs_a_gpu():
    if not torch.cuda.is_available():
        pytest.skip(f"no CUDA device that torch {torch.__version__} can use")


@pytest.fixture
def full_products():
    """Products in float32 proper, for comparisons with the CPU."""
    from mocotool.devices import full_precision

    with full_precision():
        yield
