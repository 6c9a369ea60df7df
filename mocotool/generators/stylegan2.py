"""StyleGAN2 in plain torch: mapping and synthesis, without a compiled extension.

Parameter names are those of stylegan2-ada-pytorch, which are also the names in our native files.
Two choices make it quick. A modulated convolution scales activations instead of weights, so that a
whole batch shares one ordinary convolution. And resampling never builds a zero-stuffed picture:
up-sampling is a strided transposed convolution followed by the FIR filter.
"""

import math
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F  # noqa: N812 - the name everyone knows
from torch import Tensor, nn

from mocotool.errors import MismatchError
from mocotool.generators.base import Generator, NoiseMode, Space, expand_ws

Architecture = Literal["skip", "resnet", "orig"]

LRELU_SLOPE = 0.2
SQRT2 = math.sqrt(2.0)
RESAMPLE_TAPS = (1, 3, 3, 1)
DEMODULATION_EPS = 1e-8


def fir_kernel(gain: float = 1.0) -> Tensor:
    """Return the [1, 3, 3, 1] low-pass filter as a [4, 4] kernel whose sum is `gain`."""
    taps = torch.tensor(RESAMPLE_TAPS, dtype=torch.float32)
    kernel = torch.outer(taps, taps)
    return kernel * (gain / kernel.sum())


def filter_2d(x: Tensor, kernel: Tensor, *, padding: int) -> Tensor:
    """Filter each channel of [n, c, h, w] with one symmetric [k, k] kernel."""
    channels = x.shape[1]
    weight = kernel.to(x.dtype).expand(channels, 1, -1, -1)
    return F.conv2d(x, weight, padding=padding, groups=channels)


def upsample_2d(x: Tensor, kernel: Tensor) -> Tensor:
    """Double height and width with the FIR `kernel` [4, 4] (sum 1).

    The transposed convolution does what zero stuffing and filtering would, without the zeros.
    """
    channels = x.shape[1]
    weight = (kernel * 4.0).to(x.dtype).expand(channels, 1, -1, -1)
    return F.conv_transpose2d(x, weight, stride=2, padding=1, groups=channels)


def downsample_2d(x: Tensor, kernel: Tensor) -> Tensor:
    """Halve height and width with the FIR `kernel` [4, 4] (sum 1)."""
    # Filtering everything and keeping every second pixel beats a strided depthwise convolution,
    # whose gradient oneDNN computes about ten times slower.
    return filter_2d(x, kernel, padding=1)[:, :, ::2, ::2]


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


class MappingNetwork(nn.Module):
    """z (and class) to w."""

    w_avg: Tensor

    def __init__(
        self, *, z_dim: int, c_dim: int, w_dim: int, num_layers: int, lr_multiplier: float = 0.01
    ) -> None:
        super().__init__()
        self.num_layers = num_layers
        self.c_dim = c_dim
        if c_dim:
            self.embed = FullyConnectedLayer(c_dim, w_dim)
        widths = [z_dim + (w_dim if c_dim else 0)] + [w_dim] * num_layers
        for i in range(num_layers):
            layer = FullyConnectedLayer(
                widths[i], widths[i + 1], activation="lrelu", lr_multiplier=lr_multiplier
            )
            setattr(self, f"fc{i}", layer)
        self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(self, z: Tensor, c: Tensor | None = None, *, truncation_psi: float = 1.0) -> Tensor:
        """Map z [n, z_dim] and one-hot c [n, c_dim] to w [n, w_dim]; see `base.Mapping`."""
        x = normalize_2nd_moment(z.to(torch.float32))
        if self.c_dim:
            if c is None:
                raise MismatchError(f"the generator needs a class, one-hot [n, {self.c_dim}]")
            x = torch.cat([x, normalize_2nd_moment(self.embed(c.to(torch.float32)))], dim=1)
        for i in range(self.num_layers):
            x = getattr(self, f"fc{i}")(x)
        return x if truncation_psi == 1.0 else self.w_avg.lerp(x, truncation_psi)


