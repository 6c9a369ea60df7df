"""Which way may latents move? The PCA basis V of an image generator's latents.

The basis is exact: one pass over as many latents as asked for, their mean and scatter kept in
float64, then the eigenvectors of the scatter. Memory does not grow with the number of latents.
"""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mocotool.configs.pca import PCAConfig
from mocotool.errors import FileFormatError, MismatchError
from mocotool.generators.base import Generator, Space
from mocotool.latents import parse_record
from mocotool.npz import Array, from_json_array, read_npy, read_npz, to_json_array, write_npz
from mocotool.provenance import FileRecord, tool_version
from mocotool.training.randomness import derive_rng

SCHEMA = "moco.pca/1"
DRAW_ROWS = 4096  # z comes in blocks of this many, each with a random stream of its own
ISOTROPIC_NOTE = (
    "these latents are drawn from N(0, I) and have no directions of their own: "
    "the basis is an arbitrary rotation, and every component holds the same variance"
)
OFFICIAL_FILES = {  # Official code: get_stats_pca.py; only the first two are read back there
    "components": "pca_comp.npy",
    "stdev": "pca_stdev.npy",
    "explained_variance_ratio": "pca_var_ratio.npy",
    "mean": "style_mean.npy",
}
REQUIRED = ("components", "stdev")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class BasisMeta:
    """Where a basis came from; what is not known is `None`."""

    space: Space | None = None
    """Which space its latents live in, "z" or "w"."""
    seed: int | None = None
    """Seed of the latents."""
    generator: FileRecord | None = None
    """The image generator whose latents they are."""
    history: tuple[str, ...] = ()
    """The commands so far."""
    version: str = dataclasses.field(default_factory=tool_version)
    """The program that wrote it."""

    @property
    def note(self) -> str | None:
        """What the basis means where that is not plain, else `None`."""
        return ISOTROPIC_NOTE if self.space == "z" else None

    def as_json(self) -> dict[str, Any]:
        """Return the metadata as the file holds it."""
        values = {**dataclasses.asdict(self), "history": list(self.history), "note": self.note}
        return {"schema": SCHEMA, **values}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class PCABasis:
    """Principal directions of a generator's latents, the widest first.

    Raises:
        MismatchError: The arrays do not fit each other.
    """

    components: npt.NDArray[np.float32]
    """Unit rows [k, latent_dim]; the largest entry of each is positive."""
    stdev: npt.NDArray[np.float32]
    """Standard deviation of the latents along each component, [k]."""
    mean: npt.NDArray[np.float32] | None = None
    """Mean of the latents, [latent_dim]."""
    explained_variance_ratio: npt.NDArray[np.float32] | None = None
    """Share of the whole variance that each component holds, [k]."""
    num_samples: int | None = None
    """Latents it was computed of."""
    meta: BasisMeta = dataclasses.field(default_factory=BasisMeta)

    def __post_init__(self) -> None:
        if self.components.ndim != 2 or not self.components.size:
            shape = list(self.components.shape)
            raise MismatchError(f"components have shape {shape}, expected [k, latent_dim]")
        num_components, latent_dim = self.components.shape
        for name, size in (
            ("stdev", num_components),
            ("explained_variance_ratio", num_components),
            ("mean", latent_dim),
        ):
            array = getattr(self, name)
            if array is not None and array.shape != (size,):
                raise MismatchError(f"{name} has shape {list(array.shape)}, expected [{size}]")

    @property
    def num_components(self) -> int:
        """Number of directions, k."""
        return len(self.components)

    @property
    def latent_dim(self) -> int:
        """Size of the latents."""
        return int(self.components.shape[1])

    @property
    def directions(self) -> npt.NDArray[np.float32]:
        """The rows of V [k, latent_dim], one standard deviation of the latents long each."""
        return self.components * self.stdev[:, None]

    def count_components(self, share: float) -> int | None:
        """Return how many components hold `share` of the variance, or `None` if that is unknown."""
        if self.explained_variance_ratio is None:
            return None
        enough = np.cumsum(self.explained_variance_ratio, dtype=np.float64) >= share
        return int(np.argmax(enough)) + 1 if enough.any() else None

    def describe(self) -> dict[str, Any]:
        """Return what the basis is, for people and scripts."""
        return {
            "num_samples": self.num_samples,
            "num_components": self.num_components,
            "latent_dim": self.latent_dim,
            "space": self.meta.space,
            "explained_variance": (
                None
                if self.explained_variance_ratio is None
                else float(self.explained_variance_ratio.sum(dtype=np.float64))
            ),
            "components_for_85_percent": self.count_components(0.85),
            "note": self.meta.note,
        }

    def with_command(self, command: str) -> "PCABasis":
        """Return the same basis with one more command in its history."""
        meta = dataclasses.replace(self.meta, history=(*self.meta.history, command))
        return dataclasses.replace(self, meta=meta)


