"""A surrogate of the generator: a small network that guesses its pictures, reduced in size.

Learning motion from latents needs to know how pictures change along a walk, and a generator takes a
thousand times too long to say. It is asked once for pairs of pictures, reduced to a few numbers
each, and a small network learns to guess those numbers, and their differences, from latents.
"""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mocotool.boundary import foreign_data
from mocotool.errors import DivergedError, FileFormatError
from mocotool.files import open_target
from mocotool.generators.base import Generator
from mocotool.generators.loading import check_tensors
from mocotool.latents import Trajectory
from mocotool.motion.latent_clips import read_liveliness
from mocotool.networks.shapes_only import shapes_only
from mocotool.training.randomness import derive_rng, derive_seed
from mocotool.weights.finite import check_finite
from mocotool.weights.safetensors_file import read_record, read_safetensors, write_safetensors

PICTURE_SIZE = 16  # pixels of the reduced pictures
NUM_VALUES = 80  # principal components of them, at most; 95 % of the variance of animated people
WIDTH, NUM_BLOCKS = 448, 2
BATCH_SIZE = 192
PICTURES_PER_STEP = 12
LEARNING_RATE, WARMUP_STEPS = 2e-3, 100
RENDER_BATCH = 32
NEAR, FAR = 0.08, 1.2  # standard deviations between the two latents of a pair
TOWARDS = 3  # one pair of so many goes towards somebody else
FURTHEST = 0.8  # of the way there
LEAST_DIFFERENCE = 0.02  # of a pair, in deviations of pictures
HELD_OUT_SHARE = 1 / 16


class Surrogate(nn.Module):
    """Guesses reduced pictures of latents.

    Args:
        latent_dim: Size of the latents.
        picture_shape: Channels, height and width of reduced pictures.
        num_values: Numbers that say what a reduced picture is like.
    """

    latent_mean: Tensor
    latent_stdev: Tensor
    picture_mean: Tensor
    picture_axes: Tensor
    scale: Tensor

    def __init__(
        self, *, latent_dim: int, picture_shape: tuple[int, int, int], num_values: int
    ) -> None:
        super().__init__()
        self.picture_shape = picture_shape
        num_pixels = math.prod(picture_shape)
        self.register_buffer("latent_mean", torch.zeros(latent_dim))
        self.register_buffer("latent_stdev", torch.ones(latent_dim))
        self.register_buffer("picture_mean", torch.zeros(num_pixels))
        self.register_buffer("picture_axes", torch.zeros(num_pixels, num_values))
        self.register_buffer("scale", torch.ones(()))
        self.entry = nn.Linear(latent_dim, WIDTH)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH))
            for _ in range(NUM_BLOCKS)
        )
        self.exit = nn.Linear(WIDTH, num_values)
        self.straight = nn.Linear(latent_dim, num_values)

    def forward(self, latent: Tensor) -> Tensor:
        """Guess the values [..., num_values] of latents [..., latent_dim]."""
        units = (latent - self.latent_mean) / self.latent_stdev
        hidden = F.silu(self.entry(units))
        for block in self.blocks:
            hidden = hidden + block(hidden)
        values: Tensor = self.exit(F.silu(hidden)) + self.straight(units)
        return values

    def draw(self, values: Tensor) -> Tensor:
        """Return the pictures [..., c, s, s] that values [..., num_values] stand for."""
        flat = self.picture_mean + self.scale * values @ self.picture_axes.T
        pictures: Tensor = flat.unflatten(-1, self.picture_shape)
        return pictures

    def reduce(self, img: Tensor) -> Tensor:
        """Return the true values [n, num_values] of pictures [n, c, h, w] in [-1, 1]."""
        flat = _shrink(img, self.picture_shape[1]).flatten(1)
        return (flat - self.picture_mean) @ self.picture_axes / self.scale


@dataclasses.dataclass(frozen=True, slots=True)
class SurrogateFit:
    """A surrogate, and how far to trust it."""

    surrogate: Surrogate
    agreement: float
    """Explained share of the differences between unseen pictures, at most 1."""


