"""An encoder by kernel ridge regression on pictures whose latents are known.

Pictures are compared as thumbnails, with a Gaussian kernel. The training set consists of rendered
pictures and of real ones whose latents were found by inversion: these help more on real pictures
than any number of rendered ones.
"""

import dataclasses

import torch
import torch.nn.functional as F
from torch import Tensor

from mocotool.configs.train_encoder import TrainEncoderConfig
from mocotool.errors import MismatchError
from mocotool.generators.base import Generator
from mocotool.inversion.encoder import EncoderFit, LatentEncoder, draw_latents, judge_encoder
from mocotool.training.randomness import derive_rng

THUMBNAIL_SIZE = 16
KERNEL_SHARE = 0.5  # squared kernel width, as a fraction of the pictures' variance
RIDGE = 0.03
RENDER_BATCH = 32


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class FoundPictures:
    """Real pictures whose latents were found by inversion."""

    images: Tensor
    """[n, c, h, w] in [-1, 1]; thumbnails suffice."""
    latents: Tensor
    """[n, latent_dim]."""


class KernelEncoder(LatentEncoder):
    """Predicts latents by regression on known pictures.

    Args:
        latent_dim: Size of the latents.
        img_channels: Channels of pictures.
        resolution: Resolution of the generator; pictures of any shape are resized to squares.
        num_known: Number of known pictures.
    """

    known_u8: Tensor
    """Thumbnails of the pictures, uint8 [num_known, c, 16, 16]."""
    weights: Tensor
    """Regression weights, [num_known, latent_dim]."""

    def __init__(
        self, *, latent_dim: int, img_channels: int, resolution: int, num_known: int
    ) -> None:
        super().__init__(latent_dim=latent_dim, img_channels=img_channels, resolution=resolution)
        size = THUMBNAIL_SIZE
        shape = (num_known, img_channels, size, size)
        self.register_buffer("known_u8", torch.zeros(shape, dtype=torch.uint8))
        self.register_buffer("weights", torch.zeros(num_known, latent_dim))

    @property
    def arch(self) -> dict[str, int | str]:
        """Keyword arguments to build it again, and its kind."""
        return {
            "kind": "kernel",
            "latent_dim": self.latent_dim,
            "img_channels": self.img_channels,
            "resolution": self.resolution,
            "num_known": len(self.known_u8),
        }

    def guess_units(self, img: Tensor) -> Tensor:
        """Predict normalised latents [n, latent_dim], in standard deviations from the mean."""
        return self._compare(reduce_to_u8(img)) @ self.weights

    def fit(self, pictures_u8: Tensor, latents: Tensor) -> None:
        """Fit thumbnails uint8 [num_known, c, 16, 16] and their latents.

        Weights are rounded to the precision of the file.

        Source:
            Follows: Saunders et al., "Ridge regression learning algorithm in dual variables", 1998.
        """
        self.known_u8.copy_(pictures_u8)
        units = (latents - self.mean) / self.stdev
        self.weights.copy_(solve_ridge(self._compare(pictures_u8), units, ridge=RIDGE).half())

    def _compare(self, pictures_u8: Tensor) -> Tensor:
        """Return the kernel of thumbnails [n, c, 16, 16] and the known ones, [n, num_known]."""
        known, others = (_describe(x) for x in (self.known_u8, pictures_u8))
        return compare_pictures(others, known, share=KERNEL_SHARE)


def compare_pictures(pictures: Tensor, known: Tensor, *, share: float = 1.0) -> Tensor:
    """Compute the Gaussian kernel [n, s] of pictures [n, p] and known ones [s, p].

    Args:
        pictures: Pictures to compare, flat.
        known: Pictures whose variance sets the width of the kernel.
        share: Squared kernel width as a fraction of that variance.
    """
    variance = (known - known.mean(dim=0)).square().sum(dim=1).mean()
    scale = -0.5 / (share * variance).clamp(min=torch.finfo(known.dtype).tiny)
    return (torch.cdist(pictures, known).square() * scale).exp()


def solve_ridge(gram: Tensor, targets: Tensor, *, ridge: float) -> Tensor:
    """Return the weights [s, d] of kernel ridge regression: `compare_pictures(...) @ weights`.

    Args:
        gram: Kernel matrix of the known pictures, [s, s].
        targets: Regression targets, [s, d].
        ridge: Ridge penalty; larger values shrink predictions towards zero.
    """
    weights: Tensor = torch.linalg.solve(
        gram + ridge * torch.eye(len(gram), device=gram.device), targets
    )
    return weights


def fit_kernel(
    generator: Generator, *, config: TrainEncoderConfig, found: FoundPictures | None = None
) -> EncoderFit:
    """Render pictures, and fit a regression to them and to the found ones.

    Args:
        generator: The frozen generator.
        config: Number of pictures to render, and the seed.
        found: Real pictures whose latents are known.

    Returns:
        The encoder on the generator's device, and its error.

    Raises:
        MismatchError: The found latents have another size.
    """
    latents = draw_latents(generator, config.num_pictures, derive_rng(config.seed, "pictures"))
    with torch.no_grad():
        parts = [reduce_to_u8(generator.synthesis(part)) for part in latents.split(RENDER_BATCH)]
    pictures_u8 = torch.cat(parts)
    if found is not None:
        _check_found(found, generator)
        more_u8 = reduce_to_u8(found.images.to(generator.device))
        pictures_u8 = torch.cat([pictures_u8, more_u8])
        latents = torch.cat([latents, found.latents.to(generator.device)])

    encoder = KernelEncoder(
        latent_dim=generator.latent_dim,
        img_channels=generator.img_channels,
        resolution=generator.resolution,
        num_known=len(latents),
    ).to(generator.device)
    encoder.begin(generator, seed=config.seed)
    encoder.fit(pictures_u8, latents)
    return judge_encoder(encoder.eval(), generator, seed=config.seed)


def reduce_to_u8(img: Tensor) -> Tensor:
    """Reduce pictures [n, c, h, w] in [-1, 1] to thumbnails uint8 [n, c, 16, 16]."""
    small = F.adaptive_avg_pool2d(img, THUMBNAIL_SIZE)
    return ((small + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def _describe(pictures_u8: Tensor) -> Tensor:
    """Return the features of thumbnails, [n, p]."""
    return pictures_u8.flatten(1).float() / 127.5 - 1


def _check_found(found: FoundPictures, generator: Generator) -> None:
    shape = (len(found.images), generator.latent_dim)
    if found.latents.shape != shape or found.images.shape[1] != generator.img_channels:
        raise MismatchError(
            f"found latents have shape {list(found.latents.shape)}, and their pictures "
            f"{list(found.images.shape)}; expected {list(shape)} and "
            f"[n, {generator.img_channels}, h, w]"
        )
