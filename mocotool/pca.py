"""The PCA basis V of an image generator's latents: the directions that motion may take.

The basis is exact: one pass over the latents accumulates their mean and scatter in float64, then
follow the eigenvectors of the scatter. Memory does not grow with the number of latents.
"""

import functools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import scipy.linalg
import torch
from torch import Tensor

from mocotool.basis import BasisMeta, PCABasis
from mocotool.configs.pca import PCAConfig
from mocotool.configs.shard import WHOLE, Shard, take_share
from mocotool.devices import to_device
from mocotool.errors import FileFormatError
from mocotool.generators.base import Generator
from mocotool.pca_parts import Moments, PCAPart, count_pieces, join_parts
from mocotool.training.distributed import Processes
from mocotool.training.randomness import derive_rng

DRAW_ROWS = 4096  # z comes in blocks of this many, each with a random stream of its own


class LatentMoments:
    """Mean and scatter of any number of latents, in memory for one batch.

    Sums are taken in float64 around the mean of the first batch, to avoid cancellation.

    Args:
        latent_dim: Size of the latents.
    """

    def __init__(self, latent_dim: int) -> None:
        self.count = 0
        self._shift: Tensor | None = None
        self._sum = torch.zeros(latent_dim, dtype=torch.float64)
        self._products = torch.zeros(latent_dim, latent_dim, dtype=torch.float64)

    def add(self, latents: Tensor) -> None:
        """Add latents [n, latent_dim]."""
        if latents.device.type == "mps":  # has no float64
            latents = latents.cpu()
        rows = latents.to(torch.float64)
        if self._shift is None:
            self._shift = rows.mean(dim=0)
            self._sum = self._sum.to(rows.device)
            self._products = self._products.to(rows.device)
        rows = rows.sub_(self._shift) if rows is not latents else rows - self._shift
        self.count += len(rows)
        self._sum += rows.sum(dim=0)
        if rows.device.type == "cpu":
            # numpy knows that a.T @ a is symmetric and computes one half of it; torch does not.
            array = rows.numpy()
            self._products += torch.from_numpy(array.T @ array)
        else:
            self._products.addmm_(rows.T, rows)

    def finish(self) -> Moments:
        """Return number, mean and scatter of the latents added."""
        assert self._shift is not None
        scatter = self._products - torch.outer(self._sum, self._sum) / self.count
        return Moments(
            count=self.count,
            mean=(self._shift + self._sum / self.count).cpu().numpy(),
            scatter=scatter.cpu().numpy(),
        )


def iter_latents(
    generator: Generator, *, config: PCAConfig, blocks: range | None = None
) -> Iterator[Tensor]:
    """Sample latents from their distribution; classes are sampled uniformly.

    Args:
        generator: The generator.
        config: How many, and the seed.
        blocks: Which of their blocks of `DRAW_ROWS`; `None` for all.

    Yields:
        Latents [n, latent_dim], n at most `config.batch_size`. The numbers are drawn on the CPU, so
        every device gets the same.
    """
    for block_idx in range(_count_blocks(config)) if blocks is None else blocks:
        rows = min(DRAW_ROWS, config.num_samples - block_idx * DRAW_ROWS)
        rng = derive_rng(config.seed, "pca", block_idx)
        z = torch.randn(rows, generator.z_dim, generator=rng)
        labels = torch.randint(generator.c_dim, (rows,), generator=rng) if generator.c_dim else None
        for first in range(0, rows, config.batch_size):
            part = slice(first, first + config.batch_size)
            chosen = None if labels is None else labels[part]
            batch = to_device(z[part], generator.device)
            yield generator.mapping(batch, generator.one_hot(chosen, len(batch)))


def fit_pca_basis(
    generator: Generator,
    *,
    config: PCAConfig | None = None,
    processes: Processes | None = None,
    progress: Callable[[int], None] | None = None,
) -> PCABasis:
    """Compute the principal directions of a generator's latents.

    Args:
        generator: The generator.
        config: Numbers of latents and directions, and the seed; `None` for the defaults.
        processes: Processes that share the work; all get the basis that one alone would get.
        progress: Called with the number of latents done since the last call.

    Returns:
        The basis, exact for the latents drawn. Equal configurations give equal bases.

    Raises:
        ConfigError: More components are requested than latents have dimensions.
        FileFormatError: The generator's mapping returns NaN or infinity.

    Source:
        Paper: Appendix A.1 (1,000,000 latents, 384 components).
        Official code: get_stats_pca.py (IncrementalPCA).
        Deviation: exact in one pass; the program's incremental PCA approximates this.
    """
    config = PCAConfig() if config is None else config
    config.choose_num_components(generator.latent_dim)
    if processes is None or processes.world_size == 1:  # added up as they come, to spare memory
        every = range(count_pieces(_count_blocks(config)))
        found = (moments for _, moments in _iter_pieces(generator, config, every, progress))
    else:
        pieces = _measure_pieces(generator, config, WHOLE, processes, progress)
        found = (pieces[number] for number in sorted(pieces))
    moments = functools.reduce(Moments.joined, found)
    return _find_axes(moments, config, _describe(generator, config))