def modulated_conv2d(
    x: Tensor, weight: Tensor, styles: Tensor, *, demodulate: bool = True, up: bool = False
) -> tuple[Tensor, Tensor | None]:
    """Convolve with weights scaled by each sample's styles, all samples in one convolution.

    Scaling the input channels and then the output channels gives what scaling the weights gives,
    because a convolution is linear in both.

    Args:
        x: [n, c_in, h, w].
        weight: [c_out, c_in, k, k], shared by all samples.
        styles: [n, c_in].
        demodulate: Whether the caller is to scale each output channel to unit weight norm.
        up: Stride-2 transposed convolution; the caller filters its [n, c_out, 2h+1, 2w+1] result.

    Returns:
        The convolution [n, c_out, h', w'], and the demodulation factors [n, c_out] that are still
        to be multiplied in (so that the caller can fuse them with bias and gain).
    """
    factors = None
    if demodulate:
        energy = weight.to(torch.float32).square().sum(dim=(2, 3))  # [c_out, c_in]
        factors = (styles.square() @ energy.t() + DEMODULATION_EPS).rsqrt()
    x = x * styles.to(x.dtype)[:, :, None, None]
    weight = weight.to(x.dtype)
    if up:
        return F.conv_transpose2d(x, weight.transpose(0, 1), stride=2), factors
    return F.conv2d(x, weight, padding=weight.shape[-1] // 2), factors


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
        resolution: int,
        up: bool = False,
        conv_clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.up = up
        self.resolution = resolution
        self.conv_clamp = conv_clamp
        self.affine = FullyConnectedLayer(w_dim, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.noise_strength = nn.Parameter(torch.zeros([]))
        self.register_buffer("noise_const", torch.randn(resolution, resolution))
        self.register_buffer("resample_filter", fir_kernel())

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None, *, gain: float = 1.0) -> Tensor:
        """Map x [n, c_in, h, w] with latents w [n, w_dim] to [n, c_out, h', w'].

        Args:
            x: Activations.
            w: One latent a sample.
            noise: [n or 1, 1, h', w'], or `None` for no noise.
            gain: Factor on the output.
        """
        styles = self.affine(w)
        x, factors = modulated_conv2d(x, self.weight, styles, up=self.up)
        if self.up:
            x = filter_2d(x, self.resample_filter * 4.0, padding=1)
        # A leaky ReLU commutes with positive factors, so its gain goes in with the demodulation.
        assert factors is not None
        gain *= SQRT2
        bias = (self.bias * gain).to(x.dtype)[None, :, None, None]
        x = torch.addcmul(bias, x, (factors * gain).to(x.dtype)[:, :, None, None])
        if noise is not None:
            x = x + (noise * (self.noise_strength * gain)).to(x.dtype)
        x = F.leaky_relu(x, LRELU_SLOPE, inplace=True)
        if self.conv_clamp is not None:
            limit = self.conv_clamp * gain / SQRT2
            x = x.clamp(-limit, limit)
        return x


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
        weight = (self.weight[None, :, :, 0, 0] * styles[:, None, :]).to(x.dtype)  # [n, img, c_in]
        pixels = x.permute(0, 2, 3, 1).reshape(n, height * width, -1)  # [n, h*w, c_in]
        y = torch.matmul(pixels, weight.transpose(1, 2)).to(torch.float32)  # [n, h*w, img]
        y = y + self.bias
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


class SynthesisBlock(nn.Module):
    """The layers of one resolution."""

    resample_filter: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        w_dim: int,
        resolution: int,
        img_channels: int,
        architecture: Architecture,
        is_last: bool,
        conv_clamp: float | None,
    ) -> None:
        super().__init__()
        self.architecture = architecture
        self.is_first = in_channels == 0
        self.num_conv = 1 if self.is_first else 2
        self.register_buffer("resample_filter", fir_kernel())
        if self.is_first:
            self.const = nn.Parameter(torch.randn(out_channels, resolution, resolution))
        else:
            self.conv0 = SynthesisLayer(
                in_channels,
                out_channels,
                w_dim=w_dim,
                resolution=resolution,
                up=True,
                conv_clamp=conv_clamp,
            )
        self.conv1 = SynthesisLayer(
            out_channels, out_channels, w_dim=w_dim, resolution=resolution, conv_clamp=conv_clamp
        )
        self.has_torgb = is_last or architecture == "skip"
        if self.has_torgb:
            self.torgb = ToRGBLayer(out_channels, img_channels, w_dim=w_dim, conv_clamp=conv_clamp)
        if not self.is_first and architecture == "resnet":
            self.skip = UpsamplingShortcut(in_channels, out_channels)

    def forward(
        self,
        x: Tensor | None,
        img: Tensor | None,
        ws: Tensor,
        noise: list[Tensor | None],
        dtype: torch.dtype,
    ) -> tuple[Tensor, Tensor | None]:
        """Run the block.

        Args:
            x: Activations of the block before, [n, c_in, h/2, w/2]; `None` for the first block.
            img: The picture so far, [n, img_channels, h/2, w/2], or `None`.
            ws: [n, num_conv + 1, w_dim]; the last one is for the image layer.
            noise: One map or `None` a convolution.
            dtype: What convolutions compute in.

        Returns:
            Activations [n, c_out, h, w] and the picture so far at this resolution.
        """
        if x is None:
            x = self.const.to(dtype).expand(len(ws), -1, -1, -1)
            x = x.contiguous(memory_format=torch.channels_last)
            x = self.conv1(x, ws[:, 0], noise[0])
        elif self.architecture == "resnet":
            gain = math.sqrt(0.5)
            shortcut = self.skip(x, gain=gain)
            x = self.conv0(x, ws[:, 0], noise[0])
            x = self.conv1(x, ws[:, 1], noise[1], gain=gain)
            x = x + shortcut
        else:
            x = self.conv0(x, ws[:, 0], noise[0])
            x = self.conv1(x, ws[:, 1], noise[1])
        if img is not None:
            img = upsample_2d(img, self.resample_filter)
        if self.has_torgb:
            rgb = self.torgb(x, ws[:, self.num_conv])
            img = rgb if img is None else img + rgb
        return x, img


