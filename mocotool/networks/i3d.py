"""I3D, the network of FVD: Inception blown up to 3-D convolutions, trained on Kinetics-400.

Plain torch, reading the names of the widespread state dict `i3d_pretrained_400.pt`. Its paddings
are TensorFlow's "SAME", which depend on the input and may be uneven.
"""

from collections.abc import Iterable, Sequence
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mocotool.networks.shapes_only import shapes_only

# TensorFlow's own I3D has 1e-3; the programs that read i3d_pretrained_400.pt compute with 1e-5.
BATCH_NORM_EPS = 1e-5
NUM_CLASSES = 400
INPUT_SIZE = 224
MIN_FRAMES = 9  # two frames must be left for the last average

# name -> input channels, then the widths of branches 0, 1a, 1b, 2a, 2b, 3b
MIXED = {
    "Mixed_3b": (192, 64, 96, 128, 16, 32, 32),
    "Mixed_3c": (256, 128, 128, 192, 32, 96, 64),
    "Mixed_4b": (480, 192, 96, 208, 16, 48, 64),
    "Mixed_4c": (512, 160, 112, 224, 24, 64, 64),
    "Mixed_4d": (512, 128, 128, 256, 24, 64, 64),
    "Mixed_4e": (512, 112, 144, 288, 32, 64, 64),
    "Mixed_4f": (528, 256, 160, 320, 32, 128, 128),
    "Mixed_5b": (832, 256, 160, 320, 32, 128, 128),
    "Mixed_5c": (832, 384, 192, 384, 48, 128, 128),
}

Size3 = tuple[int, int, int]


def pad_same(x: Tensor, *, kernel: Size3, stride: Size3, value: float = 0.0) -> Tensor:
    """Pad as TensorFlow's "SAME": outputs are ceil(size / stride), the odd pixel goes last.

    Args:
        x: [n, c, t, h, w].
        kernel: Kernel size along t, h, w.
        stride: Stride along t, h, w.
        value: What to fill in.
    """
    pads: list[int] = []
    for size, k, s in zip(x.shape[:1:-1], kernel[::-1], stride[::-1], strict=True):  # w, h, t
        total = max(k - (size % s or s), 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads, value=value) if any(pads) else x


class Unit3D(nn.Module):
    """Convolution with "SAME" padding, batch normalisation and ReLU.

    Args:
        in_channels: Channels that come in.
        out_channels: Channels that go out.
        kernel: Kernel size along t, h, w.
        stride: Stride along t, h, w.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: Size3 = (1, 1, 1),
        stride: Size3 = (1, 1, 1),
    ) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.conv3d = nn.Conv3d(in_channels, out_channels, kernel, stride, bias=False)
        self.bn: nn.Module = nn.BatchNorm3d(out_channels, eps=BATCH_NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the three to [n, c, t, h, w]."""
        padded = pad_same(x, kernel=self.kernel, stride=self.stride)
        return F.relu_(self.bn(self.conv3d(padded)))

    @torch.no_grad()
    def fuse(self) -> None:
        """Fold the normalisation into the convolution; outputs differ by rounding only."""
        weight, bias = folded_weights([self])
        self.conv3d = _convolution(weight, bias, self.stride)  # type: ignore[assignment]
        self.bn = nn.Identity()


class MaxPoolSame(nn.Module):
    """Max pooling with "SAME" padding; padded values never win.

    Args:
        kernel: Kernel size along t, h, w.
        stride: Stride along t, h, w.
    """

    def __init__(self, kernel: Size3, stride: Size3) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        """Apply it to [n, c, t, h, w]."""
        # Zero cannot win either: all inputs have passed a ReLU.
        x = pad_same(x, kernel=self.kernel, stride=self.stride)
        # One axis after the other: exact, and several times faster than max_pool3d on a CPU.
        for axis, (kernel, stride) in enumerate(zip(self.kernel, self.stride, strict=True), 2):
            if kernel > 1:
                x = _max_along(x, axis, kernel, stride)
        return x


def _max_along(x: Tensor, axis: int, kernel: int, stride: int) -> Tensor:
    """Return the maximum of each window along one axis of [n, c, t, h, w]."""
    num_windows = (x.shape[axis] - kernel) // stride + 1
    last = (num_windows - 1) * stride + 1
    place: list[slice] = [slice(None)] * x.ndim
    maximum: Tensor | None = None
    for tap in range(kernel):
        place[axis] = slice(tap, tap + last, stride)
        part = x[tuple(place)]
        maximum = part if maximum is None else torch.maximum(maximum, part)
    assert maximum is not None
    return maximum


