"""BigGAN: class-conditional residual generator, z and class to image.

Parameter names are BigGAN-PyTorch's; spectral normalisation is folded into the weights when a file
is read, so these are ordinary layers.
"""

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mocotool.devices import to_device
from mocotool.errors import ConfigError, MismatchError
from mocotool.generators.base import Generator, NoiseMode, Space, drop_layer_axis
from mocotool.generators.dcgan import IdentityMapping
from mocotool.generators.kept import Kept


class CastConv2d(nn.Conv2d):
    """A convolution that computes in the type of what it is given."""

    def __init__(
        self, before: int, after: int, kernel_size: int, *, padding: int = 0, bias: bool = True
    ) -> None:
        super().__init__(before, after, kernel_size, padding=padding, bias=bias)
        self._kept: Kept[tuple[Tensor, Tensor | None]] = Kept()

    def forward(self, x: Tensor) -> Tensor:
        """Convolve [n, c_in, h, w]."""
        weight, bias = self._kept.get(
            lambda: self._cast(x.dtype),
            sources=(self.weight,) if self.bias is None else (self.weight, self.bias),
            given=x.dtype,
        )
        return F.conv2d(x, weight, bias, padding=self.padding)

    def _cast(self, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
        return self.weight.to(dtype), None if self.bias is None else self.bias.to(dtype)


class ConditionalNorm(nn.Module):
    """Batch normalisation whose gain and bias come from the class (and a part of z)."""

    stored_mean: Tensor
    stored_var: Tensor

    def __init__(self, channels: int, condition_dim: int, num_classes: int, *, eps: float) -> None:
        super().__init__()
        self.eps = eps
        if condition_dim:
            self.gain: nn.Module = nn.Linear(condition_dim, channels, bias=False)
            self.bias: nn.Module = nn.Linear(condition_dim, channels, bias=False)
        else:
            self.gain = nn.Embedding(num_classes, channels)
            self.bias = nn.Embedding(num_classes, channels)
        self.register_buffer("stored_mean", torch.zeros(channels))
        self.register_buffer("stored_var", torch.ones(channels))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Normalise [n, c, h, w]; `condition` is [n, condition_dim], or class indices [n]."""
        gain = 1.0 + self.gain(condition)  # [n, c]
        scale = gain * (self.stored_var + self.eps).rsqrt()
        shift = self.bias(condition) - self.stored_mean * scale
        return torch.addcmul(
            shift.to(x.dtype)[:, :, None, None], x, scale.to(x.dtype)[:, :, None, None]
        )


class PlainNorm(nn.Module):
    """Batch normalisation with a gain and a bias of its own."""

    stored_mean: Tensor
    stored_var: Tensor

    def __init__(self, channels: int, *, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.gain = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("stored_mean", torch.zeros(channels))
        self.register_buffer("stored_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise [n, c, h, w]."""
        scale = self.gain * (self.stored_var + self.eps).rsqrt()
        shift = self.bias - self.stored_mean * scale
        return x * scale.to(x.dtype)[:, None, None] + shift.to(x.dtype)[:, None, None]


class ResidualBlock(nn.Module):
    """Two convolutions at twice the size, beside a 1x1 shortcut."""

    def __init__(
        self, before: int, after: int, condition_dim: int, num_classes: int, *, eps: float
    ) -> None:
        super().__init__()
        self.conv1 = CastConv2d(before, after, 3, padding=1)
        self.conv2 = CastConv2d(after, after, 3, padding=1)
        self.conv_sc = CastConv2d(before, after, 1)
        self.bn1 = ConditionalNorm(before, condition_dim, num_classes, eps=eps)
        self.bn2 = ConditionalNorm(after, condition_dim, num_classes, eps=eps)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Map [n, c_in, h, w] to [n, c_out, 2h, 2w]."""
        y: Tensor = F.interpolate(F.relu(self.bn1(x, condition)), scale_factor=2)
        y = F.relu(self.bn2(self.conv1(y), condition))
        # A 1x1 convolution commutes with nearest-neighbour up-sampling: do it on the small side.
        shortcut = F.interpolate(self.conv_sc(x), scale_factor=2)
        y = self.conv2(y)
        return y + shortcut


class SelfAttention(nn.Module):
    """Attention over all pixels; the keys and values are at half the size."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.theta = CastConv2d(channels, channels // 8, 1, bias=False)
        self.phi = CastConv2d(channels, channels // 8, 1, bias=False)
        self.g = CastConv2d(channels, channels // 2, 1, bias=False)
        self.o = CastConv2d(channels // 2, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros([]))

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, c, h, w] to the same shape."""
        _, _, height, width = x.shape
        query = self.theta(x).flatten(2).transpose(1, 2)  # [n, h*w, c/8]
        key = F.max_pool2d(self.phi(x), 2).flatten(2).transpose(1, 2)  # [n, h*w/4, c/8]
        value = F.max_pool2d(self.g(x), 2).flatten(2).transpose(1, 2)  # [n, h*w/4, c/2]
        query, key, value = (part.unsqueeze(1) for part in (query, key, value))  # ONNX wants a head
        mixed: Tensor = F.scaled_dot_product_attention(query, key, value, scale=1.0)
        mixed = mixed.squeeze(1)  # [n, h*w, c/2]
        mixed = mixed.transpose(1, 2).unflatten(2, (height, width))
        mixed = self.o(mixed)
        return x + self.gamma.to(x.dtype) * mixed


class BigGANSynthesis(nn.Module):
    """z and class to image."""

    def __init__(
        self,
        *,
        z_dim: int,
        num_classes: int,
        shared_dim: int,
        is_hierarchical: bool,
        channels: list[int],
        img_channels: int,
        bottom_width: int,
        attention_blocks: list[int],
        bn_eps: float,
    ) -> None:
        super().__init__()
        self.z_dim = z_dim
        self.num_classes = num_classes
        self.is_hierarchical = is_hierarchical
        self.bottom_width = bottom_width
        self.compute_dtype = torch.float32
        num_blocks = len(channels) - 1
        self.chunk_dim = z_dim // (num_blocks + 1) if is_hierarchical else z_dim
        condition_dim = shared_dim + (self.chunk_dim if is_hierarchical else 0)
        self.shared = nn.Embedding(num_classes, shared_dim) if shared_dim else None
        self.linear = nn.Linear(self.chunk_dim, channels[0] * bottom_width**2)
        self.blocks = nn.ModuleList()
        for i, (before, after) in enumerate(zip(channels, channels[1:], strict=False)):
            block: list[nn.Module] = [
                ResidualBlock(before, after, condition_dim, num_classes, eps=bn_eps)
            ]
            if i in attention_blocks:
                block.append(SelfAttention(after))
            self.blocks.append(nn.ModuleList(block))
        self.output_layer = nn.Sequential(
            PlainNorm(channels[-1], eps=bn_eps),
            nn.ReLU(),
            CastConv2d(channels[-1], img_channels, 3, padding=1),
        )

    def conditions(self, latent: Tensor, labels: Tensor) -> list[Tensor]:
        """Return the condition of each block's normalisation, [n, condition_dim] or classes [n]."""
        if self.shared is None:
            return [labels] * len(self.blocks)
        embedded = self.shared(labels)  # [n, shared_dim]
        if not self.is_hierarchical:
            return [embedded] * len(self.blocks)
        chunks = latent.split(self.chunk_dim, dim=1)[1:]
        return [torch.cat([embedded, chunk], dim=1) for chunk in chunks]

    def forward(
        self,
        latent: Tensor,
        *,
        labels: Tensor | None = None,
        noise_mode: NoiseMode = "const",
        noise: list[Tensor] | None = None,
    ) -> Tensor:
        """Render latents; see `base.Synthesis`. `labels` are class indices [n]; no noise."""
        del noise_mode, noise
        latent = drop_layer_axis(latent, latent_dim=self.z_dim)
        conditions = self.conditions(latent, self.check_labels(labels, latent))
        x = self.linear(latent[:, : self.chunk_dim])
        x = x.unflatten(1, (-1, self.bottom_width, self.bottom_width)).to(self.compute_dtype)
        for block, condition in zip(self.blocks, conditions, strict=True):
            assert isinstance(block, nn.ModuleList)
            x = block[0](x, condition)
            for attention in block[1:]:
                x = attention(x)
        norm, _, conv = self.output_layer
        return torch.tanh(conv(F.relu(norm(x))).float())

    def check_labels(self, labels: Tensor | None, latent: Tensor) -> Tensor:
        """Return class indices int64 [n]; a generator with one class needs none.

        Raises:
            ConfigError: There are several classes and none was chosen, or one is out of range.
            MismatchError: There are not as many labels as latents.
        """
        if labels is None and self.num_classes == 1:
            return torch.zeros(len(latent), dtype=torch.int64, device=latent.device)
        last = self.num_classes - 1
        if labels is None:
            raise ConfigError(
                f"the generator has {self.num_classes} classes and none was chosen",
                hint=f"choose from 0 to {last}: --labels for `moco sample`, --label elsewhere",
            )
        if labels.shape != latent.shape[:1]:
            raise MismatchError(f"{list(labels.shape)} class labels for {len(latent)} latents")
        is_traced = torch.compiler.is_compiling()  # numbers are not known then
        if not is_traced and len(labels) and (labels.min() < 0 or labels.max() > last):
            raise ConfigError(f"class labels must be from 0 to {last}, got {labels.tolist()}")
        return to_device(labels, latent.device)


class BigGAN(Generator):
    """BigGAN of any width, depth and number of classes.

    Args:
        z_dim: Size of z, all its parts together.
        num_classes: Number of classes.
        shared_dim: Size of the class embedding that all blocks share; 0 for one per block.
        is_hierarchical: Whether each block gets a part of z of its own.
        channels: Channels before the first block and after each block.
        img_channels: 3 for RGB.
        bottom_width: Pixels of the first layer.
        attention_blocks: Blocks followed by self-attention.
        bn_eps: Added to the variance in batch normalisation.
    """

    kind: ClassVar[str] = "biggan"
    space: ClassVar[Space] = "z"

    def __init__(
        self,
        *,
        z_dim: int,
        num_classes: int,
        shared_dim: int,
        is_hierarchical: bool,
        channels: list[int],
        img_channels: int = 3,
        bottom_width: int = 4,
        attention_blocks: list[int],
        bn_eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self._arch = {
            "z_dim": z_dim,
            "num_classes": num_classes,
            "shared_dim": shared_dim,
            "is_hierarchical": is_hierarchical,
            "channels": list(channels),
            "img_channels": img_channels,
            "bottom_width": bottom_width,
            "attention_blocks": list(attention_blocks),
            "bn_eps": bn_eps,
        }
        self.resolution = bottom_width * 2 ** (len(channels) - 1)
        self.img_channels = img_channels
        self.z_dim = z_dim
        self.latent_dim = z_dim
        self.num_ws = 1
        self.c_dim = num_classes
        self.mapping: IdentityMapping = IdentityMapping()
        self.synthesis: BigGANSynthesis = BigGANSynthesis(**self._arch)
