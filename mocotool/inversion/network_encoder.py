"""An encoder network, trained on pictures rendered during training."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mocotool.configs.train_encoder import TrainEncoderConfig
from mocotool.devices import measured_convolutions, to_device
from mocotool.errors import DivergedError
from mocotool.generators.base import Generator
from mocotool.inversion.encoder import EncoderFit, LatentEncoder, draw_latents, judge_encoder
from mocotool.training.randomness import derive_rng, derive_seed

INPUT_SIZE = 64  # pictures are reduced to squares of this size at most
SMALLEST = 4  # pixels of the last map
MAX_FACTOR = 8
CHECK_EVERY = 50  # steps
SLOPE = 0.2
PIXEL_NOISE = 0.1  # at most, in units of [-1, 1]; real pictures are not the generator's own
BRIGHTNESS = 0.1
WARMUP_SHARE = 0.02


class NetworkEncoder(LatentEncoder):
    """A convolutional network that predicts latents.

    Args:
        latent_dim: Size of the latents.
        img_channels: Channels of pictures.
        resolution: Resolution of the generator; pictures of any shape are resized to squares.
        width: Channels of the first layer.
    """

    def __init__(self, *, latent_dim: int, img_channels: int, resolution: int, width: int) -> None:
        super().__init__(latent_dim=latent_dim, img_channels=img_channels, resolution=resolution)
        self.width = width
        size = min(INPUT_SIZE, resolution)
        layers: list[nn.Module] = [nn.Conv2d(img_channels, width, 3, padding=1)]
        channels, factor = width, 1
        while size > SMALLEST:
            factor = min(2 * factor, MAX_FACTOR)
            layers += [
                nn.LeakyReLU(SLOPE),
                nn.Conv2d(channels, width * factor, 4, stride=2, padding=1),
            ]
            channels, size = width * factor, size // 2
        layers += [nn.LeakyReLU(SLOPE), nn.Flatten(), nn.Linear(channels * size**2, latent_dim)]
        self.body = nn.Sequential(*layers)

    @property
    def arch(self) -> dict[str, int | str]:
        """Keyword arguments to build it again."""
        return {
            "latent_dim": self.latent_dim,
            "img_channels": self.img_channels,
            "resolution": self.resolution,
            "width": self.width,
        }

    def guess_units(self, img: Tensor) -> Tensor:
        """Predict normalised latents [n, latent_dim], in standard deviations from the mean."""
        size = min(INPUT_SIZE, self.resolution)
        if img.shape[-2:] != (size, size):
            img = F.interpolate(img, (size, size), mode="bilinear", antialias=True)
        units: Tensor = self.body(img)
        return units


def train_network(
    generator: Generator,
    *,
    config: TrainEncoderConfig,
    progress: Callable[[int], None] | None = None,
) -> EncoderFit:
    """Train a network on pictures that are rendered during training.

    Args:
        generator: The frozen generator.
        config: Steps, sizes and seed.
        progress: Called with the number of steps done since the last call.

    Returns:
        The encoder in eval mode on the generator's device, and its error.

    Raises:
        DivergedError: The loss is NaN or infinite.

    Source:
        Follows: Zhu et al. 2016 (a network that inverts a generator as the start of a search).
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(config.seed, "weights"))
        encoder = NetworkEncoder(
            latent_dim=generator.latent_dim,
            img_channels=generator.img_channels,
            resolution=generator.resolution,
            width=config.width,
        ).to(generator.device)
    encoder.begin(generator, seed=config.seed)

    # Every batch is new, so there is nothing to overfit.
    optimizer = torch.optim.Adam(encoder.parameters(), lr=config.learning_rate, betas=(0.9, 0.99))
    with measured_convolutions(generator.device, generator.synthesis.compute_dtype):
        for step in range(config.num_steps):
            rate = config.learning_rate * _schedule(step / config.num_steps)
            optimizer.param_groups[0]["lr"] = rate
            rng = derive_rng(config.seed, "step", step)
            latent = draw_latents(generator, config.batch_size, rng)
            with torch.no_grad():
                img = _disturb(generator.synthesis(latent), rng)
            error = (encoder(img) - latent) / encoder.stdev
            loss = error.square().mean()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            # Once NaN it stays NaN, so the device need not be synchronised at every step.
            is_asked = (step + 1) % CHECK_EVERY == 0 or step + 1 == config.num_steps
            if is_asked and not loss.isfinite():
                raise DivergedError(
                    f"step {step}: the encoder's loss is not finite", hint="lower --learning-rate"
                )
            if progress is not None:
                progress(1)
    return judge_encoder(encoder.eval().requires_grad_(False), generator, seed=config.seed)


def _disturb(img: Tensor, rng: torch.Generator) -> Tensor:
    """Augment with noise and brightness, for robustness on real pictures."""
    n = len(img)
    level, shift = (to_device(torch.rand(n, 1, 1, 1, generator=rng), img.device) for _ in range(2))
    noise = to_device(torch.randn(img.shape, generator=rng), img.device)
    return img + PIXEL_NOISE * level * noise + BRIGHTNESS * (2 * shift - 1)


def _schedule(progress: float) -> float:
    return min(1.0, progress / WARMUP_SHARE + 1e-2) * 0.5 * (1 + math.cos(math.pi * progress))
