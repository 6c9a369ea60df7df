"""The layers StyleGAN2 is made of, in plain torch.

Two choices make them quick. A modulated convolution scales activations instead of weights, so that
a whole batch shares one ordinary convolution. And resampling never builds a zero-stuffed picture:
up-sampling is a strided transposed convolution followed by the FIR filter.
"""

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mocotool.generators.frozen_layer import run_frozen_layer
from mocotool.generators.resampling import filter_2d, fir_kernel, upsample_2d

LRELU_SLOPE = 0.2
SQRT2 = math.sqrt(2.0)
DEMODULATION_EPS = 1e-8
HALF_CLAMP = 256.0  # of activations in float16 where a file says none; stylegan2-ada's `conv_clamp`


class FullyConnectedLayer(nn.Module):
    """A linear layer with equalised learning rate, then a leaky ReLU if asked for."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        activation: Literal["linear", "lrelu"] = "linear",
        lr_multiplier: float = 1.0,
        bias_init: float = 0.0,
    ) -> None:
        super().__init__()
        self.activation = activation
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / lr_multiplier)
        self.bias = nn.Parameter(torch.full([out_features], bias_init))
        self.weight_gain = lr_multiplier / math.sqrt(in_features)
        self.bias_gain = lr_multiplier

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., in_features] to [..., out_features]."""
        weight = (self.weight * self.weight_gain).to(x.dtype)
        x = F.linear(x, weight, (self.bias * self.bias_gain).to(x.dtype))
        return F.leaky_relu(x, LRELU_SLOPE) * SQRT2 if self.activation == "lrelu" else x


