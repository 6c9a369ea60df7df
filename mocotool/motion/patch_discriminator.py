"""Patch discriminators: D_V of videos, and the in-domain D_I of pairs of frames.

Both are the same stack of strided convolutions, in three or two dimensions, at several scales.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mocotool.layouts import to_ncthw
from mocotool.motion.twice_differentiable import TwiceDifferentiableConv3d

PatchNorm = Literal["instance", "batch"]

LRELU_SLOPE = 0.2
CONV_INIT_STD = 0.02  # Official code: weights_init
MAX_FRAMES_AT_FULL_RATE = 16  # Official code: longer clips are halved in time between scales
WIDTH_FACTORS = (1, 2, 4, 8)
KERNEL, PADDING = 4, 2


class InputTypeConv2d(nn.Conv2d):
    """`nn.Conv2d` that computes in the type of its input."""

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, c_in, h, w] to [n, c_out, h', w']."""
        assert self.bias is not None
        weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
        return F.conv2d(x, weight, bias, stride=self.stride, padding=PADDING)


NORMS: dict[tuple[PatchNorm, int], type[nn.Module]] = {
    ("instance", 2): nn.InstanceNorm2d,
    ("instance", 3): nn.InstanceNorm3d,
    ("batch", 2): nn.BatchNorm2d,
    ("batch", 3): nn.BatchNorm3d,
}


class PatchDiscriminator(nn.Module):
    """One scale: four convolutions with leaky ReLUs, then one to a map of raw scores.

    Args:
        in_channels: Channels of the input.
        width: Channels after the first layer; they double three times.
        num_dims: 3 for video [n, c, t, h, w], 2 for images [n, c, h, w].
        norm: Whether activations are normalised over each input, or over the batch (of this
            process); always with the numbers at hand, never with running averages.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        width: int,
        num_dims: Literal[2, 3],
        norm: PatchNorm = "instance",
    ) -> None:
        super().__init__()
        conv = TwiceDifferentiableConv3d if num_dims == 3 else InputTypeConv2d
        layers: list[nn.Module] = []
        for i, factor in enumerate(WIDTH_FACTORS):
            stride = 2 if i < 3 else 1
            layers.append(conv(in_channels, width * factor, KERNEL, stride=stride, padding=PADDING))
            if i > 0:
                layers.append(
                    NORMS[norm, num_dims](width * factor, affine=False, track_running_stats=False)
                )
            layers.append(nn.LeakyReLU(LRELU_SLOPE))
            in_channels = width * factor
        layers.append(conv(in_channels, 1, KERNEL, stride=1, padding=PADDING))
        self.layers = nn.Sequential(*layers)
        for layer in self.layers:
            if isinstance(layer, (nn.Conv2d, nn.Conv3d)):
                nn.init.normal_(layer.weight, std=CONV_INIT_STD)

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, c, ..., h, w] to raw scores [n, 1, ..., h', w']."""
        scores: Tensor = self.layers(x)
        return scores


class MultiscaleDiscriminator(nn.Module):
    """The same discriminator at the full size and at halves of it, each with weights of its own.

    Args:
        in_channels: Channels of the input.
        width: Channels after the first layer.
        num_dims: 3 for video, 2 for images.
        num_scales: How many sizes.
        norm: See `PatchDiscriminator`.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        width: int,
        num_dims: Literal[2, 3],
        num_scales: int = 2,
        norm: PatchNorm = "instance",
    ) -> None:
        super().__init__()
        self.num_dims: Literal[2, 3] = num_dims
        self.compute_dtype = torch.float32  # of convolutions; weights and scores stay float32
        self.scales = nn.ModuleList(
            PatchDiscriminator(in_channels, width=width, num_dims=num_dims, norm=norm)
            for _ in range(num_scales)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Map [n, c, t, h, w] or [n, c, h, w] to one map of scores per scale, full size first."""
        scores = []
        for i, scale in enumerate(self.scales):
            x = self.shrink(x) if i else x
            scores.append(scale(x.to(self.compute_dtype)).to(torch.float32))
        return scores

    def shrink(self, x: Tensor) -> Tensor:
        """Halve height and width, and time of long clips, by average pooling without padding.

        Maps [n, c, h, w] to [n, c, h/2, w/2], and [n, c, t, h, w] to [n, c, t or t/2, h/2, w/2].
        """
        if self.num_dims == 2:
            return F.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)
        time_stride = 2 if x.shape[2] > MAX_FRAMES_AT_FULL_RATE else 1
        stride = (time_stride, 2, 2)
        return F.avg_pool3d(x, 3, stride=stride, padding=1, count_include_pad=False)


class VideoDiscriminator(MultiscaleDiscriminator):
    """D_V: patches of clips, at several scales.

    Args:
        with_first_frame: Whether each later frame comes with the first one; see `to_video_input`.
        width: Channels after the first layer; 64 is the authors'.
        num_scales: How many sizes.
        norm: See `PatchDiscriminator`.
    """

    def __init__(
        self,
        *,
        with_first_frame: bool,
        width: int,
        num_scales: int = 2,
        norm: PatchNorm = "instance",
    ) -> None:
        in_channels = 6 if with_first_frame else 3
        super().__init__(in_channels, width=width, num_dims=3, num_scales=num_scales, norm=norm)
        self.with_first_frame = with_first_frame


class PairDiscriminator(MultiscaleDiscriminator):
    """The authors' in-domain D_I: patches of a first and a later frame, at several scales.

    Args:
        width: Channels after the first layer; 64 is the authors'.
        num_scales: How many sizes.
        norm: See `PatchDiscriminator`.
    """

    def __init__(self, *, width: int, num_scales: int = 2, norm: PatchNorm = "instance") -> None:
        super().__init__(6, width=width, num_dims=2, num_scales=num_scales, norm=norm)


def to_video_input(video: Tensor, *, with_first_frame: bool) -> Tensor:
    """Lay out a video for D_V.

    Args:
        video: [n, t, c, h, w].
        with_first_frame: Put the first frame beside each later one (in-domain). Off, D_V sees
            the plain frames (cross-domain, where the first frame would give the domain away).

    Returns:
        [n, 2c, t-1, h, w] or [n, c, t, h, w].
    """
    video_ncthw = to_ncthw(video)
    if not with_first_frame:
        return video_ncthw
    later = video_ncthw[:, :, 1:]
    return torch.cat([video_ncthw[:, :, :1].expand_as(later), later], dim=1)


def to_pair_input(video: Tensor, frame_idx: int) -> Tensor:
    """Put the first frame and another one side by side, [n, t, c, h, w] -> [n, 2c, h, w]."""
    return torch.cat([video[:, 0], video[:, frame_idx]], dim=1)