class Mixed(nn.Module):
    """Four parallel branches, joined along the channels.

    Args:
        in_channels: Channels that come in.
        widths: Of the 1x1x1 branch; before and after the 3x3x3 of the second and of the third
            branch; of the max-pooling branch.
    """

    def __init__(self, in_channels: int, widths: Sequence[int]) -> None:
        super().__init__()
        b0, b1a, b1b, b2a, b2b, b3b = widths
        cube = (3, 3, 3)
        self.b0 = Unit3D(in_channels, b0)
        self.b1a = Unit3D(in_channels, b1a)
        self.b1b = Unit3D(b1a, b1b, cube)
        self.b2a = Unit3D(in_channels, b2a)
        self.b2b = Unit3D(b2a, b2b, cube)
        self.b3a = MaxPoolSame(cube, (1, 1, 1))
        self.b3b = Unit3D(in_channels, b3b)
        self.entry: nn.Module | None = None
        self._entry_widths = [b0, b1a, b2a]

    def forward(self, x: Tensor) -> Tensor:
        """Apply the branches to [n, c, t, h, w]."""
        if self.entry is None:
            straight, first, second = self.b0(x), self.b1a(x), self.b2a(x)
        else:
            straight, first, second = F.relu_(self.entry(x)).split(self._entry_widths, dim=1)
        return torch.cat((straight, self.b1b(first), self.b2b(second), self.b3b(self.b3a(x))), 1)

    @torch.no_grad()
    def fuse(self) -> None:
        """Make one convolution of the three 1x1x1 ones that read the same input."""
        weight, bias = folded_weights([self.b0, self.b1a, self.b2a])
        self.entry = _convolution(weight, bias, (1, 1, 1))
        del self.b0, self.b1a, self.b2a


class I3D(nn.Module):
    """The Kinetics-400 network; its logits, averaged over time, are the features of FVD."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv3d_1a_7x7 = Unit3D(3, 64, (7, 7, 7), (2, 2, 2))
        self.MaxPool3d_2a_3x3 = MaxPoolSame((1, 3, 3), (1, 2, 2))
        self.Conv3d_2b_1x1 = Unit3D(64, 64)
        self.Conv3d_2c_3x3 = Unit3D(64, 192, (3, 3, 3))
        self.MaxPool3d_3a_3x3 = MaxPoolSame((1, 3, 3), (1, 2, 2))
        self.MaxPool3d_4a_3x3 = MaxPoolSame((3, 3, 3), (2, 2, 2))
        self.MaxPool3d_5a_2x2 = MaxPoolSame((2, 2, 2), (2, 2, 2))
        for name, widths in MIXED.items():
            self.add_module(name, Mixed(widths[0], widths[1:]))
        self.logits = nn.Module()
        self.logits.conv3d = nn.Conv3d(1024, NUM_CLASSES, 1)

    def forward(self, video_ncthw: Tensor) -> Tensor:
        """Compute class logits.

        Args:
            video_ncthw: [n, 3, t, 224, 224] in [-1, 1], t at least 9.

        Returns:
            Logits averaged over time, [n, 400].

        Source:
            Paper: Carreira and Zisserman, "Quo Vadis, Action Recognition?", 2017.
            Official code: names and shapes of i3d_pretrained_400.pt.
        """
        x = self.MaxPool3d_2a_3x3(self.Conv3d_1a_7x7(video_ncthw))
        x = self.MaxPool3d_3a_3x3(self.Conv3d_2c_3x3(self.Conv3d_2b_1x1(x)))
        x = self.MaxPool3d_4a_3x3(self._mixed("3", x))
        x = self.MaxPool3d_5a_2x2(self._mixed("4", x))
        x = F.avg_pool3d(self._mixed("5", x), (2, 7, 7), stride=1)  # [n, 1024, t', 1, 1]
        logits: Tensor = self.logits.conv3d(x)  # type: ignore[operator]
        return logits.flatten(2).mean(dim=2)

    def fuse(self) -> Self:
        """Fold normalisations and join convolutions for speed; outputs differ by rounding only."""
        for module in self.modules():
            if isinstance(module, Mixed):
                module.fuse()
        for module in self.modules():
            if isinstance(module, Unit3D):
                module.fuse()
        return self

    def _mixed(self, stage: str, x: Tensor) -> Tensor:
        for name in MIXED:
            if name.startswith(f"Mixed_{stage}"):
                x = self.get_submodule(name)(x)
        return x


def folded_weights(units: Iterable[Unit3D]) -> tuple[Tensor, Tensor]:
    """Return weights and bias of one convolution equal to several units before their ReLU.

    Returns:
        Weights [c_out of all units, c_in, kt, kh, kw] and bias [c_out of all units].
    """
    weights, biases = [], []
    for unit in units:
        norm = unit.bn
        assert isinstance(norm, nn.BatchNorm3d)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        # float64, so that folding costs one rounding only
        scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
        weights.append(unit.conv3d.weight.double() * scale[:, None, None, None, None])
        biases.append(norm.bias.double() - norm.running_mean.double() * scale)
    return torch.cat(weights).float(), torch.cat(biases).float()


class PointConvolution(nn.Module):
    """A 1x1x1 convolution as the matrix product it is; torch's own is slow on one thread.

    Args:
        weight: [c_out, c_in].
        bias: [c_out].
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias[:, None])

    def forward(self, x: Tensor) -> Tensor:
        """Apply it to [n, c_in, t, h, w]."""
        product: Tensor = self.weight @ x.flatten(2)  # [n, c_out, t*h*w]
        return product.add_(self.bias).view(len(x), -1, *x.shape[2:])


def _convolution(weight: Tensor, bias: Tensor, stride: Size3) -> nn.Module:
    c_out, c_in, *kernel = weight.shape
    if kernel == [1, 1, 1] and stride == (1, 1, 1):
        return PointConvolution(weight.flatten(1), bias)
    with shapes_only():
        convolution = nn.Conv3d(c_in, c_out, tuple(kernel), stride)  # type: ignore[arg-type]
    convolution.weight = nn.Parameter(weight, requires_grad=False)
    convolution.bias = nn.Parameter(bias, requires_grad=False)
    return convolution
