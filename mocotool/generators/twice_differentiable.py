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


def convolve_2d(
    x: Tensor, weight: Tensor, bias: Tensor | None, *, stride: int = 1, padding: int = 0
) -> Tensor:
    """Convolve as `F.conv2d` does, with a fast second derivative."""
    y: Tensor = _Convolve.apply(x, weight, bias, stride, padding)
    return y


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(  # noqa: PLR0917 - torch passes them by position
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding, ctx.has_bias = stride, padding, bias is not None
        return F.conv2d(x, weight, bias, stride=stride, padding=padding)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        grad, stride, padding = grads[0], ctx.stride, ctx.padding
        x_grad = weight_grad = bias_grad = None
        if ctx.needs_input_grad[0]:
            # convolution's adjoint; what its stride skipped over at the end is padded
            reached = [(size - 1) * stride - 2 * padding + weight.shape[-1] for size in grad.shape]
            x_grad = F.conv_transpose2d(
                grad,
                weight,
                stride=stride,
                padding=padding,
                output_padding=[x.shape[axis] - reached[axis] for axis in (2, 3)],
            )
        if ctx.needs_input_grad[1] and wants_weight_gradients():
            _, weight_grad, bias_grad = torch.ops.aten.convolution_backward(
                grad,
                x,
                weight,
                [len(weight)],
                [stride] * 2,
                [padding] * 2,
                [1] * 2,
                False,
                [0] * 2,
                1,
                [False, True, ctx.has_bias],
            )
        return x_grad, weight_grad, bias_grad, None, None
