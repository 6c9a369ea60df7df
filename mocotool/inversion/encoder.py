"""Shared part of both kinds of encoder, which predict latents from pictures.

On real pictures the predictions are rough, and good initial values for a search.
"""

import dataclasses

import torch
from torch import Tensor, nn

from mocotool.devices import to_device
from mocotool.errors import MismatchError
from mocotool.generators.base import Generator
from mocotool.provenance import FileRecord
from mocotool.training.randomness import derive_rng

NUM_SURVEYED = 10_000  # latents from which mean and deviation are estimated
NUM_HELD_OUT = 256
JUDGE_BATCH = 32


class LatentEncoder(nn.Module):
    """Predicts the latent of a picture.

    Args:
        latent_dim: Size of the latents.
        img_channels: Channels of pictures.
        resolution: Resolution of the generator; pictures may have any shape.
    """

    mean: Tensor
    """Mean of the generator's latents, [latent_dim]."""
    stdev: Tensor
    """Their standard deviation in each dimension, [latent_dim]."""
    generator_record: FileRecord | None = None
    """The generator that it was trained for."""
    sha256: str | None = None
    """Hash of the file that it was read from."""

    def __init__(self, *, latent_dim: int, img_channels: int, resolution: int) -> None:
        super().__init__()
        self.latent_dim, self.img_channels, self.resolution = latent_dim, img_channels, resolution
        self.register_buffer("mean", torch.zeros(latent_dim))
        self.register_buffer("stdev", torch.ones(latent_dim))

    @property
    def arch(self) -> dict[str, int | str]:
        """Keyword arguments to build it again, and its kind."""
        raise NotImplementedError

    def forward(self, img: Tensor) -> Tensor:
        """Predict latents [n, latent_dim] from pictures [n, c, h, w] in [-1, 1]."""
        if img.ndim != 4 or img.shape[1] != self.img_channels:
            raise MismatchError(
                f"pictures have shape {list(img.shape)}, the encoder takes "
                f"[n, {self.img_channels}, h, w]"
            )
        return self.mean + self.stdev * self.guess_units(img)

    def guess_units(self, img: Tensor) -> Tensor:
        """Predict normalised latents [n, latent_dim], in standard deviations from the mean."""
        raise NotImplementedError

    def begin(self, generator: Generator, *, seed: int) -> None:
        """Record the generator, and the mean and deviation of its latents."""
        self.generator_record = generator.origin.file if generator.origin else None
        drawn = draw_latents(generator, NUM_SURVEYED, derive_rng(seed, "survey"))
        self.mean.copy_(drawn.mean(dim=0))
        self.stdev.copy_(drawn.std(dim=0).clamp(min=1e-6))


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class EncoderFit:
    """A trained encoder, and its error."""

    encoder: LatentEncoder
    error: float
    """Mean squared error of latents on unseen pictures, as a fraction of their variance."""
    psnr: float
    """PSNR of renderings of its predictions, in dB for the range [-1, 1]."""


def check_encoder_fits(encoder: LatentEncoder, generator: Generator) -> str | None:
    """Check that an encoder fits a generator.

    Returns:
        A warning if it was trained for another generator of the same shape, else `None`.

    Raises:
        MismatchError: Latents or pictures have another size.
    """
    ours = (encoder.latent_dim, encoder.img_channels, encoder.resolution)
    theirs = (generator.latent_dim, generator.img_channels, generator.resolution)
    if ours != theirs:
        raise MismatchError(
            f"the encoder was trained for latents of {ours[0]} dimensions and pictures of "
            f"{ours[2]} px, the generator has {theirs[0]} and {theirs[2]} px",
            hint="make one for it with `moco train-encoder`",
        )
    trained, origin = encoder.generator_record, generator.origin
    if trained is None or origin is None or origin.is_of(trained):
        return None
    return (
        f"the encoder was trained for {trained.path} ({trained.sha256[:12]}), "
        f"not for {origin.file.path} ({origin.file.sha256[:12]})"
    )


def draw_latents(generator: Generator, n: int, rng: torch.Generator) -> Tensor:
    """Draw latents [n, latent_dim] of a generator without classes."""
    z = torch.randn(n, generator.z_dim, generator=rng)
    with torch.no_grad():
        return generator.mapping(to_device(z, generator.device))


@torch.no_grad()
def judge_encoder(encoder: LatentEncoder, generator: Generator, *, seed: int) -> EncoderFit:
    """Measure the error of an encoder on unseen pictures."""
    latent = draw_latents(generator, NUM_HELD_OUT, derive_rng(seed, "held out"))
    errors, distances = [], []
    for part in latent.split(JUDGE_BATCH):
        img = generator.synthesis(part)
        guess = encoder(img)
        errors.append(((guess - part) / encoder.stdev).square().mean(dim=1))
        wanted, found = img.clamp(-1, 1), generator.synthesis(guess).clamp(-1, 1)
        distances.append((found - wanted).square().mean(dim=(1, 2, 3)))
    psnr = 10 * torch.log10(4.0 / torch.cat(distances).clamp(min=1e-10))
    return EncoderFit(
        encoder=encoder, error=float(torch.cat(errors).mean()), psnr=float(psnr.mean())
    )
