"""StyleGAN3 (configurations t and r) in plain torch: alias-free synthesis.

Parameter names are those of NVIDIA's stylegan3. The filters are part of its files, so they are
buffers here and nothing designs them.
"""

import dataclasses
import math
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mocotool.generators.base import Generator, NoiseMode, Space, expand_ws
from mocotool.generators.kept import Kept
from mocotool.generators.stylegan2 import MappingNetwork
from mocotool.generators.stylegan2_layers import (
    LRELU_SLOPE,
    SQRT2,
    FullyConnectedLayer,
    demodulation_factors,
    measure_energy,
)


@dataclasses.dataclass(frozen=True, slots=True)
class LayerGeometry:
    """Sizes and rates on both sides of one layer."""

    in_channels: int
    out_channels: int
    in_size: int
    out_size: int
    in_rate: int
    out_rate: int
    is_torgb: bool
    is_critical: bool


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SynthesisPlan:
    """What decides the geometry of the synthesis; the names and defaults are the original's."""

    img_resolution: int
    img_channels: int = 3
    channel_base: int = 32768
    channel_max: int = 512
    num_layers: int = 14
    num_critical: int = 2
    first_cutoff: float = 2.0
    first_stopband: float = 2.0**2.1
    last_stopband_rel: float = 2.0**0.3
    margin_size: int = 10
    output_scale: float = 0.25
    conv_kernel: int = 3
    filter_size: int = 6
    lrelu_upsampling: int = 2
    use_radial_filters: bool = False
    conv_clamp: float | None = 256.0

    def layers(self) -> list[LayerGeometry]:
        """Return the layers' geometry, the image layer last."""
        cutoffs, rates = self.cutoffs(), self.rates()
        sizes = rates + 2 * self.margin_size
        sizes[-2:] = self.img_resolution
        channels = np.rint(np.minimum(self.channel_base / 2 / cutoffs, self.channel_max))
        channels[-1] = self.img_channels
        before = [0, *range(self.num_layers)]
        return [
            LayerGeometry(
                in_channels=int(channels[prev]),
                out_channels=int(channels[idx]),
                in_size=int(sizes[prev]),
                out_size=int(sizes[idx]),
                in_rate=int(rates[prev]),
                out_rate=int(rates[idx]),
                is_torgb=idx == self.num_layers,
                is_critical=idx >= self.num_layers - self.num_critical,
            )
            for idx, prev in enumerate(before)
        ]

    def exponents(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return each layer's position between the first and the last frequency, 0 to 1."""
        steps = np.arange(self.num_layers + 1, dtype=np.float64)
        return np.minimum(steps / (self.num_layers - self.num_critical), 1.0)

    def cutoffs(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return each layer's cutoff frequency, [num_layers + 1]."""
        ratio = self.img_resolution / 2 / self.first_cutoff
        return np.asarray(self.first_cutoff * ratio ** self.exponents())

    def rates(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return each layer's sampling rate, a power of two, [num_layers + 1]."""
        last_stopband = self.img_resolution / 2 * self.last_stopband_rel
        ratio = last_stopband / self.first_stopband
        stopbands = self.first_stopband * ratio ** self.exponents()
        return np.exp2(np.ceil(np.log2(np.minimum(2 * stopbands, self.img_resolution))))


class FourierInput(nn.Module):
    """Sinusoids over the picture plane, rotated and translated by the first latent."""

    transform: Tensor
    freqs: Tensor
    phases: Tensor

    def __init__(
        self, *, w_dim: int, channels: int, size: int, rate: float, bandwidth: float
    ) -> None:
        super().__init__()
        self.size = size
        self.rate = rate
        self.bandwidth = bandwidth
        self.weight = nn.Parameter(torch.randn(channels, channels))
        self.affine = FullyConnectedLayer(w_dim, 4)
        self.register_buffer("transform", torch.eye(3))
        self.register_buffer("freqs", torch.randn(channels, 2))
        self.register_buffer("phases", torch.rand(channels))
        self._kept: Kept[Tensor] = Kept()

    def forward(self, w: Tensor) -> Tensor:
        """Map w [n, w_dim] to [n, channels, size, size]."""
        freqs, phases = self.move(w)
        # Fade out what the transform pushed beyond the band.
        room = self.rate / 2 - self.bandwidth
        amplitudes = (1 - (freqs.norm(dim=2) - self.bandwidth) / room).clamp(0, 1)  # [n, c]
        # Pixel centres, in units of the picture, from -reach to reach.
        reach = 0.5 * self.size / self.rate
        steps = torch.arange(self.size, device=w.device, dtype=torch.float32)
        line = (2 * steps + 1 - self.size) * (reach / self.size)  # [size]
        along_x = line[None, None, :] * freqs[:, :, :1]  # [n, c, size]
        along_y = line[None, None, :] * freqs[:, :, 1:]
        angle = along_y[..., :, None] + along_x[..., None, :] + phases[..., None, None]
        waves = torch.sin(angle * (2 * math.pi)) * amplitudes[..., None, None]  # [n, c, h, w]
        weight = self._kept.get(
            lambda: self.weight / math.sqrt(len(self.weight)), sources=(self.weight,)
        )
        return F.conv2d(waves, weight[:, :, None, None])

    def move(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """Return frequencies [n, c, 2] and phases [n, c] after each sample's rotation and shift."""
        t = self.affine(w)
        t = t / t[:, :2].norm(dim=1, keepdim=True)
        cos, sin, shift_x, shift_y = t.unbind(dim=1)
        zero, one = torch.zeros_like(cos), torch.ones_like(cos)
        rotation = torch.stack([cos, -sin, zero, sin, cos, zero, zero, zero, one], dim=1)
        shift = torch.stack([one, zero, -shift_x, zero, one, -shift_y, zero, zero, one], dim=1)
        # The picture is rotated first, then moved, and last comes what the user asked for.
        total = rotation.view(-1, 3, 3) @ shift.view(-1, 3, 3) @ self.transform  # [n, 3, 3]
        phases = self.phases + (self.freqs @ total[:, :2, 2:]).squeeze(2)
        return self.freqs @ total[:, :2, :2], phases


class FilteredLayer(nn.Module):
    """Modulated convolution, then a leaky ReLU between up- and down-sampling."""

    up_filter: Tensor | None
    down_filter: Tensor | None
    magnitude_ema: Tensor

    def __init__(self, geometry: LayerGeometry, plan: SynthesisPlan, *, w_dim: int) -> None:
        super().__init__()
        kernel = 1 if geometry.is_torgb else plan.conv_kernel
        highest = max(geometry.in_rate, geometry.out_rate)
        inner_rate = highest * (1 if geometry.is_torgb else plan.lrelu_upsampling)
        self.geometry = geometry
        self.conv_clamp = plan.conv_clamp
        self.up = inner_rate // geometry.in_rate
        self.down = inner_rate // geometry.out_rate
        up_taps = 1 if self.up == 1 or geometry.is_torgb else plan.filter_size * self.up
        down_taps = 1 if self.down == 1 or geometry.is_torgb else plan.filter_size * self.down
        is_radial = plan.use_radial_filters and not geometry.is_critical
        self.affine = FullyConnectedLayer(w_dim, geometry.in_channels, bias_init=1.0)
        self.weight = nn.Parameter(
            torch.randn(geometry.out_channels, geometry.in_channels, kernel, kernel)
        )
        self.bias = nn.Parameter(torch.zeros(geometry.out_channels))
        self.register_buffer("magnitude_ema", torch.ones([]))
        self.register_buffer("up_filter", _empty_filter(up_taps, is_radial=False))
        self.register_buffer("down_filter", _empty_filter(down_taps, is_radial=is_radial))
        # Inner samples needed, less what the convolution gives, plus what the filters eat.
        padding = (geometry.out_size - 1) * self.down + 1
        padding -= (geometry.in_size + kernel - 1) * self.up
        padding += up_taps + down_taps - 2
        before = (padding + self.up) // 2
        self.padding = (before, padding - before)
        self._kept: Kept[tuple[Tensor, Tensor | None]] = Kept()

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Map x [n, c_in, h, w] with latents w [n, w_dim] to [n, c_out, h', w']."""
        x = self.convolve(x, self.affine(w))
        x = x + self.bias.to(x.dtype)[None, :, None, None]
        x = upsample_filtered(x, self.up_filter, self.up, self.padding)
        if not self.geometry.is_torgb:
            x = F.leaky_relu(x, LRELU_SLOPE, inplace=True) * SQRT2
        if self.conv_clamp is not None:
            x = x.clamp(-self.conv_clamp, self.conv_clamp)
        return downsample_filtered(x, self.down_filter, self.down)

    def convolve(self, x: Tensor, styles: Tensor) -> Tensor:
        """Convolve with weights scaled by each sample's styles [n, c_in]."""
        weight, energy = self._kept.get(
            lambda: self._prepare(x.dtype), sources=(self.weight,), given=x.dtype
        )
        if energy is None:
            factors = None
            styles = styles / math.sqrt(weight[0].numel())
        else:
            styles = styles * styles.square().mean(dim=1, keepdim=True).rsqrt()
            factors = demodulation_factors(energy, styles)
        styles = styles * self.magnitude_ema.rsqrt()
        x = x * styles.to(x.dtype)[:, :, None, None]
        x = F.conv2d(x, weight, padding=weight.shape[-1] - 1)
        return x if factors is None else x * factors.to(x.dtype)[:, :, None, None]

    def _prepare(self, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
        """Return the weight in the type of the activations, and its energy where that counts."""
        weight: Tensor = self.weight
        if self.geometry.is_torgb:
            return weight.to(dtype), None
        weight = weight * weight.square().mean(dim=(1, 2, 3), keepdim=True).rsqrt()
        return weight.to(dtype), measure_energy(weight)


def _empty_filter(taps: int, *, is_radial: bool) -> Tensor | None:
    if taps == 1:
        return None
    return torch.zeros(taps, taps) if is_radial else torch.zeros(taps)


def upsample_filtered(
    x: Tensor, kernel: Tensor | None, factor: int, padding: tuple[int, int]
) -> Tensor:
    """Spread x [n, c, h, w] by `factor` with zeros, pad, and filter, on both axes.

    Args:
        x: The signal.
        kernel: Taps of the filter [k], or `None` for none.
        factor: How many samples each becomes; the gain keeps the amplitude.
        padding: Zeros before and after, counted in the dense signal; negative ones crop.

    Returns:
        [n, c, h', w'], h' = h * factor + sum(padding) - k + 1.
    """
    if kernel is None:
        return F.pad(x, (*padding, *padding))
    taps = len(kernel)
    # The transposed convolution gives every sample that a filter of zeros-stuffed data could give,
    # less the factor - 1 last ones: shift to the one that the padding asks for.
    first = taps - 1 - padding[0]
    for axis in (2, 3):
        shape = [1, 1, 1, 1]
        shape[axis] = taps
        stride = (factor, 1) if axis == 2 else (1, factor)
        weight = (kernel * factor).to(x.dtype).view(shape).expand(x.shape[1], -1, -1, -1)
        wanted = x.shape[axis] * factor + sum(padding) - taps + 1
        x = F.conv_transpose2d(x, weight, stride=stride, groups=x.shape[1])
        rest = wanted + first - x.shape[axis]
        x = F.pad(x, (0, 0, -first, rest) if axis == 2 else (-first, rest))
    return x


def downsample_filtered(x: Tensor, kernel: Tensor | None, factor: int) -> Tensor:
    """Filter x [n, c, h, w] and keep every `factor`-th sample, on both axes.

    Args:
        x: The signal.
        kernel: [k] for a separable filter, [k, k] for a radial one, `None` for none.
        factor: How many samples become one.

    Returns:
        [n, c, h', w'], h' = ceil((h - k + 1) / factor).
    """
    channels = x.shape[1]
    if kernel is None:
        return x[:, :, ::factor, ::factor]
    if kernel.ndim == 2:
        weight = kernel.flip(0, 1).to(x.dtype).expand(channels, 1, -1, -1)
        return F.conv2d(x, weight, stride=factor, groups=channels)
    weight = kernel.flip(0).to(x.dtype).expand(channels, 1, 1, -1)
    x = F.conv2d(x, weight, stride=(1, factor), groups=channels)
    return F.conv2d(x, weight.transpose(2, 3), stride=(factor, 1), groups=channels)


class SynthesisNetwork(nn.Module):
    """w to image."""

    def __init__(self, plan: SynthesisPlan, *, w_dim: int) -> None:
        super().__init__()
        self.w_dim = w_dim
        self.num_ws = plan.num_layers + 2
        self.output_scale = plan.output_scale
        self.compute_dtype = torch.float32
        layers = plan.layers()
        self.input: FourierInput = FourierInput(
            w_dim=w_dim,
            channels=layers[0].in_channels,
            size=layers[0].in_size,
            rate=float(layers[0].in_rate),
            bandwidth=float(plan.cutoffs()[0]),
        )
        self.layer_names = []
        for idx, geometry in enumerate(layers):
            name = f"L{idx}_{geometry.out_size}_{geometry.out_channels}"
            setattr(self, name, FilteredLayer(geometry, plan, w_dim=w_dim))
            self.layer_names.append(name)

    def forward(
        self,
        latent: Tensor,
        *,
        labels: Tensor | None = None,
        noise_mode: NoiseMode = "const",
        noise: list[Tensor] | None = None,
    ) -> Tensor:
        """Render latents; see `base.Synthesis`. There is no per-pixel noise in StyleGAN3."""
        del labels, noise_mode, noise
        ws = expand_ws(latent, num_ws=self.num_ws, latent_dim=self.w_dim).to(torch.float32)
        x: Tensor = self.input(ws[:, 0]).to(self.compute_dtype)
        for idx, name in enumerate(self.layer_names, start=1):
            x = getattr(self, name)(x, ws[:, idx])
        return x.to(torch.float32) * self.output_scale


class StyleGAN3(Generator):
    """StyleGAN3 of configuration t (translation) or r (rotation as well).

    Args:
        z_dim: Size of z.
        w_dim: Size of w.
        c_dim: Number of classes, 0 for none.
        num_mapping_layers: Depth of the mapping network.
        mapping_lr_multiplier: Its learning-rate multiplier; part of the weights' meaning.
        **plan: The fields of `SynthesisPlan`.
    """

    kind: ClassVar[str] = "stylegan3"
    space: ClassVar[Space] = "w"

    def __init__(
        self,
        *,
        z_dim: int,
        w_dim: int,
        c_dim: int = 0,
        num_mapping_layers: int = 2,
        mapping_lr_multiplier: float = 0.01,
        **plan: Any,
    ) -> None:
        super().__init__()
        synthesis_plan = SynthesisPlan(**plan)
        self._arch = {
            "z_dim": z_dim,
            "w_dim": w_dim,
            "c_dim": c_dim,
            "num_mapping_layers": num_mapping_layers,
            "mapping_lr_multiplier": mapping_lr_multiplier,
        } | dataclasses.asdict(synthesis_plan)
        self.resolution = synthesis_plan.img_resolution
        self.img_channels = synthesis_plan.img_channels
        self.z_dim = z_dim
        self.latent_dim = w_dim
        self.c_dim = c_dim
        self.mapping: MappingNetwork = MappingNetwork(
            z_dim=z_dim,
            c_dim=c_dim,
            w_dim=w_dim,
            num_layers=num_mapping_layers,
            lr_multiplier=mapping_lr_multiplier,
        )
        self.synthesis: SynthesisNetwork = SynthesisNetwork(synthesis_plan, w_dim=w_dim)
        self.num_ws = self.synthesis.num_ws

    @property
    def latent_mean(self) -> Tensor | None:
        """The mean of w, [w_dim]."""
        return self.mapping.w_avg