def measure_pca_part(
    generator: Generator,
    *,
    config: PCAConfig | None = None,
    shard: Shard = WHOLE,
    processes: Processes | None = None,
    progress: Callable[[int], None] | None = None,
) -> PCAPart:
    """Sum up one shard's latents, for `merge_pca_parts`; arguments as in `fit_pca_basis`.

    Args:
        generator: The generator.
        config: Settings of the whole PCA.
        shard: Which part of it.
        processes: Those that share this part; all get the whole of it.
        progress: Called with the number of latents done since the last call.

    Raises:
        ConfigError: More components are requested than latents have dimensions, or there are fewer
            pieces than shards.
    """
    config = PCAConfig() if config is None else config
    config.choose_num_components(generator.latent_dim)
    pieces = _measure_pieces(generator, config, shard, processes or Processes(), progress)
    return PCAPart(config=config, shard=shard, pieces=pieces, meta=_describe(generator, config))


def merge_pca_parts(parts: Sequence[PCAPart]) -> PCABasis:
    """Compute the basis of what all shards have summed up, the same as that of one machine.

    Args:
        parts: One of each shard, in any order.

    Raises:
        MismatchError: A part is missing or duplicate, or has another generator or settings.
        FileFormatError: The generator's mapping returns NaN or infinity.
    """
    config = parts[0].config
    moments = join_parts(parts, num_pieces=count_pieces(_count_blocks(config)))
    return _find_axes(moments, config, parts[0].meta)


def _measure_pieces(
    generator: Generator,
    config: PCAConfig,
    shard: Shard,
    processes: Processes,
    progress: Callable[[int], None] | None,
) -> dict[int, Moments]:
    """Return the number of each of a shard's pieces -> its sums, shared among processes."""
    own = processes.share(take_share(count_pieces(_count_blocks(config)), shard))
    found: dict[int, Moments] = {}
    for pieces in processes.gather_objects(dict(_iter_pieces(generator, config, own, progress))):
        found |= pieces
    return found


def _iter_pieces(
    generator: Generator,
    config: PCAConfig,
    pieces: range,
    progress: Callable[[int], None] | None,
) -> Iterator[tuple[int, Moments]]:
    """Yield the number of each of some pieces and what it sums up to."""
    num_blocks = _count_blocks(config)
    num_pieces = count_pieces(num_blocks)
    for piece in pieces:
        begin, end = (num_blocks * place // num_pieces for place in (piece, piece + 1))
        moments = LatentMoments(generator.latent_dim)
        with torch.no_grad():
            for latents in iter_latents(generator, config=config, blocks=range(begin, end)):
                moments.add(latents)
                if progress is not None:
                    progress(len(latents))
        yield piece, moments.finish()


def _describe(generator: Generator, config: PCAConfig) -> BasisMeta:
    record = generator.origin.file if generator.origin else None
    return BasisMeta(space=generator.space, seed=config.seed, generator=record)


def _find_axes(moments: Moments, config: PCAConfig, meta: BasisMeta) -> PCABasis:
    """Return the basis of latents of which number, mean and scatter are known."""
    covariance = moments.covariance()
    if not np.isfinite(covariance).all():
        name = meta.generator.path if meta.generator else "the generator"
        raise FileFormatError(
            f"{name}: its mapping returns NaN or infinity", hint="download the file again"
        )
    num_components = config.choose_num_components(len(moments.mean))

    variance, components = principal_axes(covariance)
    total = variance.sum()
    return PCABasis(
        components=components[:num_components].astype(np.float32),
        stdev=np.sqrt(variance[:num_components]).astype(np.float32),
        mean=moments.mean.astype(np.float32),
        explained_variance_ratio=(variance / (total or 1.0))[:num_components].astype(np.float32),
        num_samples=config.num_samples,
        meta=meta,
    )


def _count_blocks(config: PCAConfig) -> int:
    return -(-config.num_samples // DRAW_ROWS)


def principal_axes(
    covariance: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return variances [d], the largest first, and unit axes [d, d], one a row.

    An eigenvector's sign is free: here the entry of largest magnitude is positive.
    """
    variance, vectors = scipy.linalg.eigh(covariance, driver="evd", check_finite=False)
    variance, axes = np.clip(variance[::-1], 0.0, None), vectors.T[::-1]
    largest = np.argmax(np.abs(axes), axis=1)
    signs = np.sign(axes[np.arange(len(axes)), largest])
    return variance, axes * signs[:, None]
