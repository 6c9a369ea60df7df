"""Inversion of all frames of a clip together, by Gauss-Newton steps that are solved exactly.

Frames of one clip look alike, so they share derivatives: the Jacobian is computed at a few anchor
frames, by one rendering per direction, and used for the frames around them. The rest is a linear
least-squares problem that couples only neighbouring frames.
"""

import dataclasses
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from mocotool.configs.invert_clips import InvertClipsConfig
from mocotool.errors import DivergedError
from mocotool.generators.base import Generator
from mocotool.inversion.objective import PyramidFeatures
from mocotool.training.randomness import derive_rng

NUM_DRAWN = 10_000  # latents from which mean and axes are estimated
MAX_SIZE = 128  # pixels of the longer side; larger pictures are downsampled to this
RENDER_BATCH = 64
PROBE = 0.05  # standard deviations; step of the finite differences, large enough against rounding
DAMPING_DOWN, DAMPING_UP = 0.3, 4.0
DAMPING_RANGE = (1e-4, 1e3)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class LatentAxes:
    """Principal axes of a generator's latents; coordinates along them are roughly N(0, I)."""

    mean: Tensor
    """[latent_dim]."""
    axes: Tensor
    """Axes as rows, scaled by the standard deviation, in descending order, [k, latent_dim]."""

    @classmethod
    def measure(cls, generator: Generator, *, count: int, seed: int = 0) -> "LatentAxes":
        """Draw latents and keep their `count` principal axes, or all if there are fewer."""
        z = torch.randn(NUM_DRAWN, generator.z_dim, generator=derive_rng(seed, "axes"))
        with torch.no_grad():
            drawn = generator.mapping(z.to(generator.device)).float()
        mean = drawn.mean(dim=0)
        _, widths, rows = torch.linalg.svd(drawn - mean, full_matrices=False)
        stdev = widths / len(drawn) ** 0.5
        count = min(count, int((stdev > 1e-4 * stdev[0]).sum()))
        return cls(mean, rows[:count] * stdev[:count, None])

    def to_coords(self, latents: Tensor) -> Tensor:
        """Return coordinates [..., k] of latents [..., latent_dim]."""
        squares = self.axes.square().sum(dim=1)
        return (latents - self.mean) @ self.axes.T / squares

    def to_latents(self, coords: Tensor) -> Tensor:
        """Return latents [..., latent_dim] at coordinates [..., k]."""
        return self.mean + coords @ self.axes


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class FoundClip:
    """Latents of a clip's frames."""

    latents: Tensor
    """[t, latent_dim]."""
    img: Tensor
    """Their renderings, [t, c, h, w], not clamped."""


def search_clip(
    generator: Generator,
    frames: Tensor,
    *,
    start: Tensor,
    axes: LatentAxes,
    config: InvertClipsConfig,
    progress: Callable[[int], None] | None = None,
) -> FoundClip:
    """Find latents of all frames of a clip together.

    Minimises a sum of squares: differences of pictures and of their pyramids; differences of
    neighbouring latents, weighted by `smoothness`; and coordinates, weighted by `prior`.

    Args:
        generator: The generator, in float32.
        frames: [t, c, h, w] in [-1, 1].
        start: Initial latents, [t, latent_dim].
        axes: Principal axes of the latents.
        config: Steps, anchors, weights.
        progress: Called with the number of steps done since the last call.

    Returns:
        The latents, and their renderings.

    Raises:
        DivergedError: The generator renders NaN or infinity.
    """
    target = _residual_maps(frames)  # [t, p]
    coords = axes.to_coords(start)
    img, maps = _render(generator, axes, coords)
    loss = _loss(maps - target, coords, config)
    damping = 1.0
    for step in range(config.num_steps):
        if step % config.refresh_every == 0:
            anchors, slopes = _take_slopes(generator, axes, coords, maps, config.num_anchors)
        moved = coords + _solve(
            maps - target, coords, anchors, slopes, damping=damping, config=config
        )
        tried_img, tried_maps = _render(generator, axes, moved)
        tried = _loss(tried_maps - target, moved, config)

        # Frames are coupled: a step is taken for the whole clip, or rejected with more damping.
        if tried < loss:
            gain = float((loss - tried) / loss)
            coords, img, maps, loss = moved, tried_img, tried_maps, tried
            damping = max(damping * DAMPING_DOWN, DAMPING_RANGE[0])
        else:
            gain = 0.0
            damping = min(damping * DAMPING_UP, DAMPING_RANGE[1])
        if progress is not None:
            progress(1)
        if 0 < gain < config.min_gain:
            if progress is not None:
                progress(config.num_steps - step - 1)
            break
    return FoundClip(axes.to_latents(coords), img)


