"""The layers StyleGAN2 is made of, in plain torch.

Two choices make them quick. A modulated convolution scales activations instead of weights, so that
a whole batch shares one ordinary convolution. And resampling never builds a zero-stuffed picture:
up-sampling is a strided transposed convolution followed by the FIR filter.
"""

import dataclasses
import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mocotool.generators.frozen_layer import run_frozen_layer
from mocotool.generators.kept import Kept
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
        self._kept: Kept[tuple[Tensor, Tensor]] = Kept()

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., in_features] to [..., out_features]."""
        weight, bias = self._kept.get(
            lambda: self._scale(x.dtype), sources=(self.weight, self.bias), given=x.dtype
        )
        x = F.linear(x, weight, bias)
        return F.leaky_relu(x, LRELU_SLOPE) * SQRT2 if self.activation == "lrelu" else x

    def _scale(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return what the linear map takes, weight and bias."""
        return (self.weight * self.weight_gain).to(dtype), (self.bias * self.bias_gain).to(dtype)


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


def normalize_weight(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Scale a weight down before a convolution in float16, whose result is scaled up behind it.

    Demodulation takes any scale out again, so the result is the same; but in float16 sums over 512
    channels and large styles pass its largest number on the way, 65,504, if nothing is done. With
    styles from `normalize_styles` sums of products are no larger than `sqrt(c_in * k * k)` times
    what goes in.

    Args:
        weight: [c_out, c_in, k, k].

    Returns:
        The scaled weight, and what its results are to be multiplied by, [c_out].

    Source:
        Official code: stylegan2-ada-pytorch, `modulated_conv2d` (pre-normalises by the largest
            weight and the largest style in float16).
    """
    # No gradient flows into what is divided out again.
    largest = weight.detach().abs().amax(dim=(1, 2, 3)) * math.sqrt(weight[0].numel())  # [c_out]
    largest = largest.clamp(min=torch.finfo(torch.float32).tiny)
    return weight / largest[:, None, None, None], largest


def normalize_styles(styles: Tensor) -> tuple[Tensor, Tensor]:
    """Scale styles [n, c_in] down as `normalize_weight` does weights; the factor is [n, 1]."""
    peak = styles.detach().abs().amax(dim=1, keepdim=True)  # [n, 1]
    peak = peak.clamp(min=torch.finfo(torch.float32).tiny)
    return styles / peak, peak


def measure_energy(weight: Tensor) -> Tensor:
    """Return the sum of squares of each kernel of a weight [c_out, c_in, k, k], [c_out, c_in]."""
    return weight.to(torch.float32).square().sum(dim=(2, 3))


def demodulation_factors(energy: Tensor, styles: Tensor) -> Tensor:
    """Return what scales each sample's output channels to unit weight norm.

    Args:
        energy: From `measure_energy`, [c_out, c_in].
        styles: [n, c_in].

    Returns:
        [n, c_out].
    """
    return (styles.square() @ energy.t() + DEMODULATION_EPS).rsqrt()


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class LayerWeights:
    """What a synthesis layer takes besides activations and latents, from its weights alone."""

    weight: Tensor
    """[c_out, c_in, 3, 3], in the type of the activations."""
    energy: Tensor
    """Of the weight as it was, [c_out, c_in]."""
    largest: Tensor | None
    """What results are to be multiplied by [c_out]; `None` but in float16."""
    bias: Tensor
    """With its gain, float32 [c_out]."""
    shift: Tensor
    """The same in the type of the activations, [1, c_out, 1, 1]."""
    noise_strength: Tensor
    """With the gain, a single number."""
    kernel: Tensor | None
    """The filter after doubling the size, in the type of the activations."""


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
        self._kept: Kept[LayerWeights] = Kept()

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
        limit = None if self.conv_clamp is None else self.conv_clamp * gain / SQRT2
        own = self._kept.get(
            lambda: self._prepare(x.dtype, gain),
            sources=(self.weight, self.bias, self.noise_strength, self.resample_filter),
            given=(x.dtype, gain),
        )
        factors = demodulation_factors(own.energy, styles)
        if own.largest is not None:
            styles, peak = normalize_styles(styles)
            factors = factors * peak * own.largest
            limit = HALF_CLAMP * gain / SQRT2 if limit is None else limit
        if noise is not None:
            noise = noise * own.noise_strength
        # A compiler fuses by itself, and cannot trace what is written into memory used before.
        if not self.weight.requires_grad and not torch.compiler.is_compiling():
            return run_frozen_layer(
                x,
                styles,
                factors * gain,
                weight=own.weight,
                bias=own.bias,
                shift=own.shift,
                noise=noise,
                kernel=own.kernel,
                slope=LRELU_SLOPE,
                limit=limit,
            )
        x = modulated_conv2d(x, own.weight, styles, up=self.up)
        if own.kernel is not None:
            x = filter_2d(x, own.kernel, padding=1)
        x = torch.addcmul(own.shift, x, (factors * gain).to(x.dtype)[:, :, None, None])
        if noise is not None:
            x = x + noise.to(x.dtype)
        x = F.leaky_relu(x, LRELU_SLOPE, inplace=True)
        return x if limit is None else x.clamp(-limit, limit)

    def _prepare(self, dtype: torch.dtype, gain: float) -> LayerWeights:
        """Bring the weights into the form in which activations of a type meet them."""
        weight: Tensor = self.weight
        energy, largest = measure_energy(weight), None
        if dtype is torch.float16:
            weight, largest = normalize_weight(weight)
        bias = self.bias * gain
        return LayerWeights(
            weight=weight.to(dtype),
            energy=energy,
            largest=largest,
            bias=bias,
            shift=bias.to(dtype)[None, :, None, None],
            noise_strength=self.noise_strength * gain,
            kernel=(self.resample_filter * 4.0).to(dtype) if self.up else None,
        )


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
        self._kept: Kept[Tensor] = Kept()

    def forward(self, x: Tensor, *, gain: float) -> Tensor:
        """Map [n, c_in, h, w] to [n, c_out, 2h, 2w]."""
        weight = self._kept.get(
            lambda: (self.weight * (self.weight_gain * gain)).to(x.dtype),
            sources=(self.weight,),
            given=(x.dtype, gain),
        )
        x = F.conv2d(x, weight)
        return upsample_2d(x, self.resample_filter)
