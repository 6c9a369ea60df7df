"""StyleGAN2 in plain torch: mapping and synthesis, without a compiled extension.

Parameter names are those of stylegan2-ada-pytorch, which are also the names in our native files.
"""

import math
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from mocotool.errors import MismatchError
from mocotool.generators.base import Generator, NoiseMode, Space, expand_ws
from mocotool.generators.kept import Kept
from mocotool.generators.resampling import fir_kernel, upsample_2d
from mocotool.generators.stylegan2_layers import (
    FullyConnectedLayer,
    SynthesisLayer,
    ToRGBLayer,
    UpsamplingShortcut,
    normalize_2nd_moment,
)

Architecture = Literal["skip", "resnet", "orig"]


class MappingNetwork(nn.Module):
    """z (and class) to w."""

    w_avg: Tensor

    def __init__(
        self,
        *,
        z_dim: int,
        c_dim: int,
        w_dim: int,
        num_layers: int,
        lr_multiplier: float = 0.01,
        layer_features: int | None = None,
        embed_features: int | None = None,
        joint_normalization: bool = False,
    ) -> None:
        super().__init__()
        self.num_layers = num_layers
        self.joint_normalization = joint_normalization
        self.c_dim = c_dim
        if c_dim:
            self.embed = FullyConnectedLayer(c_dim, embed_features or w_dim)
        first = z_dim + ((embed_features or w_dim) if c_dim else 0)
        widths = [first, *[layer_features or w_dim] * (num_layers - 1), w_dim]
        for i in range(num_layers):
            layer = FullyConnectedLayer(
                widths[i], widths[i + 1], activation="lrelu", lr_multiplier=lr_multiplier
            )
            setattr(self, f"fc{i}", layer)
        self.register_buffer("w_avg", torch.zeros(w_dim))

    def forward(self, z: Tensor, c: Tensor | None = None, *, truncation_psi: float = 1.0) -> Tensor:
        """Map z [n, z_dim] and one-hot c [n, c_dim] to w [n, w_dim]; see `base.Mapping`."""
        parts = [z.to(torch.float32)]
        if self.c_dim:
            if c is None:
                raise MismatchError(f"the generator needs a class, one-hot [n, {self.c_dim}]")
            parts.append(self.embed(c.to(torch.float32)))
        if self.joint_normalization:
            x = normalize_2nd_moment(torch.cat(parts, dim=1))
        else:
            x = torch.cat([normalize_2nd_moment(part) for part in parts], dim=1)
        for i in range(self.num_layers):
            x = getattr(self, f"fc{i}")(x)
        return x if truncation_psi == 1.0 else self.w_avg.lerp(x, truncation_psi)


class SynthesisBlock(nn.Module):
    """The layers of one resolution."""

    resample_filter: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        w_dim: int,
        size: tuple[int, int],
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

        # the constant of the first block, or a doubling of the one before
        if self.is_first:
            self.const = nn.Parameter(torch.randn(out_channels, *size))
            self._kept: Kept[Tensor] = Kept()
        else:
            self.conv0 = SynthesisLayer(
                in_channels,
                out_channels,
                w_dim=w_dim,
                size=size,
                up=True,
                conv_clamp=conv_clamp,
            )

        self.conv1 = SynthesisLayer(
            out_channels, out_channels, w_dim=w_dim, size=size, conv_clamp=conv_clamp
        )

        # what adds the block to the picture or to the next resolution
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
            noise: One map or `None` per convolution.
            dtype: What convolutions compute in.

        Returns:
            Activations [n, c_out, h, w] and the picture so far at this resolution.
        """
        if x is None:
            x = self._kept.get(
                lambda: self.const.to(dtype), sources=(self.const,), given=dtype
            ).expand(ws.shape[0], -1, -1, -1)
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
        first_size: tuple[int, int],
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
                size=scale_size(first_size, resolution),
                img_channels=img_channels,
                architecture=architecture,
                is_last=resolution == img_resolution,
                conv_clamp=conv_clamp,
            )
            setattr(self, f"b{resolution}", block)
        self.num_ws = 2 * len(self.block_resolutions)

    def layers(self) -> list[SynthesisLayer]:
        """Return the noisy layers, in forward order."""
        return [layer for layer in self.modules() if isinstance(layer, SynthesisLayer)]

    def choose_noise(
        self, n: int, noise_mode: NoiseMode, noise: list[Tensor] | None
    ) -> list[Tensor | None]:
        """Return one noise map or `None` per convolution."""
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
        maps = self.choose_noise(ws.shape[0], noise_mode, noise)
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
    return [torch.randn(n, 1, *layer.size, device=device, generator=rng) for layer in layers]


def scale_size(first_size: tuple[int, int], resolution: int) -> tuple[int, int]:
    """Return the height and width of the block that a square network has at `resolution` pixels."""
    factor = resolution // 4
    return first_size[0] * factor, first_size[1] * factor


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
        layer_features: Width of the mapping's inner layers, where it is not `w_dim`.
        embed_features: Width of its embedding of classes, where it is not `w_dim`.
        joint_normalization: Whether z and the embedding are brought to unit length together, as in
            conditional networks from before StyleGAN2-ADA, and not each by itself.
        first_size: Height and width of the first block, where it is not 4 by 4: each block is twice
            as large as the one before, so that 4 by 7 makes pictures of 256 by 448 where
            `img_resolution` is 256.
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
        layer_features: int | None = None,
        embed_features: int | None = None,
        joint_normalization: bool = False,
        first_size: list[int] | None = None,
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
        # Named only where they are of their own, as in few files.
        own = {
            "layer_features": layer_features,
            "embed_features": embed_features,
            "first_size": first_size,
        }
        self._arch |= {"joint_normalization": True} if joint_normalization else {}
        self._arch |= {name: value for name, value in own.items() if value is not None}

        # what every generator says of itself
        height, width = first_size or (4, 4)
        self._img_size = scale_size((height, width), img_resolution)
        self.resolution = img_resolution
        self.img_channels = img_channels
        self.z_dim = z_dim
        self.latent_dim = w_dim
        self.c_dim = c_dim

        # the two networks
        self.mapping: MappingNetwork = MappingNetwork(
            z_dim=z_dim,
            c_dim=c_dim,
            w_dim=w_dim,
            num_layers=num_mapping_layers,
            lr_multiplier=mapping_lr_multiplier,
            layer_features=layer_features,
            embed_features=embed_features,
            joint_normalization=joint_normalization,
        )
        self.synthesis: SynthesisNetwork = SynthesisNetwork(
            w_dim=w_dim,
            img_resolution=img_resolution,
            img_channels=img_channels,
            channels=channels,
            architecture=architecture,
            conv_clamp=conv_clamp,
            first_size=(height, width),
        )
        self.num_ws = self.synthesis.num_ws

    @property
    def img_size(self) -> tuple[int, int]:
        """Height and width of the images, in pixels."""
        return self._img_size

    @property
    def latent_mean(self) -> Tensor | None:
        """The mean of w, [w_dim]."""
        return self.mapping.w_avg

    def draw_noise(self, n: int, *, rng: torch.Generator | None = None) -> list[Tensor]:
        """Draw per-pixel noise for `n` images; see `Generator.draw_noise`."""
        return draw_noise_maps(self.synthesis.layers(), n, rng=rng)
