"""The projected discriminator: small heads on the frozen features of a classifier.

A network that was trained to tell a thousand things apart sees what is wrong with a picture long
before one that starts from nothing. Its features at four depths are mixed by fixed random
convolutions, across channels and then from the deep and coarse to the shallow and fine, so that no
head can look at a few of them only; a small head scores each, and one more looks at the pixels,
since a classifier was trained to ignore much of what colour says.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from mocotool.errors import ConfigError
from mocotool.generators.stylegan2 import scale_size
from mocotool.image_training.stylegan2_discriminator import ClassMapping, minibatch_deviation
from mocotool.networks.squeezenet import load_squeezenet

MIN_RESOLUTION = 32
HEAD_SIZE = 8  # heads halve their input until it is no larger
HEAD_WIDTH = 64
MAX_WIDTH = 128
PIXEL_WIDTH = 16
CMAP_DIM = 64  # of what heads are projected on where there are classes
LRELU_SLOPE = 0.2

# Where the classifier is tapped: the place among its activations, channels there, the root mean
# square of its activations on the bundled clips (so that each depth weighs the same once mixed),
# and channels after mixing.
TAPS = (
    (0, 64, 45.0, 32),  # conv1
    (1, 128, 85.0, 64),  # fire3
    (2, 256, 64.0, 64),  # fire5
    (6, 512, 14.0, 128),  # fire9
)


class ProjectedDiscriminator(nn.Module):
    """Scores many places of an image, by five heads from pixels to the deepest features.

    Its random projections come from torch's global seed and stay as drawn.

    Args:
        img_resolution: A power of two from 32 up.
        precision: dtype of features and heads.
        c_dim: Number of classes, 0 for none; heads then project on one embedding of them.
        first_size: Height and width of the generator's first block.

    Raises:
        ConfigError: The images are too small for the classifier.

    Source:
        Follows: Sauer et al., "Projected GANs Converge Faster", 2021: cross-channel and cross-scale
            mixing (Sec. 3.2), hinge loss; with SqueezeNet for EfficientNet, and a head on pixels.
            Classes are mapped as in StyleGAN2-ADA.
    """

    has_penalty = False
    place_weight: Tensor

    def __init__(
        self,
        *,
        img_resolution: int,
        precision: torch.dtype = torch.float32,
        c_dim: int = 0,
        first_size: tuple[int, int] = (4, 4),
    ) -> None:
        super().__init__()
        height, width = scale_size(first_size, img_resolution)
        side = min(height, width)
        if side < MIN_RESOLUTION:
            raise ConfigError(
                f"--resolution {side}: too small for the projected discriminator, "
                f"expected at least {MIN_RESOLUTION}",
                hint="--discriminator stylegan2 takes any size",
            )
        self.compute_dtype = precision
        self.network = load_squeezenet(dtype=precision)
        self.project = RandomProjection()
        out = CMAP_DIM if c_dim else 1
        self.heads = nn.ModuleList([Head(3, PIXEL_WIDTH, size=side, out_channels=out)])
        # A blank picture tells how large the features are.
        blank = torch.zeros(1, 3, height, width)
        with torch.no_grad():
            features = self.network.activations(blank)
        self.heads.extend(
            Head(mixed, mixed, size=min(features[tap].shape[-2:]), out_channels=out)
            for tap, _, _, mixed in TAPS
        )
        self.classes = ClassMapping(c_dim=c_dim, cmap_dim=CMAP_DIM) if c_dim else None
        with torch.no_grad():
            places = [logits.shape[2] for logits in self._head_logits(blank)]
        # Heads weigh the same, however many places each looks at.
        weights = [torch.full((count,), 1 / (count * len(places))) for count in places]
        self.register_buffer("place_weight", torch.cat(weights))

    def forward(self, img: Tensor, c: Tensor | None = None) -> Tensor:
        """Score images.

        Args:
            img: [n, 3, h, w] in [-1, 1].
            c: Their classes, one-hot [n, c_dim]; `None` where there are none.

        Returns:
            float32 [n, places of all heads]; higher means more real.
        """
        logits = torch.cat(self._head_logits(img), dim=2)  # [n, 1 or CMAP_DIM, places]
        if self.classes is not None:
            assert c is not None
            logits = self.classes(logits, c)
        return logits.squeeze(1)

    def _head_logits(self, img: Tensor) -> list[Tensor]:
        features = self.network.activations(img)
        mixed = self.project([features[tap] for tap, *_ in TAPS])
        pixels = img.to(self.compute_dtype).contiguous(memory_format=torch.channels_last)
        return [head(x) for head, x in zip(self.heads, [pixels, *mixed], strict=True)]

    def real_loss(self, score: Tensor) -> Tensor:
        """Return the hinge loss of scores [n, k] of real images, mean of max(0, 1 - score)."""
        return self._mean(F.relu(1 - score))

    def fake_loss(self, score: Tensor) -> Tensor:
        """Return the hinge loss of scores [n, k] of generated images, mean of max(0, 1 + score)."""
        return self._mean(F.relu(1 + score))

    def generator_loss(self, score: Tensor) -> Tensor:
        """Return the generator's loss, the negative mean of scores [n, k]; unbounded."""
        return self._mean(-score)

    def _mean(self, values: Tensor) -> Tensor:
        """Average over images, heads, and positions of each head."""
        return (values * self.place_weight).sum(dim=1).mean()


