"""Convolutions with a fast second derivative, for gradient penalties.

A penalty needs the gradient of a gradient. Torch's own second derivative of a convolution goes
through one with batch and channels exchanged, several times slower on the CPU, and computes
gradients of fixed filters that nothing uses. Here the first derivative is an ordinary convolution
again, whose derivative torch computes as quickly as any.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mocotool.training.networks import wants_weight_gradients

CONVOLVE = {2: F.conv2d, 3: F.conv3d}
CONVOLVE_TRANSPOSED = {2: F.conv_transpose2d, 3: F.conv_transpose3d}


def convolve_2d(
    x: Tensor, weight: Tensor, bias: Tensor | None, *, stride: int = 1, padding: int = 0
) -> Tensor:
    """Convolve [n, c_in, h, w] like `F.conv2d`, with a fast second derivative."""
    y: Tensor = _Convolve.apply(x, weight, bias, stride, [padding, padding])
    return y


def convolve_3d(
    x: Tensor, weight: Tensor, bias: Tensor | None, *, stride: int = 1, padding: list[int]
) -> Tensor:
    """Convolve [n, c_in, t, h, w] like `F.conv3d`, with a fast second derivative.

    `padding` is [t, h, w].
    """
    y: Tensor = _Convolve.apply(x, weight, bias, stride, padding)
    return y


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(  # noqa: PLR0917 - torch passes them by position
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: list[int]
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding, ctx.has_bias = stride, padding, bias is not None
        return CONVOLVE[len(padding)](x, weight, bias, stride=stride, padding=padding)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        grad, stride, padding = grads[0], ctx.stride, ctx.padding
        num_axes = len(padding)
        x_grad = weight_grad = bias_grad = None
        if ctx.needs_input_grad[0]:
            x_grad = _spread(grad, weight, list(x.shape[2:]), stride, padding)
        if ctx.needs_input_grad[1] and wants_weight_gradients():
            _, weight_grad, bias_grad = torch.ops.aten.convolution_backward(
                grad,
                x,
                weight,
                [len(weight)],
                [stride] * num_axes,
                padding,
                [1] * num_axes,
                False,
                [0] * num_axes,
                1,
                [False, True, ctx.has_bias],
            )
        return x_grad, weight_grad, bias_grad, None, None


def _spread(
    grad: Tensor, weight: Tensor, size: list[int], stride: int, padding: list[int]
) -> Tensor:
    """Return the gradient at a convolution's input of `size`, by the convolution's adjoint."""
    # What the stride skipped over at the end is padded.
    rest = [
        wanted - ((have - 1) * stride - 2 * pad + kernel)
        for wanted, have, pad, kernel in zip(
            size, grad.shape[2:], padding, weight.shape[2:], strict=True
        )
    ]
    spread = CONVOLVE_TRANSPOSED[len(padding)]
    return spread(grad, weight, stride=stride, padding=padding, output_padding=rest)
