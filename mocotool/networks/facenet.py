"""FaceNet: the Inception-ResNet-v1 that embeds a face as a unit vector, in plain torch.

Reads the names of facenet-pytorch's `20180402-114759-vggface2.pt`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mocotool.networks.inception import BATCH_NORM_EPS, BasicConv2d, Size2

INPUT_SIZE = 160
EMBEDDING_DIM = 512
NUM_IDENTITIES = 8631


def _chain(*specs: tuple[int, int, Size2, int, Size2]) -> nn.Sequential:
    """Return convolutions one after the other: channels in and out, kernel, stride, padding."""
    return nn.Sequential(
        *(BasicConv2d(i, o, kernel, stride=s, padding=p) for i, o, kernel, s, p in specs)
    )


class Residual(nn.Module):
    """Branches joined, projected, scaled and added to the input.

    Args:
        channels: Channels in and out.
        branches: What is joined.
        width: Channels of the branches together.
        scale: Of what is added.
        has_relu: Whether a ReLU follows.
    """

    def __init__(
        self,
        channels: int,
        branches: list[nn.Module],
        width: int,
        *,
        scale: float,
        has_relu: bool = True,
    ) -> None:
        super().__init__()
        self.scale, self.has_relu = scale, has_relu
        self.num_branches = len(branches)
        for idx, branch in enumerate(branches):
            self.add_module(f"branch{idx}", branch)
        self.conv2d = nn.Conv2d(width, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Apply it to [n, c, h, w]."""
        parts = [self.get_submodule(f"branch{idx}")(x) for idx in range(self.num_branches)]
        added = x + self.scale * self.conv2d(torch.cat(parts, 1))
        return F.relu_(added) if self.has_relu else added


class Reduction(nn.Module):
    """Branches that halve the size, joined with max pooling.

    Args:
        branches: Joined with the max pooling.
    """

    def __init__(self, branches: list[nn.Module]) -> None:
        super().__init__()
        self.num_branches = len(branches)
        for idx, branch in enumerate(branches):
            self.add_module(f"branch{idx}", branch)

    def forward(self, x: Tensor) -> Tensor:
        """Apply it to [n, c, h, w]."""
        parts = [self.get_submodule(f"branch{idx}")(x) for idx in range(self.num_branches)]
        return torch.cat([*parts, F.max_pool2d(x, 3, stride=2)], 1)


def _block35() -> Residual:
    branches = [
        BasicConv2d(256, 32, 1),
        _chain((256, 32, 1, 1, 0), (32, 32, 3, 1, 1)),
        _chain((256, 32, 1, 1, 0), (32, 32, 3, 1, 1), (32, 32, 3, 1, 1)),
    ]
    return Residual(256, branches, 96, scale=0.17)


def _block17() -> Residual:
    branches = [
        BasicConv2d(896, 128, 1),
        _chain((896, 128, 1, 1, 0), (128, 128, (1, 7), 1, (0, 3)), (128, 128, (7, 1), 1, (3, 0))),
    ]
    return Residual(896, branches, 256, scale=0.10)


def _block8(*, scale: float = 0.20, has_relu: bool = True) -> Residual:
    branches = [
        BasicConv2d(1792, 192, 1),
        _chain((1792, 192, 1, 1, 0), (192, 192, (1, 3), 1, (0, 1)), (192, 192, (3, 1), 1, (1, 0))),
    ]
    return Residual(1792, branches, 384, scale=scale, has_relu=has_relu)


def _mixed_6a() -> Reduction:
    return Reduction(
        [
            BasicConv2d(256, 384, 3, stride=2),
            _chain((256, 192, 1, 1, 0), (192, 192, 3, 1, 1), (192, 256, 3, 2, 0)),
        ]
    )


def _mixed_7a() -> Reduction:
    return Reduction(
        [
            _chain((896, 256, 1, 1, 0), (256, 384, 3, 2, 0)),
            _chain((896, 256, 1, 1, 0), (256, 256, 3, 2, 0)),
            _chain((896, 256, 1, 1, 0), (256, 256, 3, 1, 1), (256, 256, 3, 2, 0)),
        ]
    )


class FaceNet(nn.Module):
    """The network whose unit vectors lie close together for pictures of one person."""

    def __init__(self) -> None:
        super().__init__()
        self.conv2d_1a = BasicConv2d(3, 32, 3, stride=2)
        self.conv2d_2a = BasicConv2d(32, 32, 3)
        self.conv2d_2b = BasicConv2d(32, 64, 3, padding=1)
        self.conv2d_3b = BasicConv2d(64, 80, 1)
        self.conv2d_4a = BasicConv2d(80, 192, 3)
        self.conv2d_4b = BasicConv2d(192, 256, 3, stride=2)
        self.repeat_1 = nn.Sequential(*(_block35() for _ in range(5)))
        self.mixed_6a = _mixed_6a()
        self.repeat_2 = nn.Sequential(*(_block17() for _ in range(10)))
        self.mixed_7a = _mixed_7a()
        self.repeat_3 = nn.Sequential(*(_block8() for _ in range(5)))
        self.block8 = _block8(scale=1.0, has_relu=False)
        self.last_linear = nn.Linear(1792, EMBEDDING_DIM, bias=False)
        self.last_bn = nn.BatchNorm1d(EMBEDDING_DIM, eps=BATCH_NORM_EPS)
        self.logits = nn.Linear(EMBEDDING_DIM, NUM_IDENTITIES)  # in the file; not needed here

    def forward(self, img: Tensor) -> Tensor:
        """Compute embeddings.

        Args:
            img: Faces, [n, 3, 160, 160], bytes b as (b - 127.5) / 128.

        Returns:
            Unit vectors, [n, 512].

        Source:
            Paper: Schroff et al., "FaceNet", 2015.
            Official code: names and scales of facenet-pytorch's InceptionResnetV1.
        """
        x = self.conv2d_2b(self.conv2d_2a(self.conv2d_1a(img)))
        x = self.conv2d_4b(self.conv2d_4a(self.conv2d_3b(F.max_pool2d(x, 3, stride=2))))
        x = self.repeat_2(self.mixed_6a(self.repeat_1(x)))
        x = self.block8(self.repeat_3(self.mixed_7a(x)))
        return F.normalize(self.last_bn(self.last_linear(x.mean(dim=(2, 3)))), dim=1)
