"""The discriminator of StyleGAN2: residual blocks and minibatch standard deviation."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mocotool.generators.resampling import downsample_2d, filter_2d, fir_kernel
from mocotool.generators.stylegan2_layers import (
    HALF_CLAMP,
    LRELU_SLOPE,
    SQRT2,
    FullyConnectedLayer,
    normalize_2nd_moment,
)
from mocotool.generators.twice_differentiable import convolve_2d

MBSTD_GROUP_SIZE = 4
CLASS_LAYERS = 8
CLASS_LR_MULTIPLIER = 0.01


class EqualizedConv2d(nn.Module):
    """Convolution with equalised learning rate; filtered and halved in size when `down`."""

    resample_filter: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        bias: bool = True,
        down: bool = False,
        gain: float = 1.0,
    ) -> None:
        super().__init__()
        self.down = down
        self.gain = gain
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.weight_gain = 1.0 / math.sqrt(in_channels * kernel_size**2)
        self.register_buffer("resample_filter", fir_kernel())

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, c_in, h, w] to [n, c_out, h', w']; with a bias it ends in a leaky ReLU.

        Source:
            Official code: stylegan2-ada-pytorch, `Conv2dLayer` (clamps at 256 in float16).
        """
        k = self.weight.shape[-1]
        # A leaky ReLU commutes with positive factors, so its gain goes into weight and bias.
        gain = self.gain * (SQRT2 if self.bias is not None else 1.0)
        weight = (self.weight * (self.weight_gain * gain)).to(x.dtype)
        bias = None if self.bias is None else (self.bias * gain).to(x.dtype)
        if not self.down:
            x = _convolve(x, weight, bias, padding=k // 2)
        elif k == 1:
            x = _convolve(downsample_2d(x, self.resample_filter), weight, bias)
        else:
            x = _convolve(filter_2d(x, self.resample_filter, padding=2), weight, bias, stride=2)
        x = x if bias is None else F.leaky_relu(x, LRELU_SLOPE)
        if x.dtype is torch.float16:
            x = x.clamp(-HALF_CLAMP * self.gain, HALF_CLAMP * self.gain)
        return x


def _convolve(
    x: Tensor, weight: Tensor, bias: Tensor | None, *, stride: int = 1, padding: int = 0
) -> Tensor:
    if x.dtype == torch.float32 and weight.shape[-1] > 1:  # the gradient penalty's type
        return convolve_2d(x, weight, bias, stride=stride, padding=padding)
    return F.conv2d(x, weight, bias, stride=stride, padding=padding)


class DiscriminatorBlock(nn.Module):
    """Two convolutions and a shortcut; halves the size."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        gain = math.sqrt(0.5)
        self.conv0 = EqualizedConv2d(in_channels, in_channels, 3)
        self.conv1 = EqualizedConv2d(in_channels, out_channels, 3, down=True, gain=gain)
        self.skip = EqualizedConv2d(in_channels, out_channels, 1, bias=False, down=True, gain=gain)

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, c_in, h, w] to [n, c_out, h/2, w/2]."""
        return self.conv1(self.conv0(x)) + self.skip(x)  # type: ignore[no-any-return]


def minibatch_deviation(x: Tensor, *, group_size: int = MBSTD_GROUP_SIZE) -> Tensor:
    """Append one channel with the standard deviation over the images of a group.

    Groups are neighbours in the batch, so that a batch split over processes keeps its groups as
    long as each process has a multiple of `group_size` images.

    Args:
        x: [n, c, h, w].
        group_size: Images per group; where n is not a multiple, the largest divisor of n below it.

    Returns:
        [n, c + 1, h, w].
    """
    n, _, height, width = x.shape
    group = max(size for size in range(1, min(group_size, n) + 1) if n % size == 0)
    grouped = x.float().reshape(n // group, group, -1)  # [n/group, group, c*h*w]
    deviation = (grouped.var(dim=1, unbiased=False) + 1e-8).sqrt().mean(dim=1)  # [n/group]
    channel = deviation.repeat_interleave(group).to(x.dtype)[:, None, None, None]
    return torch.cat([x, channel.expand(-1, 1, height, width)], dim=1)


class ClassMapping(nn.Module):
    """Embeds a class as the vector that features are projected on, for conditional scores.

    Args:
        c_dim: Number of classes.
        cmap_dim: Size of the features.

    Source:
        Official code: none; NVIDIA's stylegan2-ada-pytorch (the discriminator's mapping network,
            eight layers, and its projection).
    """

    def __init__(self, *, c_dim: int, cmap_dim: int) -> None:
        super().__init__()
        self.embed = FullyConnectedLayer(c_dim, cmap_dim)
        self.layers = nn.ModuleList(
            FullyConnectedLayer(
                cmap_dim, cmap_dim, activation="lrelu", lr_multiplier=CLASS_LR_MULTIPLIER
            )
            for _ in range(CLASS_LAYERS)
        )

    def forward(self, features: Tensor, c: Tensor) -> Tensor:
        """Project float32 features [n, cmap_dim, ...] on embeddings of one-hot classes [n, c_dim].

        Returns:
            [n, 1, ...].
        """
        cmap = normalize_2nd_moment(self.embed(c))
        for layer in self.layers:
            cmap = layer(cmap)  # [n, cmap_dim]
        cmap = cmap.reshape(*cmap.shape, *[1] * (features.ndim - 2))
        return (features * cmap).sum(dim=1, keepdim=True) / math.sqrt(cmap.shape[1])


class StyleGAN2Discriminator(nn.Module):
    """Maps an image to one score; trained with a gradient penalty.

    Args:
        img_resolution: A power of two from 8 up.
        img_channels: 3 for RGB.
        channels: Channels at 4, 8, ..., `img_resolution` pixels, as for the generator.
        c_dim: Number of classes, 0 for none.
        first_size: Height and width at the lowest resolution, as for the generator.
    """

    has_penalty = True

    def __init__(
        self,
        *,
        img_resolution: int,
        img_channels: int = 3,
        channels: list[int],
        c_dim: int = 0,
        first_size: tuple[int, int] = (4, 4),
    ) -> None:
        super().__init__()
        self.compute_dtype = torch.float32
        self.resolution = img_resolution
        self.fromrgb = EqualizedConv2d(img_channels, channels[-1], 1)
        widths = channels[::-1]  # from the full resolution down
        self.blocks = nn.ModuleList(
            DiscriminatorBlock(wide, narrow)
            for wide, narrow in zip(widths[:-1], widths[1:], strict=True)
        )
        self.conv = EqualizedConv2d(widths[-1] + 1, widths[-1], 3)
        self.fc = FullyConnectedLayer(
            widths[-1] * math.prod(first_size), widths[-1], activation="lrelu"
        )
        self.out = FullyConnectedLayer(widths[-1], widths[-1] if c_dim else 1)
        self.classes = ClassMapping(c_dim=c_dim, cmap_dim=widths[-1]) if c_dim else None

    def forward(self, img: Tensor, c: Tensor | None = None) -> Tensor:
        """Score images.

        Args:
            img: [n, img_channels, h, w] in [-1, 1].
            c: Their classes, one-hot [n, c_dim]; `None` where there are none.

        Returns:
            float32 [n]; higher means more real.
        """
        x = img.to(self.compute_dtype).contiguous(memory_format=torch.channels_last)
        x = self.fromrgb(x)
        for block in self.blocks:
            x = block(x)
        x = self.conv(minibatch_deviation(x))
        score: Tensor = self.out(self.fc(x.float().flatten(1)))  # [n, 1], or [n, cmap_dim]
        if self.classes is not None:
            assert c is not None
            score = self.classes(score, c)
        return score.squeeze(1)

    @staticmethod
    def real_loss(score: Tensor) -> Tensor:
        """Return the mean of softplus(-score) of real images [n]; also the generator's loss.

        Source:
            Paper: Goodfellow et al., 2014, the non-saturating form.
        """
        return F.softplus(-score).mean()

    @staticmethod
    def fake_loss(score: Tensor) -> Tensor:
        """Return the mean of softplus(score) of generated images [n]."""
        return F.softplus(score).mean()

    generator_loss = real_loss
