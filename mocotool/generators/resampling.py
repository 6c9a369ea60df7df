"""StyleGAN2's low-pass filter, alone and with doubling or halving, in plain torch.

The gradient of each operation is another of them, so each can be differentiated as often as a
gradient penalty needs, always by a kernel that is quick on the CPU: what torch would take instead
is up to a hundred times slower there in bfloat16.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

RESAMPLE_TAPS = (1, 3, 3, 1)


def fir_kernel() -> Tensor:
    """Return the [1, 3, 3, 1] low-pass filter as a [4, 4] kernel whose sum is 1."""
    taps = torch.tensor(RESAMPLE_TAPS, dtype=torch.float32)
    kernel = torch.outer(taps, taps)
    return kernel / kernel.sum()


def filter_2d(x: Tensor, kernel: Tensor, *, padding: int) -> Tensor:
    """Filter each channel of [n, c, h, w] with one fixed, symmetric [4, 4] kernel."""
    if not _asks_for_gradient(x):
        return _filter(x, kernel, padding)
    y: Tensor = _Filter.apply(x, kernel, padding)
    return y


def upsample_2d(x: Tensor, kernel: Tensor) -> Tensor:
    """Double height and width of [n, c, h, w] with the FIR `kernel` [4, 4] (sum 1)."""
    if not _asks_for_gradient(x):
        return _double(x, kernel * 4.0)
    y: Tensor = _Double.apply(x, kernel * 4.0)
    return y


def downsample_2d(x: Tensor, kernel: Tensor) -> Tensor:
    """Halve the even height and width of [n, c, h, w] with the FIR `kernel` [4, 4] (sum 1)."""
    if not _asks_for_gradient(x):
        return _halve(x, kernel)
    y: Tensor = _Halve.apply(x, kernel)
    return y


def _asks_for_gradient(x: Tensor) -> bool:
    """Return whether an autograd function is needed; each leaves garbage for Python's collector."""
    return torch.is_grad_enabled() and x.requires_grad


def _one_a_channel(kernel: Tensor, x: Tensor) -> Tensor:
    return kernel.to(x.dtype).expand(x.shape[1], 1, -1, -1)


def _filter(x: Tensor, kernel: Tensor, padding: int) -> Tensor:
    return F.conv2d(x, _one_a_channel(kernel, x), padding=padding, groups=x.shape[1])


def _halve(x: Tensor, kernel: Tensor) -> Tensor:
    return F.conv2d(x, _one_a_channel(kernel, x), stride=2, padding=1, groups=x.shape[1])


def _double(x: Tensor, kernel: Tensor) -> Tensor:
    # In float32, because oneDNN's transposed convolution of single channels has no quick bfloat16
    # kernel. What zero stuffing and filtering would give, without the zeros.
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    kernel = _one_a_channel(kernel, wide)
    y = F.conv_transpose2d(wide, kernel, stride=2, padding=1, groups=x.shape[1])
    return y.to(x.dtype)


class _Filter(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, padding: int) -> Tensor:
        ctx.save_for_backward(kernel)
        ctx.padding = padding
        return _filter(x, kernel, padding)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (kernel,) = ctx.saved_tensors
        # The kernel is its own mirror image, so the way back is the same filter.
        padding = kernel.shape[-1] - 1 - ctx.padding
        return filter_2d(grads[0], kernel, padding=padding), None, None


class _Halve(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor) -> Tensor:
        ctx.save_for_backward(kernel)
        return _halve(x, kernel)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        return _Double.apply(grads[0], *ctx.saved_tensors), None


class _Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor) -> Tensor:
        ctx.save_for_backward(kernel)
        return _double(x, kernel)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        return _Halve.apply(grads[0], *ctx.saved_tensors), None
