"""D_I, the discriminator of single frames, with its embedding for the contrastive loss.

BigGAN's discriminator without attention and classes. Spectral normalisation is our own: in train
mode every pass makes one power iteration, in float32, and several passes may share one call.
"""

import copy
import dataclasses
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

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

    def forward(self, x: Tensor, num_passes: int = 1) -> Tensor:
        """Map [n, c_in, h, w] to [n, c_out, h, w], in the type of `x`.

        Args:
            x: What `num_passes` passes are over, one after the other, in equal parts.
            num_passes: How many passes this call stands for; each has a power iteration of its own.
        """
        singular = iterate_layer(self, num_passes)
        y: Tensor = _ConvolveSpectral.apply(x, self.weight, self.bias, *singular)
        return y


class SpectralLinear(nn.Linear):
    """A linear layer whose weight is divided by its largest singular value."""

    u: Tensor

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)
        nn.init.orthogonal_(self.weight)
        self.register_buffer("u", F.normalize(torch.randn(out_features), dim=0))

    def forward(self, x: Tensor, num_passes: int = 1) -> Tensor:
        """Map [n, in_features] to [n, out_features]; passes as in `SpectralConv2d`."""
        lefts, rights, _ = iterate_layer(self, num_passes)
        values = ((lefts @ self.weight) * rights).sum(dim=1)  # differentiable, [num_passes]
        return F.linear(x, self.weight) / spread_passes(values, len(x))[:, None] + self.bias


@torch.no_grad()
def iterate_layer(layer: SpectralConv2d | SpectralLinear, num_passes: int) -> tuple[Tensor, ...]:
    """Find the singular vectors and values that `num_passes` passes divide by.

    In train mode the layer keeps the last left vector, from which its next pass goes on.

    Returns:
        Left vectors [num_passes, c_out], right vectors [num_passes, m], values [num_passes].

    Source:
        Official code: torch.nn.utils.spectral_norm (an iteration in every forward call).
    """
    matrix, left = to_matrix(layer.weight), layer.u
    found = []
    for _ in range(num_passes):
        found.append(refine_singular(matrix, left))
        left = found[-1][0]
    if layer.training:
        layer.u.copy_(left)
    lefts, rights, values = (torch.stack(parts) for parts in zip(*found, strict=True))
    return lefts, rights, values