@torch.no_grad()
def _render(generator: Generator, axes: LatentAxes, coords: Tensor) -> tuple[Tensor, Tensor]:
    """Render coordinates [t, k]: pictures [t, c, h, w], and their features [t, p]."""
    parts = [generator.synthesis(axes.to_latents(part)) for part in coords.split(RENDER_BATCH)]
    img = torch.cat(parts)
    if not img.isfinite().all():
        raise DivergedError("the generator renders NaN or infinity")
    return img, _residual_maps(img)


def _residual_maps(img: Tensor) -> Tensor:
    """Return features of pictures, scaled so that squared differences sum to `inversion_loss`."""
    longest = max(img.shape[-2:])
    if longest > MAX_SIZE:
        size = [round(side * MAX_SIZE / longest) for side in img.shape[-2:]]
        img = F.interpolate(img, size, mode="bilinear", antialias=True)
    maps = [img, *PyramidFeatures()(img)]
    return torch.cat([x.flatten(1) / x[0].numel() ** 0.5 for x in maps], dim=1)


def _loss(rest: Tensor, coords: Tensor, config: InvertClipsConfig) -> Tensor:
    """Return the sum of squares over the clip."""
    steps = coords.diff(dim=0).square().sum()
    return rest.square().sum() + config.smoothness * steps + config.prior * coords.square().sum()


def _take_slopes(
    generator: Generator, axes: LatentAxes, coords: Tensor, maps: Tensor, num_anchors: int
) -> tuple[Tensor, Tensor]:
    """Compute the Jacobian at anchor frames spread over the clip.

    Returns:
        Index of the anchor of each frame [t], and the Jacobians [anchors, k, p].
    """
    t, k = coords.shape
    places = torch.linspace(0, t - 1, 2 * min(num_anchors, t) + 1)[1::2].round().long()
    slopes = []
    for place in places.tolist():
        probes = coords[place] + PROBE * torch.eye(k, device=coords.device)
        _, changed = _render(generator, axes, probes)
        slopes.append((changed - maps[place]) / PROBE)
    # Each frame uses the anchor that looks most like it.
    nearest = torch.cdist(maps, maps[places]).argmin(dim=1)
    return nearest, torch.stack(slopes)


def _solve(
    rest: Tensor,
    coords: Tensor,
    anchors: Tensor,
    slopes: Tensor,
    *,
    damping: float,
    config: InvertClipsConfig,
) -> Tensor:
    """Return the Gauss-Newton step [t, k].

    The system is block tridiagonal: one block per frame on the diagonal, and the smoothness next to
    it. It is solved by the block Thomas algorithm, forwards and backwards over the frames.
    """
    t, k = coords.shape
    eye = torch.eye(k, device=coords.device)
    curvatures = slopes @ slopes.transpose(1, 2)  # [anchors, k, k]
    scale = damping * curvatures.diagonal(dim1=1, dim2=2).mean(dim=1)
    neighbours = torch.full((t,), 2.0, device=coords.device)
    neighbours[0] -= 1
    neighbours[-1] -= 1

    # The gradient, negated.
    pull = torch.empty_like(coords)
    for anchor, slope in enumerate(slopes):
        pull[anchors == anchor] = -rest[anchors == anchor] @ slope.T
    steps = coords.diff(dim=0)
    pull = pull - config.prior * coords
    pull[:-1] += config.smoothness * steps
    pull[1:] -= config.smoothness * steps

    # Forwards: eliminate each frame from the next one's equations; backwards: insert.
    factors: list[Tensor] = []
    values: list[Tensor] = []
    for i, anchor in enumerate(anchors.tolist()):
        own = config.prior + config.smoothness * neighbours[i] + scale[anchor]
        block, value = curvatures[anchor] + own * eye, pull[i]
        if i:
            block = block - config.smoothness**2 * torch.cholesky_inverse(factors[-1])
            value = value + config.smoothness * values[-1]
        factors.append(torch.linalg.cholesky(block))
        values.append(torch.cholesky_solve(value[:, None], factors[-1])[:, 0])
    found = [values[-1]]
    for i in range(t - 2, -1, -1):
        further = torch.cholesky_solve((config.smoothness * found[-1])[:, None], factors[i])[:, 0]
        found.append(values[i] + further)
    return torch.stack(found[::-1])
