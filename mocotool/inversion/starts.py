"""Initial latents of a search, from an encoder or from sampled latents and their pictures.

Without an encoder a thousand sampled latents are rendered once. The candidates of an image are the
nearest of these, and predictions by regression from pictures to latents.
"""

import dataclasses
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from mocotool.configs.invert import InvertConfig, SearchSpace
from mocotool.devices import to_device
from mocotool.errors import ConfigError, MismatchError
from mocotool.generators.base import Generator
from mocotool.generators.chunks import ChunkSize, choose_batch
from mocotool.inversion.encoder import LatentEncoder, check_encoder_fits
from mocotool.inversion.kernel_encoder import compare_pictures, solve_ridge
from mocotool.training.randomness import derive_rng

THUMBNAIL_SIZE = 16
NUM_NEAREST = 2
RIDGES = (0.03, 0.1)  # for the generator's own pictures, and for real ones
RENDER_BATCH = 64


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class LatentUnits:
    """Mean and deviation of latents, to normalise the coordinates of a search."""

    mean: Tensor
    """Mean [d], in z for a search in z, else in the space of the generator's latents."""
    stdev: Tensor
    """Standard deviation of each dimension [d]."""

    @classmethod
    def measure(cls, points: Tensor) -> "LatentUnits":
        """Measure points [s, d]."""
        # a single latent has no deviation; constant dimensions are not scaled
        stdev = points.std(dim=0, correction=0) if len(points) > 1 else torch.ones_like(points[0])
        return cls(mean=points.mean(dim=0), stdev=torch.where(stdev > 0, stdev, 1.0))

    def to_units(self, points: Tensor) -> Tensor:
        """Express points [..., d] in standard deviations from the mean."""
        return (points - self.mean) / self.stdev

    def from_units(self, coords: Tensor) -> Tensor:
        """Convert coordinates [..., d] back to points; the inverse of `to_units`."""
        return self.mean + coords * self.stdev


class Starts(Protocol):
    """Initial latents of searches, and the units of their coordinates."""

    @property
    def units(self) -> LatentUnits:
        """Units of the search's coordinates."""

    def propose(self, images: Tensor) -> Tensor:
        """Return the starts to try for each image [n, c, h, w]: [n, num_tries, d]."""

    def guess(self, images: Tensor) -> Tensor:
        """Return one candidate per image, suited to real pictures, [n, d]."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class LatentSurvey:
    """Sampled latents of a generator, their pictures, mean and deviation."""

    points: Tensor
    """The latents [s, d], in z for a search in z, else in the space of the generator's latents."""
    thumbnails: Tensor
    """Their pictures, small and flat, [s, 3 * 16 * 16]."""
    units: LatentUnits
    _solved: dict[float, Tensor] = dataclasses.field(default_factory=dict, repr=False)
    """Weights of the regression [s, d] by ridge: they are the same for all images."""

    def nearest(self, images: Tensor, *, count: int = 1) -> Tensor:
        """Return the points [n, count, d] whose pictures are nearest to each image [n, c, h, w]."""
        distances = torch.cdist(make_thumbnails(images), self.thumbnails)
        return self.points[distances.topk(count, largest=False).indices]

    def regress(self, images: Tensor, *, ridge: float) -> Tensor:
        """Predict the point [n, d] of each image [n, c, h, w] by kernel regression on the pictures.

        The Gaussian kernel is as wide as the pictures' deviation from their mean; an image unlike
        all of them is mapped to the mean.

        Args:
            images: Target images.
            ridge: Ridge penalty; larger values shrink predictions towards the mean.

        Source:
            Follows: Saunders et al., "Ridge regression learning algorithm in dual variables", 1998.
        """
        known = self.thumbnails  # [s, p]
        if ridge not in self._solved:
            gram, targets = compare_pictures(known, known), self.units.to_units(self.points)
            self._solved[ridge] = solve_ridge(gram, targets, ridge=ridge)
        alike = compare_pictures(make_thumbnails(images), known)  # [n, s]
        return self.units.from_units(alike @ self._solved[ridge])

    def propose(self, images: Tensor) -> Tensor:
        """Return the starts to try; see `Starts`."""
        near = self.nearest(images, count=min(NUM_NEAREST, len(self.points)))
        guesses = [self.regress(images, ridge=ridge) for ridge in RIDGES]
        return torch.cat([near, torch.stack(guesses, dim=1)], dim=1)

    def guess(self, images: Tensor) -> Tensor:
        """Predict by regression; see `Starts`."""
        return self.regress(images, ridge=RIDGES[-1])


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class EncoderStarts:
    """Predictions of an encoder, in its own units."""

    encoder: LatentEncoder

    @property
    def units(self) -> LatentUnits:
        """Units of the search's coordinates."""
        return LatentUnits(mean=self.encoder.mean, stdev=self.encoder.stdev)

    def propose(self, images: Tensor) -> Tensor:
        """Return the starts to try, one for each image; see `Starts`."""
        return self.guess(images)[:, None]

    @torch.no_grad()
    def guess(self, images: Tensor) -> Tensor:
        """Predict the latent [n, d] of each image [n, c, h, w]."""
        latents: Tensor = self.encoder(images)
        return latents