class LatentMoments:
    """Mean and scatter of any number of latents, in memory for one batch.

    Sums are taken in float64 around the first batch's mean, so that what cancels in the end is
    small beside what stays.

    Args:
        latent_dim: Size of the latents.
    """

    def __init__(self, latent_dim: int) -> None:
        self.count = 0
        self._shift: Tensor | None = None
        self._sum = torch.zeros(latent_dim, dtype=torch.float64)
        self._products = torch.zeros(latent_dim, latent_dim, dtype=torch.float64)

    def add(self, latents: Tensor) -> None:
        """Count in latents [n, latent_dim]."""
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

    def mean(self) -> npt.NDArray[np.float64]:
        """Return the mean, [latent_dim]."""
        assert self._shift is not None
        return (self._shift + self._sum / self.count).cpu().numpy()

    def covariance(self) -> npt.NDArray[np.float64]:
        """Return the unbiased covariance, [latent_dim, latent_dim]."""
        scatter = self._products - torch.outer(self._sum, self._sum) / self.count
        return (scatter / (self.count - 1)).cpu().numpy()


def iter_latents(generator: Generator, *, config: PCAConfig) -> Iterator[Tensor]:
    """Draw latents from their own distribution; classes are drawn evenly where there are any.

    Yields:
        Latents [n, latent_dim], n at most `config.batch_size`. The numbers are drawn on the CPU, so
        every device gets the same.
    """
    for block_idx, start in enumerate(range(0, config.num_samples, DRAW_ROWS)):
        rows = min(DRAW_ROWS, config.num_samples - start)
        rng = derive_rng(config.seed, "pca", block_idx)
        z = torch.randn(rows, generator.z_dim, generator=rng)
        labels = torch.randint(generator.c_dim, (rows,), generator=rng) if generator.c_dim else None
        for first in range(0, rows, config.batch_size):
            part = slice(first, first + config.batch_size)
            chosen = None if labels is None else labels[part].to(generator.device)
            batch = z[part].to(generator.device)
            yield generator.mapping(batch, generator.one_hot(chosen, len(batch)))


def fit_pca_basis(
    generator: Generator,
    *,
    config: PCAConfig | None = None,
    progress: Callable[[int], None] | None = None,
) -> PCABasis:
    """Compute the principal directions of a generator's latents.

    Args:
        generator: Whose latents.
        config: How many latents and directions, and the seed; `None` is the defaults.
        progress: Called with the number of latents done since the last call.

    Returns:
        The basis, exact for the latents drawn. Equal configurations give equal bases.

    Raises:
        ConfigError: More components were asked for than latents have dimensions.
        FileFormatError: The generator's mapping gives NaN or infinity.

    Source:
        Paper: Appendix A.1 (1,000,000 latents, 384 components).
        Official code: get_stats_pca.py (IncrementalPCA, which approximates what this computes).
    """
    config = PCAConfig() if config is None else config
    num_components = config.choose_num_components(generator.latent_dim)
    moments = LatentMoments(generator.latent_dim)
    with torch.no_grad():
        for latents in iter_latents(generator, config=config):
            moments.add(latents)
            if progress is not None:
                progress(len(latents))
    covariance = moments.covariance()
    record = generator.origin.file if generator.origin else None
    if not np.isfinite(covariance).all():
        name = record.path if record else "the generator"
        raise FileFormatError(
            f"{name}: its mapping gives NaN or infinity", hint="get the file again"
        )
    variance, components = principal_axes(covariance)
    total = variance.sum()
    return PCABasis(
        components=components[:num_components].astype(np.float32),
        stdev=np.sqrt(variance[:num_components]).astype(np.float32),
        mean=moments.mean().astype(np.float32),
        explained_variance_ratio=(variance / (total or 1.0))[:num_components].astype(np.float32),
        num_samples=config.num_samples,
        meta=BasisMeta(space=generator.space, seed=config.seed, generator=record),
    )


