"""Real clips as latents: windows, held-out clips, and how visible a step is."""

import dataclasses

import torch
from torch import Tensor

from mocotool.basis import PCABasis
from mocotool.errors import MismatchError
from mocotool.generators.base import Generator
from mocotool.latents import Trajectory
from mocotool.training.randomness import derive_rng

NUM_PROBED = 4  # latents at which is asked what a step shows
SEAM = 2.0  # steps between the last and the first frame of a loop, at most
LIVELINESS_RANGE = (0.3, 3.0)  # what latents may be said to have kept of a clip's motion
PROBE = 0.1  # standard deviations
LEAST_WIDTH = 1e-4  # of the widest direction
SOME_CLIPS = 10  # of which two can be spared
METRIC_FLOOR = 1e-3  # share of the mean, for directions that show nothing


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Window:
    """The same frames of some clips, in two views."""

    coords: Tensor
    """In standard deviations along a basis, [n, t, k]."""
    pictures: Tensor | None
    """Their reduced pictures, [n, t, p], where known."""
    kept: Tensor
    """How much of the clips' motion their latents have kept, [n]."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class LatentWindows:
    """Clips of one length, of which windows are drawn."""

    coords: Tensor
    """In standard deviations along a basis, [n, t, k]."""
    is_loop: Tensor
    """Which of them end where they begin, so that they can go round for ever; bool [n]."""
    kept: Tensor
    """How much of the clips' motion their latents have kept, [n]."""
    pictures: Tensor | None = None
    """What they look like, [n, t, p]; see `picture_clips`."""

    @classmethod
    def of(
        cls, coords: Tensor, *, kept: Tensor | None = None, pictures: Tensor | None = None
    ) -> "LatentWindows":
        """Find the loops among clips [n, t, k]: their seam is no wider than two steps."""
        seam = (coords[:, -1] - coords[:, 0]).square().mean(dim=1)
        step = coords.diff(dim=1).square().mean(dim=(1, 2))
        kept = torch.ones(len(coords)) if kept is None else kept
        return cls(coords, seam < SEAM**2 * step, kept, pictures)

    def __len__(self) -> int:
        """Number of clips."""
        return len(self.coords)

    def draw(self, n: int, num_frames: int, *, rng: torch.Generator) -> Window:
        """Draw n windows of `num_frames`; those of loops go over the seam.

        Raises:
            MismatchError: No clip is long enough, and none is a loop.
        """
        t = self.coords.shape[1]
        is_usable = self.is_loop if num_frames > t else torch.ones_like(self.is_loop)
        usable = is_usable.nonzero()[:, 0]
        if not len(usable):
            raise MismatchError(
                f"clips of {t} frames hold no windows of {num_frames}, and none of them is a loop",
                hint=f"--num-frames {t}",
            )
        clips = usable[torch.randint(len(usable), (n,), generator=rng)]
        last = torch.where(self.is_loop[clips], t, t - num_frames + 1)
        starts = (torch.rand(n, generator=rng) * last).long()
        idxs = (starts[:, None] + torch.arange(num_frames)) % t
        pictures = None if self.pictures is None else self.pictures[clips[:, None], idxs]
        return Window(self.coords[clips[:, None], idxs], pictures, self.kept[clips])


def check_learnable(trajectory: Trajectory, *, name: str = "the latents") -> None:
    """Check that motion can be learnt from latents.

    Args:
        trajectory: Latents of clips.
        name: Of their file, for errors.

    Raises:
        MismatchError: They are in w+, or those of fewer than two clips.
    """
    if trajectory.latents.ndim != 3:
        raise MismatchError(f"{name}: in w+, expected one latent per frame to learn motion from")
    if trajectory.num_videos < 2:
        raise MismatchError(f"{name}: one clip, expected at least 2 to learn motion from")


@dataclasses.dataclass(frozen=True, slots=True)
class LatentClips:
    """Clips in standard deviations along a basis, parted into seen and held out."""

    seen: LatentWindows
    held_out: LatentWindows

    @classmethod
    def split(
        cls,
        trajectory: Trajectory,
        basis: PCABasis,
        *,
        share: float,
        seed: int = 0,
        pictures: Tensor | None = None,
    ) -> "LatentClips":
        """Turn latents into coordinates and hold out a share of the clips, by random choice.

        Args:
            trajectory: One latent a frame.
            basis: Of the generator's latents.
            share: Which part of the clips is held out.
            seed: Of that choice.
            pictures: What the clips look like, [n, t, p].

        Raises:
            MismatchError: Latents are in w+ or of another size than the basis, or there are fewer
                than two clips.
        """
        check_learnable(trajectory)
        latents = trajectory.latents
        if latents.shape[-1] != basis.latent_dim:
            raise MismatchError(
                f"latents of {latents.shape[-1]} dimensions, the basis has {basis.latent_dim}"
            )

        # Coordinates in standard deviations, [n, t, k]
        mean = 0.0 if basis.mean is None else torch.from_numpy(basis.mean)
        rows = torch.from_numpy(basis.components)
        coords = ((torch.from_numpy(latents) - mean) @ rows.T) / torch.from_numpy(basis.stdev)

        order = torch.randperm(len(coords), generator=derive_rng(seed, "held out"))
        num_held = min(round(share * len(coords)), len(coords) - 1)
        if share > 0 and len(coords) >= SOME_CLIPS:
            num_held = max(num_held, 2)  # one alone cannot be compared with others
        kept = read_liveliness(trajectory)
        held_out, seen = (
            LatentWindows.of(
                coords[idxs],
                kept=kept[idxs],
                pictures=None if pictures is None else pictures[idxs],
            )
            for idxs in order.tensor_split([num_held])
        )
        return cls(seen, held_out)


def read_liveliness(trajectory: Trajectory) -> Tensor:
    """Return how much of the clips' motion latents have kept, [n]; 1 where they do not say."""
    kept = trajectory.meta.liveliness
    if kept is None or len(kept) != trajectory.num_videos:
        return torch.ones(trajectory.num_videos)
    return torch.tensor(kept).clamp(*LIVELINESS_RANGE)


def cut_basis(basis: PCABasis, count: int) -> PCABasis:
    """Return the first `count` directions of a basis, or all where there are fewer.

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
    """Measure how visible a step is along each direction.

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