def choose_starts(
    generator: Generator,
    *,
    space: SearchSpace,
    config: InvertConfig,
    encoder: LatentEncoder | None = None,
) -> Starts:
    """Return the initialisation of searches for a generator's latents.

    Raises:
        MismatchError: The encoder does not fit the generator.
        ConfigError: It predicts latents of another space than that of the search; or the generator
            has classes and none was named.
    """
    if encoder is None:
        return survey_latents(generator, space=space, config=config)
    generator.one_hot(_repeat_label(config.label, 1), 1)  # what rendering will ask for
    check_encoder_fits(encoder, generator)
    if not encodes_space(generator, space):
        raise ConfigError(
            "the encoder predicts latents in w, but the search is in z",
            hint="search in w, or without an encoder: --encoder none",
        )
    return EncoderStarts(encoder=encoder)


def encodes_space(generator: Generator, space: SearchSpace) -> bool:
    """Return whether an encoder of the generator can initialise a search in this space."""
    return space != "z" or generator.space == "z"


@torch.no_grad()
def survey_latents(
    generator: Generator, *, space: SearchSpace, config: InvertConfig
) -> LatentSurvey:
    """Draw `config.num_starts` latents and render them.

    Args:
        generator: The generator.
        space: Search space.
        config: Number of latents, class, noise and seed.

    Raises:
        ConfigError: The generator has classes and none was named, or it is out of range.
    """
    rng = derive_rng(config.seed, "inversion starts")
    z = torch.randn(config.num_starts, generator.z_dim, generator=rng)
    z = to_device(z, generator.device)
    latents = torch.cat([map_latents(generator, part, config) for part in z.split(RENDER_BATCH)])

    # batch size limited by memory, at any resolution
    at_once = choose_batch(generator, latents, lambda some: render_latents(generator, some, config))
    chunks = ChunkSize(min(at_once, RENDER_BATCH))
    thumbnails = list(
        chunks.run(
            lambda start, stop: make_thumbnails(
                render_latents(generator, latents[start:stop], config)
            ),
            len(latents),
        )
    )
    drawn = z if space == "z" else latents
    return LatentSurvey(
        points=drawn, thumbnails=torch.cat(thumbnails), units=LatentUnits.measure(drawn)
    )


def map_latents(generator: Generator, z: Tensor, config: InvertConfig) -> Tensor:
    """Map z [n, z_dim] of the chosen class to latents [n, latent_dim]."""
    label = _repeat_label(config.label, len(z))
    return generator.mapping(z, generator.one_hot(label, len(z)))


def render_latents(generator: Generator, latent: Tensor, config: InvertConfig) -> Tensor:
    """Render latents [n, latent_dim] or [n, num_ws, latent_dim] with the search's settings."""
    return generator.synthesis(
        latent,
        labels=_repeat_label(config.label, len(latent)),
        noise_mode=config.noise,
    )


def choose_space(generator: Generator, space: SearchSpace | None) -> SearchSpace:
    """Return the space to search in.

    Raises:
        MismatchError: The generator has no such space.
    """
    if space is None or space == generator.space:
        return generator.space
    if generator.space == "z":
        raise MismatchError(
            f"a generator of the kind {generator.kind} has no mapping network, "
            f"so there is no {space} to search in",
            hint="--space z",
        )
    return space


def make_thumbnails(img: Tensor) -> Tensor:
    """Reduce images [n, c, h, w] to small flat ones [n, c * 16 * 16]."""
    return F.adaptive_avg_pool2d(img, THUMBNAIL_SIZE).flatten(1)


def _repeat_label(label: int | None, n: int) -> Tensor | None:
    return None if label is None else torch.full((n,), label)