def refine_singular(matrix: Tensor, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Take one power iteration from `u` [c_out], for a matrix [c_out, d].

    Returns:
        Left and right singular vectors [c_out] and [d], and the singular value, a scalar.
    """
    v = F.normalize(matrix.t() @ u, dim=0, eps=SPECTRAL_EPS)
    image = matrix @ v
    value = image.norm().clamp(min=SPECTRAL_EPS)
    return image / value, v, value


def spread_passes(values: Tensor, n: int) -> Tensor:
    """Repeat the value of each pass for its inputs: [num_passes] -> [n]."""
    return values.repeat_interleave(n // len(values), output_size=n)


def to_matrix(weight: Tensor) -> Tensor:
    """View a weight as a matrix [c_out, ...], columns in the order they have in memory."""
    if weight.ndim == 4 and not weight.is_contiguous():
        weight = weight.permute(0, 2, 3, 1)
    return weight.flatten(1)


def _copy_like(weight: Tensor, values: Tensor) -> Tensor:
    """Give `values` the type and layout of `weight`."""
    if values.dtype == weight.dtype and values.stride() == weight.stride():
        return values
    return torch.empty_like(weight).copy_(values)


class _ConvolveSpectral(torch.autograd.Function):
    """Convolve with a weight divided by its largest singular value.

    The result is divided in its place: the weights are many and the pictures few.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, *singular: Tensor) -> Tensor:
        lefts, rights, values = singular
        cast = weight.to(x.dtype)
        y = F.conv2d(x, cast, padding=weight.shape[-1] // 2)
        y.div_(spread_passes(values, len(x))[:, None, None, None])
        y.add_(bias.to(x.dtype)[:, None, None])
        ctx.save_for_backward(x, weight, cast, lefts, rights, values)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, cast, lefts, rights, values = ctx.saved_tensors
        wants_x, wants_weight, wants_bias = ctx.needs_input_grad[:3]
        # Several passes share the weight's gradient; the input's tells their shares apart.
        by_pass = wants_weight and len(values) > 1
        divided = grads[0].clone().div_(spread_passes(values, len(x))[:, None, None, None])
        x_grad, weight_grad, _ = torch.ops.aten.convolution_backward(
            divided,
            x,
            cast,
            None,
            [1, 1],
            [weight.shape[-1] // 2] * 2,
            [1, 1],
            False,
            [0, 0],
            1,
            [wants_x or by_pass, wants_weight, False],
        )
        bias_grad = None
        if wants_weight:
            # The value itself depends on the weight: a slope along left and right vector.
            weight_grad = _copy_like(weight, weight_grad)
            matrix = to_matrix(weight_grad)
            if by_pass:
                shares = (x * x_grad).flatten(1).sum(dim=1, dtype=torch.float32)  # [n]
                shares = shares.unflatten(0, (len(values), -1)).sum(dim=1)  # [num_passes]
            else:
                shares = torch.dot(matrix.flatten(), to_matrix(weight).flatten())
            slopes = shares / values
            matrix.addmm_((lefts * -slopes[:, None]).t(), rights)
        if wants_bias:
            bias_grad = grads[0].sum(dim=(0, 2, 3)).to(weight.dtype)
        return x_grad if wants_x else None, weight_grad, bias_grad, None, None, None


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

    def forward(self, x: Tensor, num_passes: int = 1) -> Tensor:
        """Map [n, c_in, h, w] to [n, c_out, h', w']."""
        y: Tensor = self.conv1(x if self.is_first else F.relu(x), num_passes)
        y = self.conv2(F.relu(y), num_passes)
        # A 1x1 convolution and an average commute, so the shortcut always shrinks first.
        if self.downsample:
            y, x = F.avg_pool2d(y, 2), F.avg_pool2d(x, 2)
        y += x if self.shortcut is None else self.shortcut(x, num_passes)
        return y


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ImageJudgement:
    """Outputs of D_I for n images."""

    scores: Tensor
    """Raw scores [n]; high is "a first frame"."""
    embedding: Tensor
    """Embeddings by the projection head, [n, embed_dim], not normalised."""
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

    def forward(self, img: Tensor, num_passes: int = 1) -> ImageJudgement:
        """Judge images [n, 3, resolution, resolution]; convolutions compute in their type.

        `num_passes` equal parts of the images are judged as if one call came after the other.
        """
        x = img
        for block in self.blocks:
            x = block(x, num_passes)
        features = F.relu(x).to(torch.float32).sum(dim=(2, 3))  # [n, 16 * width]
        projected = F.relu(self.proj0(features, num_passes))
        if self.head == "shared":
            scores = self.linear(projected, num_passes)
            embedding = self.proj2(F.relu(self.proj1(projected, num_passes)), num_passes)
        else:
            scores = self.linear(features, num_passes)
            embedding = self.proj2(projected, num_passes)
        return ImageJudgement(scores=scores[:, 0], embedding=embedding, features=features)


def copy_frozen(network: nn.Module) -> nn.Module:
    """Return a copy without gradients, for a moving average."""
    return copy.deepcopy(network).requires_grad_(False)


@torch.no_grad()
def update_average(average: nn.Module, network: nn.Module, *, decay: float) -> None:
    """Move the parameters of `average` towards those of `network`; buffers stay as they are."""
    targets = dict(network.named_parameters())
    values = dict(average.named_parameters())
    wanted = [targets[name].to(value.dtype) for name, value in values.items()]
    torch._foreach_lerp_(list(values.values()), wanted, 1.0 - decay)
