"""Does a single frame look like a generated picture, and whose is it? D_I, with its embedding.

BigGAN's discriminator without attention and classes. Spectral normalisation is our own: its power
iteration runs when told to, in float32, so that two passes over the same input agree to the bit.
"""

import copy
import dataclasses
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812 - the name everyone knows
from torch import Tensor, nn

from mocotool.errors import ConfigError

HeadForm = Literal["shared", "separate"]

# Output channels of each block, in multiples of the width, and how many blocks halve the picture.
# Official code: D_img's table by resolution.
BLOCK_FACTORS: dict[int, tuple[int, ...]] = {
    256: (1, 2, 4, 8, 8, 16, 16),
    128: (1, 2, 4, 8, 16, 16),
    64: (1, 2, 4, 8, 16),
    32: (4, 4, 4, 4),
    16: (4, 4, 4),  # not the authors': for toys
}
NUM_DOWNSAMPLES = {256: 6, 128: 5, 64: 4, 32: 2, 16: 2}
SPECTRAL_EPS = 1e-12


class SpectralConv2d(nn.Conv2d):
    """A convolution whose weight is divided by its largest singular value."""

    u: Tensor

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size, padding=kernel_size // 2)
        nn.init.orthogonal_(self.weight)
        self.register_buffer("u", F.normalize(torch.randn(out_channels), dim=0))

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, c_in, h, w] to [n, c_out, h, w]."""
        assert self.bias is not None
        weight = spectral_weight(self.weight, self.u).to(x.dtype)
        return F.conv2d(x, weight, self.bias.to(x.dtype), padding=self.kernel_size[0] // 2)


class SpectralLinear(nn.Linear):
    """A linear layer whose weight is divided by its largest singular value."""

    u: Tensor

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)
        nn.init.orthogonal_(self.weight)
        self.register_buffer("u", F.normalize(torch.randn(out_features), dim=0))

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, in_features] to [n, out_features]."""
        return F.linear(x, spectral_weight(self.weight, self.u), self.bias)


def spectral_weight(weight: Tensor, u: Tensor) -> Tensor:
    """Divide a weight by its largest singular value, whose left vector is about `u` [c_out]."""
    matrix = weight.flatten(1)
    with torch.no_grad():
        v = F.normalize(matrix.t() @ u, dim=0, eps=SPECTRAL_EPS)
        u = F.normalize(matrix @ v, dim=0, eps=SPECTRAL_EPS)
    return weight / (u @ matrix @ v)


class DiscriminatorBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut, halving the picture or keeping its size."""

    def __init__(
        self, in_channels: int, out_channels: int, *, downsample: bool, is_first: bool
    ) -> None:
        super().__init__()
        self.downsample = downsample
        self.is_first = is_first
        self.conv1 = SpectralConv2d(in_channels, out_channels, 3)
        self.conv2 = SpectralConv2d(out_channels, out_channels, 3)
        has_shortcut = downsample or in_channels != out_channels
        self.shortcut = SpectralConv2d(in_channels, out_channels, 1) if has_shortcut else None

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, c_in, h, w] to [n, c_out, h', w']."""
        y: Tensor = self.conv1(x if self.is_first else F.relu(x))
        y = self.conv2(F.relu(y))
        # A 1x1 convolution and an average commute, so the shortcut always shrinks first.
        if self.downsample:
            y, x = F.avg_pool2d(y, 2), F.avg_pool2d(x, 2)
        y += x if self.shortcut is None else self.shortcut(x)
        return y


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ImageJudgement:
    """What D_I says of n images."""

    scores: Tensor
    """Raw scores [n]; high is "a first frame"."""
    embedding: Tensor
    """Where the projection head puts the images, [n, embed_dim], not normalised."""
    features: Tensor
    """The trunk's features summed over space, [n, 16 * width]."""


class ImageDiscriminator(nn.Module):
    """D_I: a score and an embedding for single frames.

    Args:
        resolution: 16, 32, 64, 128 or 256.
        width: Channels after the first block; 96 is the authors'.
        embed_dim: Size of the embedding and of the projection head's layers.
        head: "shared" puts the score behind the projection head's first layer (the authors' code),
            "separate" straight behind the trunk (the paper).
    """

    def __init__(
        self, resolution: int, *, width: int, embed_dim: int = 256, head: HeadForm = "shared"
    ) -> None:
        super().__init__()
        if resolution not in BLOCK_FACTORS:
            raise ConfigError(
                f"frame size {resolution}: the image discriminator takes "
                f"{', '.join(map(str, sorted(BLOCK_FACTORS)))}",
                hint="choose --frame-size among them",
            )
        self.head: HeadForm = head
        channels = [3, *(width * factor for factor in BLOCK_FACTORS[resolution])]
        self.blocks = nn.ModuleList(
            DiscriminatorBlock(
                channels[i],
                channels[i + 1],
                downsample=i < NUM_DOWNSAMPLES[resolution],
                is_first=i == 0,
            )
            for i in range(len(channels) - 1)
        )
        self.proj0 = SpectralLinear(channels[-1], embed_dim)
        if head == "shared":
            self.proj1 = SpectralLinear(embed_dim, embed_dim)
        self.proj2 = SpectralLinear(embed_dim, embed_dim)
        self.linear = SpectralLinear(embed_dim if head == "shared" else channels[-1], 1)

    def forward(self, img: Tensor) -> ImageJudgement:
        """Judge images [n, 3, resolution, resolution]; convolutions compute in their type."""
        x = img
        for block in self.blocks:
            x = block(x)
        features = F.relu(x).to(torch.float32).sum(dim=(2, 3))  # [n, 16 * width]
        projected = F.relu(self.proj0(features))
        if self.head == "shared":
            scores = self.linear(projected)
            embedding = self.proj2(F.relu(self.proj1(projected)))
        else:
            scores = self.linear(features)
            embedding = self.proj2(projected)
        return ImageJudgement(scores=scores[:, 0], embedding=embedding, features=features)

    @torch.no_grad()
    def iterate_spectral_norm(self) -> None:
        """Refine every layer's singular vector by one power iteration."""
        for layer in self.modules():
            if isinstance(layer, (SpectralConv2d, SpectralLinear)):
                matrix = layer.weight.flatten(1)
                v = F.normalize(matrix.t() @ layer.u, dim=0, eps=SPECTRAL_EPS)
                layer.u.copy_(F.normalize(matrix @ v, dim=0, eps=SPECTRAL_EPS))


def copy_frozen(network: nn.Module) -> nn.Module:
    """Return a copy that asks for no gradient, for a moving average."""
    return copy.deepcopy(network).requires_grad_(False)


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, *, decay: float) -> None:
    """Move the parameters of `average` towards those of `network`; buffers stay as they are."""
    targets = dict(network.named_parameters())
    for name, value in average.named_parameters():
        value.lerp_(targets[name].to(value.dtype), 1.0 - decay)
