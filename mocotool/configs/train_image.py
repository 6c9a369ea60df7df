"""Settings of `moco train-image`."""

import dataclasses
import functools
from typing import Annotated, Literal

from mocotool.configs.option import Option, Seed, check_options
from mocotool.configs.running import Budget, HeldOut, Keep, Patience
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
"""Settings of the generator's architecture; taken from the generator to start from."""

_Network = functools.partial(Option, min=1, panel="Network")
_Training = functools.partial(Option, panel="Training")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class TrainImageConfig:
    """Config of the training of a StyleGAN2."""

    resolution: Annotated[int, Option("Side of the images in pixels, a power of two.", min=8)] = 64
    num_images: Annotated[
        int, Option("Total number of real images shown to the discriminator.", min=1)
    ] = 1_000_000
    batch_size: Annotated[int, Option("Images per step, over all processes.", min=1)] = 32
    channel_base: Annotated[int, _Network("Channels at r pixels: BASE / r.")] = 16384
    channel_max: Annotated[int, _Network("Most channels anywhere.")] = 512
    z_dim: Annotated[int, _Network("Size of z.")] = 512
    w_dim: Annotated[int, _Network("Size of w.")] = 512
    num_mapping_layers: Annotated[int, _Network("Depth of the mapping network.")] = 8
    cond: Annotated[
        bool,
        Option(
            "Class-conditional training: labels of a dataset.json or of .cls files, else "
            "folder names."
        ),
    ] = False
    discriminator: Annotated[
        DiscriminatorChoice,
        _Training("A network of its own, or small heads on the frozen features of SqueezeNet."),
    ] = "stylegan2"
    learning_rate: Annotated[
        float, _Training("Adam's learning rate for both networks.", above=0)
    ] = 2e-3
    r1_gamma: Annotated[
        float | None,
        _Training(
            "Weight of the gradient penalty; 0.0002 * resolution^2 / batch size if left out.", min=0
        ),
    ] = None
    r1_interval: Annotated[int, Option("Steps between gradient penalties.", min=1, typed=False)] = (
        16
    )
    style_mixing: Annotated[
        float, _Training("Share of images made of two latents.", min=0, max=1)
    ] = 0.9
    ema_images: Annotated[
        int | None,
        Option(
            "Half-life of the weight average in images; if left out, batch size * 10000 / 32.",
            min=1,
            typed=False,
        ),
    ] = None
    ema_rampup: Annotated[
        float,
        Option(
            "Limit of the half-life, as a fraction of the images seen so far; 0 for no averaging.",
            min=0,
            typed=False,
        ),
    ] = 0.05
    flip: Annotated[bool, _Training("Mirror half of the images.")] = True
    augment: Annotated[
        AugmentChoice | None,
        _Training(
            "Augment as far as the discriminator overfits (the default of stylegan2), always by "
            "shifts and holes (that of projected), or never."
        ),
    ] = None
    augment_target: Annotated[
        float,
        Option(
            'Mean sign of the real scores that "adaptive" holds.', above=0, below=1, typed=False
        ),
    ] = 0.6
    head_start: Annotated[
        int | None,
        Option(
            "Images on which only the discriminator is trained at the start; if left out, 6,400 "
            "when training starts from a generator, else 0.",
            min=0,
            typed=False,
        ),
    ] = None
    freeze_below: Annotated[
        int | None,
        _Training(
            "Freeze the mapping and all blocks below this resolution, as in --generator.",
            min=8,
            metavar="PIXELS",
        ),
    ] = None
    structure_weight: Annotated[
        float,
        Option(
            "With freeze_below: weight of the difference from the pictures of --generator, both "
            "downsampled to the resolution of the highest frozen block.",
            min=0,
            typed=False,
        ),
    ] = 100.0
    held_out: HeldOut = 0.1
    budget: Budget = None
    patience: Patience = None
    keep: Keep = 2
    save_every: Annotated[int, _Training("Steps between saved states.", min=1)] = 500
    preview_every: Annotated[int, _Training("Steps between preview grids; 0 for none.", min=0)] = (
        1000
    )
    log_every: Annotated[int, _Training("Steps between lines of metrics.", min=1)] = 20
    seed: Seed = 0

    def __post_init__(self) -> None:
        check_options(self)
        if self.resolution & (self.resolution - 1):
            raise ConfigError(
                f"resolution {self.resolution}: expected a power of two",
                hint="try --resolution 64, 128 or 256",
            )
        if self.channel_base < self.resolution:
            raise ConfigError(
                f"channel_base {self.channel_base}: leaves no channel at {self.resolution} px, "
                f"expected at least {self.resolution}"
            )

    @property
    def num_steps(self) -> int:
        """Total number of steps."""
        return -(-self.num_images // self.batch_size)

    @property
    def effective_augment(self) -> AugmentChoice:
        """Augmentation of the discriminator's images, by default that of its kind."""
        if self.augment is not None:
            return self.augment
        return "adaptive" if self.discriminator == "stylegan2" else "geometric"

    @property
    def effective_r1_gamma(self) -> float:
        """Weight of the gradient penalty, by default the usual heuristic."""
        # Source: Karras et al. 2020 (ADA), Appendix C: 0.0002 * pixels / batch size.
        if self.r1_gamma is not None:
            return self.r1_gamma
        return 0.0002 * self.resolution**2 / self.batch_size

    @property
    def effective_ema_images(self) -> float:
        """Half-life of the weight average in images."""
        return self.batch_size * 10_000 / 32 if self.ema_images is None else self.ema_images
