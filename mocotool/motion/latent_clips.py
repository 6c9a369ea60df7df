"""Real clips as latents: windows of them, some held out, and how much a step shows."""

import dataclasses

import torch
from torch import Tensor

from mocotool.basis import PCABasis
from mocotool.errors import MismatchError
from mocotool.generators.base import Generator
from mocotool.latents import Trajectory
from mocotool.training.randomness import derive_rng

NUM_PROBED = 4  # latents at which is asked what a step shows
PROBE = 0.1  # standard deviations
LEAST_WIDTH = 1e-4  # of the widest direction
METRIC_FLOOR = 1e-3  # share of the mean, for directions that show nothing


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class LatentClips:
    """Clips in standard deviations along a basis, parted into seen and held out."""

    seen: Tensor
    """[n, t, k]."""
    held_out: Tensor
    """[m, t, k]."""

    @classmethod
    def split(
        cls, trajectory: Trajectory, basis: PCABasis, *, share: float, seed: int = 0
    ) -> "LatentClips":
        """Turn latents into coordinates and hold out a share of the clips, by random choice.

        Raises:
            MismatchError: Latents are in w+ or of another size than the basis, or there are fewer
                than two clips.
        """
        latents = trajectory.latents
        if latents.ndim != 3:
            raise MismatchError("motion is learnt from one latent a frame, got latents in w+")
        if latents.shape[-1] != basis.latent_dim:
            raise MismatchError(
                f"latents of {latents.shape[-1]} dimensions, the basis has {basis.latent_dim}"
            )
        if len(latents) < 2:
            raise MismatchError(f"{len(latents)} clip, expected at least 2 to learn motion from")
        mean = 0.0 if basis.mean is None else torch.from_numpy(basis.mean)
        rows = torch.from_numpy(basis.components)
        coords = ((torch.from_numpy(latents) - mean) @ rows.T) / torch.from_numpy(basis.stdev)
        order = torch.randperm(len(coords), generator=derive_rng(seed, "held out"))
        num_held = min(round(share * len(coords)), len(coords) - 1)
        return cls(coords[order[num_held:]], coords[order[:num_held]])

    def draw(self, n: int, num_frames: int, *, rng: torch.Generator) -> Tensor:
        """Draw windows of the seen clips, [n, num_frames, k]."""
        clips = torch.randint(len(self.seen), (n,), generator=rng)
        slack = self.seen.shape[1] - num_frames
        if slack < 0:
            raise MismatchError(
                f"clips of {self.seen.shape[1]} frames hold no windows of {num_frames}",
                hint=f"--num-frames {self.seen.shape[1]}",
            )
        starts = torch.randint(slack + 1, (n, 1), generator=rng)
        return self.seen[clips[:, None], starts + torch.arange(num_frames)]


def cut_basis(basis: PCABasis, count: int) -> PCABasis:
    """Return the widest `count` directions of a basis, or all where there are fewer.

    Directions that hold next to nothing are left out, because steps are measured in their widths.
    """
    usable = int((basis.stdev > LEAST_WIDTH * basis.stdev[0]).sum())
    count = min(count, usable)
    ratio = basis.explained_variance_ratio
    return dataclasses.replace(
        basis,
        components=basis.components[:count],
        stdev=basis.stdev[:count],
        explained_variance_ratio=None if ratio is None else ratio[:count],
    )


@torch.no_grad()
def measure_metric(generator: Generator, basis: PCABasis, *, seed: int = 0) -> Tensor:
    """Ask how much of a step can be seen.

    Returns:
        A square root [k, k] of the mean of J'J, where J is what pictures change by along each
        direction: steps times it are about as long as the change of the picture, and their mean
        square over directions is one for steps of unit variance.
    """
    rows = torch.from_numpy(basis.directions).to(generator.device)  # [k, d]
    z = torch.randn(NUM_PROBED, generator.z_dim, generator=derive_rng(seed, "metric"))
    latents = generator.mapping(z.to(generator.device))
    total = torch.zeros(len(rows), len(rows))
    for latent in latents:
        before = generator.synthesis(latent[None]).flatten(1)
        parts = [generator.synthesis(latent + PROBE * part) for part in rows.split(32)]
        slopes = (torch.cat(parts).flatten(1) - before) / PROBE
        total += (slopes @ slopes.T).cpu()
    values, vectors = torch.linalg.eigh(total)
    values = values.clamp(min=0) + METRIC_FLOOR * values.mean()
    root: Tensor = vectors * (values / values.mean()).sqrt() @ vectors.T
    return root
