"""Check that weights are finite: NaN and infinity are refused when a file is opened."""

from collections.abc import Mapping

import torch
from torch import Tensor

from mocotool.errors import FileFormatError
from mocotool.weights.refusals import shown


def check_finite(tensors: Mapping[str, Tensor]) -> None:
    """Check that tensors hold finite numbers.

    Raises:
        FileFormatError: One holds NaN or infinity.
    """
    for name, tensor in tensors.items():
        if not tensor.is_floating_point() or not tensor.numel():
            continue
        # One pass and no memory; NaN comes through as both.
        smallest, largest = torch.aminmax(tensor)
        if not (torch.isfinite(smallest) and torch.isfinite(largest)):
            raise FileFormatError(
                f"the tensor {shown(name)} holds NaN or infinity", hint="download the file again"
            )
