"""Merging of shards computed on several machines: a basis, latents, or statistics."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from mocotool.basis import write_basis
from mocotool.errors import ConfigError, MismatchError
from mocotool.latents import merge_latents, read_latents, write_latents
from mocotool.metrics.saved_statistics import merge_statistics
from mocotool.metrics.statistics import is_statistics, write_statistics
from mocotool.npz import read_npz
from mocotool.pca import merge_pca_parts
from mocotool.pca_parts import read_pca_part
from mocotool.provenance import current_command


def merge_files(
    parts: Sequence[Path | str],
    out: Path | str,
    *,
    what: Literal["statistics"] | None = None,
) -> dict[str, Any]:
    """Merge the files of all shards of one PCA, of one set of latents, or of one set of statistics.

    Args:
        parts: A file of each shard, in any order.
        out: Output; an existing file is replaced.
        what: What all parts have to be; `None` takes what the first one is.

    Returns:
        What was merged, and how much of it.

    Raises:
        ConfigError: Fewer than two parts were given.
        FileFormatError: A file is something else.
        MismatchError: A part is missing or duplicate, or parts do not belong together.
    """
    paths = [Path(part) for part in parts]
    if len(paths) < 2:
        raise ConfigError("nothing to merge: expected at least 2 files")
    kinds = {path: what or _tell_kind(path) for path in paths}
    kind = kinds[paths[0]]
    for path in paths:
        if kinds[path] != kind:
            raise MismatchError(f"{path}: {kinds[path]}, {paths[0]} holds {kind}")

    if kind == "a part of a PCA":
        basis = merge_pca_parts([read_pca_part(path) for path in paths])
        write_basis(basis.with_command(current_command()), out)
        return {"what": "PCA basis"} | basis.describe()
    if kind == "statistics":
        stats, meta = merge_statistics(paths)
        write_statistics(stats, Path(out), meta=meta)
        return {
            "what": kind,
            "num_parts": len(paths),
            "num_samples": stats.num_samples,
            "feature_dim": stats.feature_dim,
            "has_features": stats.features is not None,
        }
    merged = merge_latents({str(path): read_latents(path) for path in paths})
    write_latents(merged.with_command(current_command()), out)
    return {"what": kind, "num_videos": merged.num_videos, "num_frames": merged.num_frames}


def _tell_kind(path: Path) -> str:
    fields = read_npz(path, str(path))
    if "scatters" in fields:
        return "a part of a PCA"
    return "statistics" if is_statistics(fields) else "latents"