def fit_surrogate(
    generator: Generator,
    *,
    num_pictures: int,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> SurrogateFit:
    """Render pairs of pictures and teach a small network to guess them.

    Args:
        generator: The frozen generator, without classes.
        num_pictures: Pictures to render, two per pair; at least 64.
        seed: Of latents and weights.
        progress: Called with the number of pictures rendered since the last call.

    Returns:
        The surrogate, frozen and on the CPU, and how well it guesses.

    Raises:
        DivergedError: The generator renders, or the network guesses, NaN or infinity.
    """
    first, second = _draw_pairs(generator, num_pictures // 2, derive_rng(seed, "pairs"))
    img = [_render(generator, latents, progress) for latents in (first, second)]

    # What a reduced picture is like, in a few numbers.
    flat = torch.cat(img)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "weights"))
        num_values = min(NUM_VALUES, flat[0].numel(), len(flat) // 2)
        surrogate = Surrogate(
            latent_dim=generator.latent_dim,
            picture_shape=(flat.shape[1], flat.shape[2], flat.shape[3]),
            num_values=num_values,
        )
        flat = flat.flatten(1)
        surrogate.picture_mean.copy_(flat.mean(dim=0))
        _, _, axes = torch.pca_lowrank(flat - surrogate.picture_mean, q=num_values, niter=4)
        surrogate.picture_axes.copy_(axes)
    surrogate.latent_mean.copy_(first.mean(dim=0))
    surrogate.latent_stdev.copy_(first.std(dim=0).clamp(min=1e-6))
    surrogate.scale.copy_(surrogate.reduce(img[0]).std().clamp(min=1e-6))

    values = [surrogate.reduce(pictures) for pictures in img]
    num_seen = round(len(first) * (1 - HELD_OUT_SHARE))
    seen = [x[:num_seen] for x in (first, second, *values)]
    _teach(surrogate, *seen, rng=derive_rng(seed, "batches"))
    held = [x[num_seen:] for x in (first, second, *values)]
    return SurrogateFit(surrogate.requires_grad_(False).eval(), _agreement(surrogate, *held))


def _draw_pairs(generator: Generator, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw latents [n, d] and others beside them, near and far."""
    z = torch.randn(n, generator.z_dim, generator=rng)
    with torch.no_grad():
        first = generator.mapping(z.to(generator.device)).float().cpu()
    _check_finite(first, "latents")

    # Steps as wide along every direction as latents are.
    values, vectors = torch.linalg.eigh(torch.cov(first.T))
    root = vectors * values.clamp(min=0).sqrt()
    way = torch.randn(n, len(root), generator=rng) @ root.T
    span = math.log(FAR / NEAR)
    length = NEAR * (span * torch.rand(n, 1, generator=rng)).exp()
    beside = first + length * way

    share = FURTHEST * torch.rand(n, 1, generator=rng)
    towards = torch.lerp(first, first.roll(1, dims=0), share)
    is_towards = torch.arange(n)[:, None] % TOWARDS == 0
    return first, torch.where(is_towards, towards, beside)


@torch.no_grad()
def _render(
    generator: Generator, latents: Tensor, progress: Callable[[int], None] | None = None
) -> Tensor:
    """Render reduced pictures [n, c, s, s]."""
    parts = []
    for part in latents.split(RENDER_BATCH):
        img = generator.synthesis(part.to(generator.device)).float()
        parts.append(_shrink(img, min(PICTURE_SIZE, generator.resolution)).cpu())
        if progress is not None:
            progress(len(part))
    pictures = torch.cat(parts)
    _check_finite(pictures, "pictures")
    return pictures


def _check_finite(values: Tensor, what: str) -> None:
    if not values.isfinite().all():
        raise DivergedError(f"the generator gives {what} that are not finite")


def _shrink(img: Tensor, size: int) -> Tensor:
    return F.interpolate(img.clamp(-1, 1), (size, size), mode="area")


def _teach(
    surrogate: Surrogate,
    first: Tensor,
    second: Tensor,
    wanted: Tensor,
    wanted_second: Tensor,
    *,
    rng: torch.Generator,
) -> None:
    """Teach values, and differences in units of their own length, so that small ones count."""
    length = (wanted_second - wanted).square().mean(dim=1, keepdim=True).sqrt()
    length = length.clamp(min=LEAST_DIFFERENCE)
    optimizer = torch.optim.AdamW(surrogate.parameters(), lr=LEARNING_RATE, weight_decay=1e-4)
    num_steps = max(1, 2 * len(first) // PICTURES_PER_STEP)
    for step in range(num_steps):
        warmth = min(1.0, (step + 1) / WARMUP_STEPS)
        fall = 0.5 * (1 + math.cos(math.pi * step / num_steps))
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * warmth * fall
        idxs = torch.randint(len(first), (BATCH_SIZE,), generator=rng)
        errors = [
            surrogate(latents[idxs]) - values[idxs]
            for latents, values in ((first, wanted), (second, wanted_second))
        ]
        apart = (errors[1] - errors[0]) / length[idxs]
        loss = sum((error.square().mean() for error in (*errors, apart)), torch.zeros(()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if not loss.isfinite():
        raise DivergedError("the surrogate of the generator diverged")


@torch.no_grad()
def _agreement(
    surrogate: Surrogate, first: Tensor, second: Tensor, wanted: Tensor, wanted_second: Tensor
) -> float:
    apart = wanted_second - wanted
    error = surrogate(second) - surrogate(first) - apart
    return 1.0 - float(error.square().sum() / apart.square().sum().clamp(min=1e-12))


@torch.no_grad()
def picture_clips(
    generator: Generator,
    surrogate: Surrogate,
    trajectory: Trajectory,
    *,
    progress: Callable[[int], None] | None = None,
) -> Tensor:
    """Return the reduced pictures of the clips behind latents, to compare guesses with.

    The latents of a clip keep only a part of its motion, more of one clip than of another. Where
    they say how much (`read_liveliness`), motion is lengthened to what it was.

    Args:
        generator: Renders the latents.
        surrogate: Says what of pictures counts.
        trajectory: Latents of clips in w or z.
        progress: Called with the number of frames rendered since the last call.

    Returns:
        Values [n, t, num_values].

    Raises:
        DivergedError: The generator renders values that are not finite.
    """
    latents = torch.from_numpy(trajectory.latents)
    img = _render(generator, latents.flatten(0, 1), progress)
    values: Tensor = surrogate.reduce(img).unflatten(0, latents.shape[:2])
    kept = read_liveliness(trajectory)[:, None, None]
    return values[:, :1] + (values - values[:, :1]) / kept


@dataclasses.dataclass(frozen=True, slots=True)
class PicturedClips:
    """What clips look like, in the values that a surrogate guesses."""

    surrogate: Surrogate
    pictures: Tensor
    """[n, t, num_values]."""


def save_pictured(pictured: PicturedClips, path: Path) -> None:
    """Write a surrogate and the clips' pictures into one file, for the run that made them."""
    record = {
        "schema": "moco.surrogate/1",
        "picture_shape": list(pictured.surrogate.picture_shape),
    }
    tensors = pictured.surrogate.state_dict() | {"pictures": pictured.pictures}
    with open_target(path) as file:
        write_safetensors(tensors, file, record=record)


def load_pictured(path: Path, *, trajectory: Trajectory) -> PicturedClips:
    """Read what `save_pictured` wrote for the clips of a trajectory.

    Raises:
        FileFormatError: The file is damaged, something else, or of other clips.
    """
    hint = f"remove it, and it is made again: rm {path}"
    with foreign_data(path, what="the surrogate of a generator", hint=hint):
        tensors, metadata = read_safetensors(path)
        channels, height, width = (int(size) for size in read_record(metadata)["picture_shape"])
        pictures = tensors.pop("pictures")
        if pictures.shape[:2] != trajectory.latents.shape[:2]:
            raise FileFormatError("holds pictures of other clips", hint=hint)
        with shapes_only():
            surrogate = Surrogate(
                latent_dim=trajectory.latents.shape[-1],
                picture_shape=(channels, height, width),
                num_values=pictures.shape[-1],
            )
        check_tensors(expected=surrogate.state_dict(), found=tensors)
        check_finite(tensors | {"pictures": pictures})
        surrogate.load_state_dict(tensors, assign=True)
        return PicturedClips(surrogate.eval().requires_grad_(False), pictures)