class SynthesisNetwork(nn.Module):
    """w to image, from 4x4 up."""

    def __init__(
        self,
        *,
        w_dim: int,
        img_resolution: int,
        img_channels: int,
        channels: list[int],
        architecture: Architecture,
        conv_clamp: float | None,
    ) -> None:
        super().__init__()
        self.w_dim = w_dim
        self.compute_dtype = torch.float32
        self.block_resolutions = [2**i for i in range(2, int(math.log2(img_resolution)) + 1)]
        for i, resolution in enumerate(self.block_resolutions):
            block = SynthesisBlock(
                channels[i - 1] if i else 0,
                channels[i],
                w_dim=w_dim,
                resolution=resolution,
                img_channels=img_channels,
                architecture=architecture,
                is_last=resolution == img_resolution,
                conv_clamp=conv_clamp,
            )
            setattr(self, f"b{resolution}", block)
        self.num_ws = 2 * len(self.block_resolutions)

    def layers(self) -> list[SynthesisLayer]:
        """Return the noisy layers, in the order the picture passes them."""
        return [layer for layer in self.modules() if isinstance(layer, SynthesisLayer)]

    def choose_noise(
        self, n: int, noise_mode: NoiseMode, noise: list[Tensor] | None
    ) -> list[Tensor | None]:
        """Return one noise map or `None` a convolution."""
        layers = self.layers()
        if noise is not None:
            return list(noise)
        if noise_mode == "const":
            return [layer.noise_const[None, None] for layer in layers]
        if noise_mode == "random":
            return list(draw_noise_maps(layers, n))
        return [None] * len(layers)

    def forward(
        self,
        latent: Tensor,
        *,
        labels: Tensor | None = None,
        noise_mode: NoiseMode = "const",
        noise: list[Tensor] | None = None,
    ) -> Tensor:
        """Render latents; see `base.Synthesis`."""
        del labels  # classes enter through the mapping
        ws = expand_ws(latent, num_ws=self.num_ws, latent_dim=self.w_dim)
        maps = self.choose_noise(len(ws), noise_mode, noise)
        x: Tensor | None = None
        img: Tensor | None = None
        layer_idx = 0
        for resolution in self.block_resolutions:
            block = getattr(self, f"b{resolution}")
            # The image layer shares its latent with the next block's first convolution.
            block_ws = ws[:, layer_idx : layer_idx + block.num_conv + 1]
            block_maps = maps[layer_idx : layer_idx + block.num_conv]
            x, img = block(x, img, block_ws, block_maps, self.compute_dtype)
            layer_idx += block.num_conv
        assert img is not None
        return img


