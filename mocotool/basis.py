"""A PCA basis in memory and on disk: its arrays, their origin, and their `.npz`."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from mocotool.errors import FileFormatError, MismatchError
from mocotool.fetched import locate
from mocotool.files import open_target
from mocotool.latents import parse_record
from mocotool.npz import Array, from_json_array, read_npy, read_npz, to_json_array, write_npz
from mocotool.provenance import FileRecord, tool_version

if TYPE_CHECKING:
    from mocotool.generators.base import Space

SCHEMA = "moco.pca/1"
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
MAKE_ONE = "make one for this generator with `moco pca GENERATOR -o pca.npz`"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class BasisMeta:
    """Where a basis came from; unknown fields are `None`."""

    space: "Space | None" = None
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
    """Principal directions of a generator's latents, largest variance first.

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
    """Fraction of the total variance that each component explains, [k]."""
    num_samples: int | None = None
    """Number of latents it was computed from."""
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
    def note(self) -> str | None:
        """A remark on a basis that is out of the ordinary, else `None`."""
        num_still = int((self.stdev == 0).sum())
        if num_still:
            return (
                f"{num_still} of {self.num_components} components have no variance: "
                "nothing can move along them"
            )
        return self.meta.note

    @property
    def directions(self) -> npt.NDArray[np.float32]:
        """The rows of V [k, latent_dim], each one standard deviation of the latents long."""
        return self.components * self.stdev[:, None]

    def count_components(self, share: float) -> int | None:
        """Return how many components explain `share` of the variance, `None` if unknown."""
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
            "note": self.note,
        }

    def with_command(self, command: str) -> "PCABasis":
        """Return the same basis with one more command in its history."""
        meta = dataclasses.replace(self.meta, history=(*self.meta.history, command))
        return dataclasses.replace(self, meta=meta)


def write_basis(basis: PCABasis, file: Path | str | BinaryIO) -> None:
    """Write a basis as `.npz`; the same basis gives the same bytes.

    Args:
        basis: What to write.
        file: Output path or stream, which need not seek; an existing file is replaced.
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
    with open_target(file) as stream:
        write_npz(arrays, stream)


def read_basis(source: Path | str | BinaryIO, name: str | None = None) -> PCABasis:
    """Read a basis from our own `.npz`, or from the authors' folder of `.npy` files.

    Args:
        source: A file, a folder, or a stream that can seek.
        name: Name in messages; `None` for the path.

    Raises:
        FileFormatError: It is neither, or its content is inconsistent.
    """
    source = locate(source) if isinstance(source, Path | str) else source
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


def check_basis_fits(basis: PCABasis, latent_dim: int, *, name: str) -> None:
    """Check that a basis has the latent size of a generator.

    Raises:
        MismatchError: It is not.
    """
    if basis.latent_dim != latent_dim:
        raise MismatchError(
            f"{name}: its components have {basis.latent_dim} dimensions, the generator's latents "
            f"{latent_dim}",
            hint=MAKE_ONE,
        )
