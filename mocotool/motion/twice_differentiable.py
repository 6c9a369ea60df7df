"""A 3-D convolution whose slope can be differentiated again quickly, and in bfloat16 safely.

A gradient penalty needs the gradient of a gradient. Torch's own second derivative of a convolution
goes through a dilated one with batch and channels exchanged, several times slower on the CPU. Here
the gradient with respect to the input is an ordinary transposed convolution, whose derivative torch
computes as quickly as any.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mocotool.training.networks import wants_weight_gradients


class TwiceDifferentiableConv3d(nn.Conv3d):
    """`nn.Conv3d` for gradient penalties; computes in the type of its input."""

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, c_in, t, h, w] to [n, c_out, t', h', w']."""
        assert self.bias is not None
        weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
        padding = [int(size) for size in self.padding]
        if x.shape[2] < self.kernel_size[0]:
            # Without this, torch 2.13 fills bfloat16 weight gradients with garbage on the CPU.
            # Remove when tests/motion/test_twice_differentiable.py says it is mended.
            x = F.pad(x, [0, 0, 0, 0, padding[0], padding[0]])
            padding[0] = 0
        y: Tensor = _Convolve.apply(x, weight, bias, self.stride[0], padding)
        return y


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(  # noqa: PLR0917 - torch passes them by position
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: list[int]
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return F.conv3d(x, weight, bias, stride=stride, padding=padding)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        grad, stride, padding = grads[0], ctx.stride, ctx.padding
        x_grad = weight_grad = bias_grad = None
        if ctx.needs_input_grad[0]:
            x_grad = _spread(grad, weight, list(x.shape[2:]), stride, padding)
        if ctx.needs_input_grad[1] and wants_weight_gradients():
            _, weight_grad, bias_grad = torch.ops.aten.convolution_backward(
                grad,
                x,
                weight,
                [len(weight)],
                [stride] * 3,
                padding,
                [1] * 3,
                False,
                [0] * 3,
                1,
                [False, True, True],
            )
        return x_grad, weight_grad, bias_grad, None, None


def _spread(
    grad: Tensor, weight: Tensor, size: list[int], stride: int, padding: list[int]
) -> Tensor:
    """Return the gradient at a convolution's input of `size` [t, h, w]."""
    rest = [
        wanted - ((have - 1) * stride - 2 * pad + kernel)
        for wanted, have, pad, kernel in zip(
            size, grad.shape[2:], padding, weight.shape[2:], strict=True
        )
    ]
    return F.conv_transpose3d(grad, weight, stride=stride, padding=padding, output_padding=rest)