def draw_noise_maps(
    layers: list[SynthesisLayer], n: int, *, rng: torch.Generator | None = None
) -> list[Tensor]:
    """Draw N(0, 1) maps [n, 1, h, w] for each layer."""
    device = layers[0].noise_const.device
    return [
        torch.randn(n, 1, layer.resolution, layer.resolution, device=device, generator=rng)
        for layer in layers
    ]


def default_channels(
    resolution: int, *, channel_base: int = 32768, channel_max: int = 512
) -> list[int]:
    """Return the number of channels at 4, 8, ..., `resolution` pixels."""
    return [
        min(channel_base // 2**i, channel_max) for i in range(2, int(math.log2(resolution)) + 1)
    ]


class StyleGAN2(Generator):
    """StyleGAN2 of any width, depth and architecture.

    Args:
        z_dim: Size of z.
        w_dim: Size of w.
        c_dim: Number of classes, 0 for none.
        img_resolution: A power of two from 4 up.
        img_channels: 3 for RGB.
        channels: Channels at 4, 8, ..., `img_resolution` pixels.
        num_mapping_layers: Depth of the mapping network.
        mapping_lr_multiplier: Its learning-rate multiplier; part of the weights' meaning.
        architecture: "skip", "resnet" or "orig".
        conv_clamp: Limit on activations, as in files trained with half precision, or `None`.
    """

    kind: ClassVar[str] = "stylegan2"
    space: ClassVar[Space] = "w"

    def __init__(
        self,
        *,
        z_dim: int,
        w_dim: int,
        c_dim: int = 0,
        img_resolution: int,
        img_channels: int = 3,
        channels: list[int],
        num_mapping_layers: int = 8,
        mapping_lr_multiplier: float = 0.01,
        architecture: Architecture = "skip",
        conv_clamp: float | None = None,
    ) -> None:
        super().__init__()
        self._arch = {
            "z_dim": z_dim,
            "w_dim": w_dim,
            "c_dim": c_dim,
            "img_resolution": img_resolution,
            "img_channels": img_channels,
            "channels": list(channels),
            "num_mapping_layers": num_mapping_layers,
            "mapping_lr_multiplier": mapping_lr_multiplier,
            "architecture": architecture,
            "conv_clamp": conv_clamp,
        }
        self.resolution = img_resolution
        self.img_channels = img_channels
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
        self.synthesis: SynthesisNetwork = SynthesisNetwork(
            w_dim=w_dim,
            img_resolution=img_resolution,
            img_channels=img_channels,
            channels=channels,
            architecture=architecture,
            conv_clamp=conv_clamp,
        )
        self.num_ws = self.synthesis.num_ws

    @property
    def arch(self) -> dict[str, Any]:
        """The keyword arguments that build this network again, as JSON values."""
        return dict(self._arch)

    @property
    def latent_mean(self) -> Tensor | None:
        """The mean of w, [w_dim]."""
        return self.mapping.w_avg

    def draw_noise(self, n: int, *, rng: torch.Generator | None = None) -> list[Tensor]:
        """Draw per-pixel noise for `n` images; see `Generator.draw_noise`."""
        return draw_noise_maps(self.synthesis.layers(), n, rng=rng)