class RandomProjection(nn.Module):
    """Fixed random mixing of features at several scales, deepest first."""

    def __init__(self) -> None:
        super().__init__()
        widths = [mixed for *_, mixed in TAPS]
        self.across_channels = nn.ParameterList(
            _random_kernel(channels, mixed, 1, gain=1 / rms) for _, channels, rms, mixed in TAPS
        )
        # Each kernel carries a level to the finer one above it.
        self.across_scales = nn.ParameterList(
            _random_kernel(coarse, fine, 3) for fine, coarse in pairwise(widths)
        )
        self.requires_grad_(False)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Mix features, [n, c_i, h_i, w_i] from the finest to the coarsest; c_i as in `TAPS`."""
        mixed: list[Tensor] = []
        for i in reversed(range(len(features))):
            x = F.conv2d(features[i], self.across_channels[i].to(features[i].dtype))
            if mixed:
                coarser = F.conv2d(mixed[0], self.across_scales[i].to(x.dtype), padding=1)
                size = (x.shape[2], x.shape[3])
                enlarged = F.interpolate(coarser, size=size, mode="bilinear", align_corners=False)
                x = (x + enlarged) * math.sqrt(0.5)  # the sum of two of variance one
            mixed.insert(0, x)
        return mixed


def _random_kernel(c_in: int, c_out: int, size: int, *, gain: float = 1.0) -> nn.Parameter:
    """Draw a kernel [c_out, c_in, size, size] that preserves the variance of its input."""
    return nn.Parameter(torch.randn(c_out, c_in, size, size) * gain / math.sqrt(c_in * size**2))


class Head(nn.Module):
    """Maps features or pixels to scores of places: halved down to 8 px, then two convolutions.

    Nothing is normalised over the batch, as it is in the paper's heads: a tint that all generated
    images have would be taken out before anything could see it.
    """

    def __init__(self, in_channels: int, width: int, *, size: int, out_channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        while size > HEAD_SIZE:
            layers += [SpectralConv2d(in_channels, width, 4, stride=2), nn.LeakyReLU(LRELU_SLOPE)]
            in_channels, width, size = width, min(2 * width, MAX_WIDTH), size // 2
        self.halve = nn.Sequential(*layers)
        self.conv = SpectralConv2d(in_channels + 1, HEAD_WIDTH, 3)
        self.out = SpectralConv2d(HEAD_WIDTH, out_channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, c, h, w] to float32 [n, out_channels, places]."""
        x = minibatch_deviation(self.halve(x))  # [n, c' + 1, h', w']
        x = F.leaky_relu(self.conv(x), LRELU_SLOPE)
        return self.out(x).float().flatten(2)  # type: ignore[no-any-return]


class SpectralConv2d(nn.Module):
    """Convolution with a kernel of spectral norm one; computes in its input's type."""

    def __init__(self, in_channels: int, out_channels: int, size: int, *, stride: int = 1) -> None:
        super().__init__()
        self.stride, self.padding = stride, (size - 1) // 2
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, size, size))
        nn.init.orthogonal_(self.weight)
        self.bias = nn.Parameter(torch.zeros(out_channels))
        spectral_norm(self)

    def forward(self, x: Tensor) -> Tensor:
        """Map [n, c_in, h, w] to [n, c_out, h', w']."""
        weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
        return F.conv2d(x, weight, bias, stride=self.stride, padding=self.padding)
