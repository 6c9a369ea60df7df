"""A synthesis layer with frozen weights, whose backward pass keeps only the layer's output.

Training motion and inverting images differentiate through a generator that does not learn. Torch
would then keep five activation maps per layer for the backward pass; one, which the next layer
keeps as its input anyway, is enough: the leaky ReLU keeps the sign, and what the gain multiplied is
the output less bias and noise.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from mocotool.generators.resampling import filter_2d


def run_frozen_layer(
    x: Tensor,
    styles: Tensor,
    factors: Tensor,
    *,
    weight: Tensor,
    bias: Tensor,
    shift: Tensor,
    noise: Tensor | None,
    kernel: Tensor | None,
    slope: float,
    limit: float | None,
) -> Tensor:
    """Modulate, convolve, scale, add noise and bias, and activate.

    Only the first three arguments receive gradients, and only of first order.

    Args:
        x: [n, c_in, h, w].
        styles: Factors on the input channels, [n, c_in].
        factors: Factors on the output channels, [n, c_out].
        weight: [c_out, c_in, k, k], in the type of `x`.
        bias: What is added to each channel, float32 [c_out].
        shift: The same in the type of `x`, [1, c_out, 1, 1].
        noise: What is added to each pixel, [n or 1, 1, h', w'], or `None`.
        kernel: The low-pass filter after doubling the size, in the type of `x`; `None` keeps it.
        slope: Negative slope of the leaky ReLU.
        limit: Where to clamp, or `None`.

    Returns:
        [n, c_out, h', w'], in the type of `x`.
    """
    if noise is not None:
        noise = noise.to(x.dtype)
    rest = (weight, bias, shift, noise, kernel, slope, limit)
    if not (torch.is_grad_enabled() and (x.requires_grad or styles.requires_grad)):
        return _run(x, styles, factors, *rest)
    y: Tensor = _FrozenLayer.apply(x, styles, factors, *rest)
    return y


def _run(  # noqa: PLR0917 - in the order that torch passes on
    x: Tensor,
    styles: Tensor,
    factors: Tensor,
    weight: Tensor,
    bias: Tensor,
    shift: Tensor,
    noise: Tensor | None,
    kernel: Tensor | None,
    slope: float,
    limit: float | None,
) -> Tensor:
    del bias  # the way back alone takes it
    y = x * _to_channels(styles, x)
    if kernel is None:
        y = F.conv2d(y, weight, padding=weight.shape[-1] // 2)
    else:
        y = F.conv_transpose2d(y, weight.transpose(0, 1), stride=2)
        y = filter_2d(y, kernel, padding=1)
    torch.addcmul(shift, y, _to_channels(factors, x), out=y)
    if noise is not None:
        y += noise
    y = F.leaky_relu(y, slope, inplace=True)
    return y if limit is None else y.clamp_(-limit, limit)


class _FrozenLayer(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *args: Any) -> Tensor:
        y = _run(*args)
        x, styles, factors, weight, bias, _, noise, kernel, ctx.slope, ctx.limit = args
        ctx.save_for_backward(x, y, styles, factors, weight, bias, noise, kernel)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, y, styles, factors, weight, bias, noise, kernel = ctx.saved_tensors
        grad = grads[0]
        if ctx.limit is not None:
            grad = grad * (y.abs() < ctx.limit)
        # The leaky ReLU divided its input by what it now divides the gradient by.
        product = grad * y
        gained = product.sum(dim=(2, 3)).to(torch.float32)  # [n, c_out]
        # Fresh memory costs the CPU as much as arithmetic does, so what is used up is used again.
        grad = torch.ops.aten.leaky_relu_backward(grad, y, ctx.slope, True, grad_input=product)
        sums = _sum_pixels(grad, noise)  # [n, 1 or 2, c_out]
        gained -= bias * sums[:, 0]
        if noise is not None:
            gained -= sums[:, 1]
        factors_grad = gained / factors
        grad *= _to_channels(factors, x)
        if kernel is None:
            grad = F.conv_transpose2d(grad, weight, padding=weight.shape[-1] // 2)
        else:
            grad = filter_2d(grad, kernel, padding=2)
            grad = F.conv2d(grad, weight.transpose(0, 1), stride=2)
        product = torch.mul(grad, x, out=product) if product.shape == x.shape else grad * x
        styles_grad = product.sum(dim=(2, 3)).to(torch.float32)
        x_grad = None
        if ctx.needs_input_grad[0]:
            x_grad = grad.mul_(_to_channels(styles, x))
        return x_grad, styles_grad, factors_grad, *[None] * 7


def _to_channels(values: Tensor, x: Tensor) -> Tensor:
    return values.to(x.dtype)[:, :, None, None]


def _sum_pixels(x: Tensor, noise: Tensor | None) -> Tensor:
    """Add up the pixels of x [n, c, h, w], plainly and weighted by noise [n or 1, 1, h, w].

    Returns:
        float32 [n, 2, c], or [n, 1, c] without noise.
    """
    n, c, height, width = x.shape
    pixels = x.permute(0, 2, 3, 1).reshape(n, height * width, c)
    rows = pixels.new_ones(n, 1, height * width)
    if noise is not None:
        rows = torch.cat([rows, noise.expand(n, -1, -1, -1).reshape(n, 1, -1)], dim=1)
    return torch.bmm(rows, pixels).to(torch.float32)
