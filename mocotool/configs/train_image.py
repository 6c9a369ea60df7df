"""Settings of `moco train-image`."""

import dataclasses
from typing import Literal

from mocotool.errors import ConfigError

AugmentChoice = Literal["adaptive", "none"]

_POSITIVE = (
    "num_images",
    "batch_size",
    "channel_base",
    "channel_max",
    "z_dim",
    "w_dim",
    "num_mapping_layers",
    "r1_interval",
    "save_every",
    "preview_every",
    "log_every",
)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TrainImageConfig:
    """How a StyleGAN2 is fitted to images."""

    resolution: int = 64
    """Side of the images in pixels, a power of two."""
    num_images: int = 1_000_000
    """Real images shown to the discriminator in all."""
    batch_size: int = 32
    """Images a step, over all processes."""
    channel_base: int = 16384
    """Channels at resolution r are channel_base / r, at most channel_max."""
    channel_max: int = 512
    """Most channels at any resolution."""
    z_dim: int = 512
    """Size of z."""
    w_dim: int = 512
    """Size of w."""
    num_mapping_layers: int = 8
    """Depth of the mapping network."""
    learning_rate: float = 2e-3
    """Adam's learning rate for both networks."""
    r1_gamma: float | None = None
    """Weight of the gradient penalty; None is 0.0002 * resolution^2 / batch_size."""
    r1_interval: int = 16
    """Steps between two gradient penalties."""
    style_mixing: float = 0.9
    """Probability that an image is made of two latents."""
    ema_images: int | None = None
    """Half life of the averaged weights in images; None is batch_size * 10000 / 32."""
    ema_rampup: float = 0.05
    """The half life is at most this share of the images seen so far."""
    flip: bool = True
    """Mirror half of the images."""
    augment: AugmentChoice = "adaptive"
    """Augment what the discriminator sees as far as its overfitting asks for, or never."""
    augment_target: float = 0.6
    """Mean sign of the real scores that "adaptive" holds."""
    save_every: int = 500
    """Steps between two saved states."""
    preview_every: int = 1000
    """Steps between two preview grids."""
    log_every: int = 20
    """Steps between two lines of metrics."""
    seed: int = 0
    """Seed of the weights, the order of the images and everything drawn."""

    def __post_init__(self) -> None:
        if self.resolution < 8 or self.resolution & (self.resolution - 1):
            raise ConfigError(
                f"resolution {self.resolution}: expected a power of two from 8 up",
                hint="try --resolution 64, 128 or 256",
            )
        for name in _POSITIVE:
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} {getattr(self, name)}: expected at least 1")
        if self.learning_rate <= 0:
            raise ConfigError(f"learning_rate {self.learning_rate}: expected more than 0")
        if not 0 <= self.style_mixing <= 1:
            raise ConfigError(f"style_mixing {self.style_mixing}: expected 0 to 1")
        if self.r1_gamma is not None and self.r1_gamma < 0:
            raise ConfigError(f"r1_gamma {self.r1_gamma}: expected 0 or more")

    @property
    def num_steps(self) -> int:
        """Steps in all."""
        return -(-self.num_images // self.batch_size)

    @property
    def effective_r1_gamma(self) -> float:
        """Weight of the gradient penalty, the usual heuristic where none was set."""
        # Source: Karras et al. 2020 (ADA), Appendix C: 0.0002 * pixels / batch size.
        if self.r1_gamma is not None:
            return self.r1_gamma
        return 0.0002 * self.resolution**2 / self.batch_size

    @property
    def effective_ema_images(self) -> float:
        """Half life of the averaged weights in images."""
        return self.batch_size * 10_000 / 32 if self.ema_images is None else self.ema_images
