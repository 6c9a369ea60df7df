"""Settings of `moco train-image`."""

import dataclasses
from typing import Any, Literal, get_args

from mocotool.errors import ConfigError

AugmentChoice = Literal["adaptive", "geometric", "none"]
DiscriminatorChoice = Literal["stylegan2", "projected"]

NETWORK_FIELDS = (
    "resolution",
    "channel_base",
    "channel_max",
    "z_dim",
    "w_dim",
    "num_mapping_layers",
)
"""Settings that say what the generator is; a generator to start from answers them."""

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
    discriminator: DiscriminatorChoice = "stylegan2"
    """A network of its own, or small heads on the frozen features of SqueezeNet."""
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
    """The half life is at most this share of the images seen so far; 0 for no averaging."""
    flip: bool = True
    """Mirror half of the images."""
    augment: AugmentChoice | None = None
    """Augment what the discriminator sees as far as its overfitting asks for, always but only by
    shifts and holes, or never; None is "adaptive" for stylegan2 and "geometric" for projected."""
    augment_target: float = 0.6
    """Mean sign of the real scores that "adaptive" holds."""
    head_start: int | None = None
    """Images that the discriminator learns from before the generator does; None is 6,400 where
    training starts from a generator, which would forget much to please a beginner, and else 0."""
    held_out: float = 0.1
    """Share of the files that is not trained on, but measured against at every save; 0 for none."""
    save_every: int = 500
    """Steps between two saved states."""
    preview_every: int = 1000
    """Steps between two preview grids; 0 for none."""
    log_every: int = 20
    """Steps between two lines of metrics."""
    seed: int = 0
    """Seed of the weights, the order of the images and everything drawn."""

    def __post_init__(self) -> None:
        if self.resolution < 8 or self.resolution & (self.resolution - 1):
            raise ConfigError(
                f"--resolution {self.resolution}: expected a power of two from 8 up",
                hint="try --resolution 64, 128 or 256",
            )
        for name in _POSITIVE:
            self._check(name, getattr(self, name) >= 1, "at least 1")
        self._check("preview_every", self.preview_every >= 0, "0 or more")
        self._check("seed", self.seed >= 0, "0 or more")
        # NaN fails every comparison, so each check says what is good.
        self._check("learning_rate", 0 < self.learning_rate < float("inf"), "more than 0")
        self._check("style_mixing", 0 <= self.style_mixing <= 1, "0 to 1")
        self._check("r1_gamma", 0 <= (self.r1_gamma or 0) < float("inf"), "0 or more")
        self._check("ema_images", self.ema_images is None or self.ema_images >= 1, "at least 1")
        self._check("ema_rampup", 0 <= self.ema_rampup < float("inf"), "0 or more")
        self._check_choice("discriminator", DiscriminatorChoice)
        if self.augment is not None:
            self._check_choice("augment", AugmentChoice)
        self._check("head_start", (self.head_start or 0) >= 0, "0 or more")
        self._check("held_out", 0 <= self.held_out <= 0.5, "0 to 0.5")
        self._check("augment_target", 0 < self.augment_target < 1, "more than 0 and less than 1")
        if self.channel_base < self.resolution:
            raise ConfigError(
                f"--channel-base {self.channel_base}: leaves no channel at {self.resolution} px, "
                f"expected at least {self.resolution}"
            )

    def _check(self, name: str, is_good: bool, expected: str) -> None:
        if not is_good:
            flag = f"--{name.replace('_', '-')}"
            raise ConfigError(f"{flag} {getattr(self, name)}: expected {expected}")

    def _check_choice(self, name: str, choice: Any) -> None:
        names = get_args(choice)
        self._check(name, getattr(self, name) in names, f"{', '.join(names[:-1])} or {names[-1]}")

    @property
    def num_steps(self) -> int:
        """Steps in all."""
        return -(-self.num_images // self.batch_size)

    @property
    def effective_augment(self) -> AugmentChoice:
        """How the discriminator's images are augmented, by its kind where nothing was said."""
        if self.augment is not None:
            return self.augment
        return "adaptive" if self.discriminator == "stylegan2" else "geometric"

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
