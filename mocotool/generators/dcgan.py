"""DCGAN: the plain convolutional generator, z to image, as in the PyTorch example."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from mocotool.generators.base import Generator, NoiseMode, Space, drop_layer_axis


class IdentityMapping(nn.Module):
    """The mapping of generators whose latent is z itself."""

    def forward(self, z: Tensor, c: Tensor | None = None, *, truncation_psi: float = 1.0) -> Tensor:
        """Return z [n, z_dim], scaled by `truncation_psi`; see `base.Mapping`."""
        del c  # classes enter in the synthesis
        return z.to(torch.float32) * truncation_psi


class DCGANSynthesis(nn.Module):
    """z to image by transposed convolutions, from 4x4 up."""

    def __init__(
        self, *, z_dim: int, channels: list[int], img_channels: int, has_bias: bool
    ) -> None:
        super().__init__()
        self.z_dim = z_dim
        self.compute_dtype = torch.float32
        layers: list[nn.Module] = []
        widths = [z_dim, *channels, img_channels]
        for i, (before, after) in enumerate(zip(widths, widths[1:], strict=False)):
            stride, padding = (1, 0) if i == 0 else (2, 1)
            layers.append(nn.ConvTranspose2d(before, after, 4, stride, padding, bias=has_bias))
            if i < len(channels):
                layers += [nn.BatchNorm2d(after), nn.ReLU()]
        self.main = nn.Sequential(*layers, nn.Tanh())

    def forward(
        self,
        latent: Tensor,
        *,
        labels: Tensor | None = None,
        noise_mode: NoiseMode = "const",
        noise: list[Tensor] | None = None,
    ) -> Tensor:
        """Render latents; see `base.Synthesis`. There are neither classes nor noise."""
        del labels, noise_mode, noise
        latent = drop_layer_axis(latent, latent_dim=self.z_dim)
        x = latent[:, :, None, None].float()  # [n, z_dim, 1, 1]
        with torch.autocast(
            x.device.type, self.compute_dtype, enabled=self.compute_dtype != torch.float32
        ):
            img: Tensor = self.main(x)
        return img.float()


class DCGAN(Generator):
    """DCGAN of any width and depth.

    Args:
        z_dim: Size of z.
        channels: Channels at 4, 8, ... pixels, one entry less than there are convolutions.
        img_channels: 3 for RGB.
        has_bias: Whether the convolutions have biases.
    """

    kind: ClassVar[str] = "dcgan"
    space: ClassVar[Space] = "z"

    def __init__(
        self, *, z_dim: int, channels: list[int], img_channels: int = 3, has_bias: bool = False
    ) -> None:
        super().__init__()
        self._arch = {
            "z_dim": z_dim,
            "channels": list(channels),
            "img_channels": img_channels,
            "has_bias": has_bias,
        }
        self.resolution = 4 * 2 ** len(channels)
        self.img_channels = img_channels
        self.z_dim = z_dim
        self.latent_dim = z_dim
        self.num_ws = 1
        self.c_dim = 0
        self.mapping: IdentityMapping = IdentityMapping()
        self.synthesis: DCGANSynthesis = DCGANSynthesis(
            z_dim=z_dim, channels=channels, img_channels=img_channels, has_bias=has_bias
        )