def normalize_2nd_moment(x: Tensor) -> Tensor:
    """Scale each row of [n, d] to a mean square of one."""
    return x * (x.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()


def modulated_conv2d(x: Tensor, weight: Tensor, styles: Tensor, *, up: bool = False) -> Tensor:
    """Convolve with weights scaled by each sample's styles, all samples in one convolution.

    Scaling the input channels and then the output channels gives what scaling the weights gives,
    because a convolution is linear in both.

    Args:
        x: [n, c_in, h, w].
        weight: [c_out, c_in, k, k], shared by all samples.
        styles: [n, c_in].
        up: Stride-2 transposed convolution; the caller filters its [n, c_out, 2h+1, 2w+1] result.

    Returns:
        The convolution [n, c_out, h', w'], not demodulated (so that the caller can fuse that with
        bias and gain).
    """
    x = x * styles.to(x.dtype)[:, :, None, None]
    weight = weight.to(x.dtype)
    if up:
        return F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
    return F.conv2d(x, weight, padding=weight.shape[-1] // 2)


def normalize_before(
    weight: Tensor, styles: Tensor, factors: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Scale styles and weights down before a convolution, and its result up behind it.

    Demodulation takes any scale out again, so the result is the same; but in float16 sums over 512
    channels and large styles pass its largest number on the way, 65,504, if nothing is done.

    Args:
        weight: [c_out, c_in, k, k].
        styles: [n, c_in].
        factors: From `demodulation_factors`, [n, c_out].

    Returns:
        The three, so that sums of products are no larger than `sqrt(c_in * k * k)` times what goes
        in.

    Source:
        Official code: stylegan2-ada-pytorch, `modulated_conv2d` (pre-normalises by the largest
            weight and the largest style in float16).
    """
    fan_in = weight[0].numel()
    # No gradient flows into what is divided out again.
    largest = weight.detach().abs().amax(dim=(1, 2, 3)) * math.sqrt(fan_in)  # [c_out]
    largest = largest.clamp(min=torch.finfo(torch.float32).tiny)
    peak = styles.detach().abs().amax(dim=1, keepdim=True)  # [n, 1]
    peak = peak.clamp(min=torch.finfo(torch.float32).tiny)
    return weight / largest[:, None, None, None], styles / peak, factors * peak * largest


def demodulation_factors(weight: Tensor, styles: Tensor) -> Tensor:
    """Return what scales each sample's output channels to unit weight norm, [n, c_out]."""
    energy = weight.to(torch.float32).square().sum(dim=(2, 3))  # [c_out, c_in]
    return (styles.square() @ energy.t() + DEMODULATION_EPS).rsqrt()


class SynthesisLayer(nn.Module):
    """Modulated 3x3 convolution, noise, bias, leaky ReLU; twice the size when `up`."""

    resample_filter: Tensor
    noise_const: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        w_dim: int,
        size: tuple[int, int],
        up: bool = False,
        conv_clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.up = up
        self.size = size  # height and width
        self.conv_clamp = conv_clamp
        self.affine = FullyConnectedLayer(w_dim, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.noise_strength = nn.Parameter(torch.zeros([]))
        self.register_buffer("noise_const", torch.randn(*size))
        self.register_buffer("resample_filter", fir_kernel())

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None, *, gain: float = 1.0) -> Tensor:
        """Map x [n, c_in, h, w] with latents w [n, w_dim] to [n, c_out, h', w'].

        Args:
            x: Activations.
            w: One latent per sample.
            noise: [n or 1, 1, h', w'], or `None` for no noise.
            gain: Factor on the output.
        """
        styles = self.affine(w)
        # A leaky ReLU commutes with positive factors, so its gain goes in with the demodulation.
        gain *= SQRT2
        bias = self.bias * gain
        if noise is not None:
            noise = noise * (self.noise_strength * gain)
        limit = None if self.conv_clamp is None else self.conv_clamp * gain / SQRT2
        weight: Tensor = self.weight
        factors = demodulation_factors(weight, styles)
        if x.dtype is torch.float16:
            weight, styles, factors = normalize_before(weight, styles, factors)
            limit = HALF_CLAMP * gain / SQRT2 if limit is None else limit
        # A compiler fuses by itself, and cannot trace what is written into memory used before.
        if not self.weight.requires_grad and not torch.compiler.is_compiling():
            return run_frozen_layer(
                x,
                styles,
                factors * gain,
                weight=weight,
                bias=bias,
                noise=noise,
                kernel=self.resample_filter * 4.0 if self.up else None,
                slope=LRELU_SLOPE,
                limit=limit,
            )
        x = modulated_conv2d(x, weight, styles, up=self.up)
        if self.up:
            x = filter_2d(x, self.resample_filter * 4.0, padding=1)
        bias = bias.to(x.dtype)[None, :, None, None]
        x = torch.addcmul(bias, x, (factors * gain).to(x.dtype)[:, :, None, None])
        if noise is not None:
            x = x + noise.to(x.dtype)
        x = F.leaky_relu(x, LRELU_SLOPE, inplace=True)
        return x if limit is None else x.clamp(-limit, limit)


class ToRGBLayer(nn.Module):
    """Modulated 1x1 convolution to image channels, neither demodulated nor activated."""

    def __init__(
        self, in_channels: int, img_channels: int, *, w_dim: int, conv_clamp: float | None = None
    ) -> None:
        super().__init__()
        self.conv_clamp = conv_clamp
        self.affine = FullyConnectedLayer(w_dim, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(img_channels, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(img_channels))
        self.weight_gain = 1.0 / math.sqrt(in_channels)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Map x [n, c_in, h, w] with latents w [n, w_dim] to float32 [n, img_channels, h, w]."""
        styles = self.affine(w) * self.weight_gain
        n, _, height, width = x.shape
        # So few outputs that per-sample weights cost less than one more pass over x.
        weight = self.weight[None, :, :, 0, 0] * styles[:, None, :]  # [n, img, c_in]
        peak = None
        if x.dtype is torch.float16:  # what no demodulation scales could be too large for it
            root = math.sqrt(weight.shape[2])
            peak = weight.detach().abs().amax(dim=(1, 2), keepdim=True) * root  # [n, 1, 1]
            peak = peak.clamp(min=torch.finfo(torch.float32).tiny)
            weight = weight / peak
        weight = weight.to(x.dtype)
        pixels = x.permute(0, 2, 3, 1).reshape(n, height * width, -1)  # [n, h*w, c_in]
        y = torch.matmul(pixels, weight.transpose(1, 2)).to(torch.float32)  # [n, h*w, img]
        y = (y if peak is None else y * peak) + self.bias
        if self.conv_clamp is not None:
            y = y.clamp(-self.conv_clamp, self.conv_clamp)
        return y.reshape(n, height, width, -1).permute(0, 3, 1, 2)


class UpsamplingShortcut(nn.Module):
    """The 1x1 convolution that carries a residual block's input to the next resolution."""

    resample_filter: Tensor

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 1, 1))
        self.weight_gain = 1.0 / math.sqrt(in_channels)
        self.register_buffer("resample_filter", fir_kernel())

    def forward(self, x: Tensor, *, gain: float) -> Tensor:
        """Map [n, c_in, h, w] to [n, c_out, 2h, 2w]."""
        x = F.conv2d(x, (self.weight * (self.weight_gain * gain)).to(x.dtype))
        return upsample_2d(x, self.resample_filter)