def principal_axes(
    covariance: npt.NDArray[np.float64],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return variances [d], the largest first, and unit axes [d, d], one a row.

    An eigenvector's sign is free: here the entry of largest magnitude is positive.
    """
    variance, vectors = np.linalg.eigh(covariance)
    variance, axes = np.clip(variance[::-1], 0.0, None), vectors.T[::-1]
    largest = np.argmax(np.abs(axes), axis=1)
    signs = np.sign(axes[np.arange(len(axes)), largest])
    return variance, axes * signs[:, None]


def write_basis(basis: PCABasis, file: BinaryIO) -> None:
    """Write a basis as `.npz`; the same basis gives the same bytes.

    Args:
        basis: What to write.
        file: Where to; it need not seek.
    """
    optional = {
        "mean": basis.mean,
        "explained_variance_ratio": basis.explained_variance_ratio,
        "num_samples": None if basis.num_samples is None else np.array(basis.num_samples, np.int64),
    }
    arrays: dict[str, Array] = {
        "components": basis.components,
        "stdev": basis.stdev,
        **{key: array for key, array in optional.items() if array is not None},
        "meta": to_json_array(basis.meta.as_json()),
    }
    write_npz(arrays, file)


def read_basis(source: Path | BinaryIO, name: str | None = None) -> PCABasis:
    """Read a basis from our own `.npz`, or from the authors' folder of `.npy` files.

    Args:
        source: A file, a folder, or a stream that can seek.
        name: What it is called in messages; `None` is its path.

    Raises:
        FileFormatError: It is neither, or its content contradicts itself.
    """
    name = str(source) if name is None else name
    if isinstance(source, Path) and source.is_dir():
        return _build_basis(_read_official(source), BasisMeta(space="w"), name)
    fields = read_npz(source, name)
    for key in (*REQUIRED, "meta"):
        if key not in fields:
            raise FileFormatError(
                f"{name}: no field {key!r} (found: {', '.join(sorted(fields)) or 'none'})",
                hint="make it with `moco pca GENERATOR -o pca.npz`",
            )
    return _build_basis(fields, _parse_meta(from_json_array(fields["meta"], name), name), name)


def _read_official(folder: Path) -> dict[str, Array]:
    fields = {
        key: read_npy(folder / filename)
        for key, filename in OFFICIAL_FILES.items()
        if key in REQUIRED or (folder / filename).exists()
    }
    return {key: array.ravel() if key != "components" else array for key, array in fields.items()}


def _build_basis(fields: dict[str, Array], meta: BasisMeta, name: str) -> PCABasis:
    arrays: dict[str, Any] = {}
    for key in OFFICIAL_FILES:
        if key not in fields:
            continue
        if fields[key].dtype.kind != "f" or not np.isfinite(fields[key]).all():
            raise FileFormatError(f"{name}: {key} holds something other than finite numbers")
        arrays[key] = np.ascontiguousarray(fields[key], dtype=np.float32)
    num_samples = fields.get("num_samples")
    if num_samples is not None and (num_samples.ndim or num_samples.dtype.kind not in "iu"):
        raise FileFormatError(f"{name}: num_samples is not a whole number")
    if (arrays["stdev"] < 0).any():
        raise FileFormatError(f"{name}: stdev holds negative numbers")
    try:
        return PCABasis(
            **arrays, num_samples=None if num_samples is None else int(num_samples), meta=meta
        )
    except MismatchError as error:
        raise FileFormatError(f"{name}: {error}") from None


def _parse_meta(values: dict[str, Any], name: str) -> BasisMeta:
    if values.get("schema") != SCHEMA:
        raise FileFormatError(
            f"{name}: schema {values.get('schema')!r}, expected {SCHEMA!r}",
            hint=f"`moco info {name}` says what the file is",
        )
    space, seed, history = values.get("space"), values.get("seed"), values.get("history", [])
    if space not in (None, "z", "w"):
        raise FileFormatError(f"{name}: space {space!r} in meta, expected z or w")
    if not isinstance(history, list) or not all(isinstance(line, str) for line in history):
        raise FileFormatError(f"{name}: history in meta is not a list of commands")
    return BasisMeta(
        space=cast("Space | None", space),
        seed=seed if isinstance(seed, int) else None,
        generator=parse_record(values.get("generator"), name),
        history=tuple(history),
        version=str(values.get("version", "unknown")),
    )
