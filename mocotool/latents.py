"""Latents in memory and on disk: trajectories, their origin, and their `.npz`."""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, cast, get_args

import numpy as np
import numpy.typing as npt

from mocotool.bare_latents import place_axes
from mocotool.configs.shard import HINT, Shard, check_complete, parse_saved_shard
from mocotool.errors import (
    DivergedError,
    FileFormatError,
    MismatchError,
    UnavailableError,
)
from mocotool.fetched import locate
from mocotool.files import check_input_file, open_target
from mocotool.memory import free_memory_bytes
from mocotool.npz import (
    Array,
    from_json_array,
    is_npy,
    read_npy,
    read_npz,
    to_json_array,
    write_npz,
)
from mocotool.provenance import FileRecord, tool_version

if TYPE_CHECKING:
    from mocotool.generators.base import Generator

LatentSpace = Literal["z", "w", "w+"]

SCHEMA = "moco.latents/1"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class LatentsMeta:
    """Where a trajectory came from; unknown fields are `None`."""

    space: LatentSpace
    """"w" and "z" are one latent per frame, "w+" one per layer of each frame."""
    fps: float | None = None
    """Frames per second to play it at."""
    seeds: list[int] | None = None
    """Content seed of each video."""
    motion_seeds: list[int] | None = None
    """Motion seed of each video."""
    names: list[str] | None = None
    """Name of each video, such as that of the inverted clip."""
    liveliness: list[float] | None = None
    """Change of each video from frame to frame, as a fraction of that of the inverted clip."""
    shard: Shard | None = None
    """(i, n) where these are part i of n, to be merged."""
    shard_of: str | None = None
    """16 digits that tell the whole which these are a part of from others."""
    frame_stride: int | None = None
    """Stride, in frames, of the clips that were inverted or that its motion was learnt from."""
    generator: FileRecord | None = None
    """The image generator the latents belong to."""
    motion: FileRecord | None = None
    """The motion model that made them."""
    gpu: dict[str, str] | None = None
    """GPU, driver, CUDA and cuDNN that computed them, where a GPU did."""
    history: tuple[str, ...] = ()
    """The commands so far."""
    version: str = dataclasses.field(default_factory=tool_version)
    """The program that wrote it."""

    def as_json(self) -> dict[str, Any]:
        """Return the metadata as the file holds it."""
        values = dataclasses.asdict(self)
        for name in ("names", "liveliness", "shard", "shard_of", "frame_stride", "gpu"):
            # not said of most
            if values[name] is None:
                del values[name]
        return {"schema": SCHEMA, **values, "history": list(self.history)}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Trajectory:
    """Latents of videos, frame by frame.

    Raises:
        MismatchError: Latents, labels and space do not fit each other.
        DivergedError: The latents hold NaN or infinity.
    """

    latents: npt.NDArray[np.float32]
    """[n, t, latent_dim], or [n, t, num_ws, latent_dim] in the space w+."""
    labels: npt.NDArray[np.int64] | None = None
    """Class of each video [n], or `None`."""
    meta: LatentsMeta

    def __post_init__(self) -> None:
        rank = 4 if self.meta.space == "w+" else 3
        shape = list(self.latents.shape)
        if len(shape) != rank or not self.latents.size:
            axes = "n, t, num_ws, latent_dim" if rank == 4 else "n, t, latent_dim"
            raise MismatchError(
                f"latents in {self.meta.space} have shape {shape}, expected [{axes}]"
            )
        if self.labels is not None and self.labels.shape != self.latents.shape[:1]:
            raise MismatchError(
                f"labels have shape {list(self.labels.shape)}, expected one for each of "
                f"{len(self.latents)} videos"
            )
        if not np.isfinite(self.latents).all():
            raise DivergedError(
                "the latents became NaN or infinite",
                hint="take smaller steps or strengths, or another motion model or generator",
            )

    @property
    def num_videos(self) -> int:
        """Number of videos, n."""
        return len(self.latents)

    @property
    def num_frames(self) -> int:
        """Frames of each video, t."""
        return int(self.latents.shape[1])

    def with_command(self, command: str) -> "Trajectory":
        """Return the same latents with one more command in their history."""
        meta = dataclasses.replace(self.meta, history=(*self.meta.history, command))
        return dataclasses.replace(self, meta=meta)


def read_latents(
    source: Path | str | BinaryIO,
    name: str | None = None,
    *,
    generator: "Generator | None" = None,
) -> Trajectory:
    """Read a trajectory from our own `.npz`, NVlabs' `projected_w.npz`, or a bare array, `.npy`.

    Args:
        source: A file's path, or a stream that can seek.
        name: Name in messages; `None` for the path.
        generator: Tells frames from layers in a bare array, which then records it; see
            `place_axes`. Other files say it themselves.

    Raises:
        FileFormatError: The file is not that, or its content is inconsistent.
        MismatchError: The bare array does not fit the generator.

    Source:
        Official code: stylegan2-ada-pytorch writes key `w`, [1, num_ws, w_dim].
    """
    source = locate(source) if isinstance(source, Path | str) else source
    name = str(source) if name is None else name
    if isinstance(source, Path):
        check_input_file(source)
    if is_npy(source):
        return _from_bare_array(read_npy(source, name), generator, name)
    fields = read_npz(source, name)
    if "latents" not in fields and "w" in fields:
        fields = _from_projected_w(fields["w"], name)
    for key in ("latents", "meta"):
        if key not in fields:
            raise FileFormatError(
                f"{name}: no field {key!r} (found: {', '.join(sorted(fields)) or 'none'})",
                hint="make it with `moco sample` or `moco invert`",
            )
    meta = _parse_meta(from_json_array(fields["meta"], name), name)
    latents, labels = (
        _check_latents(fields["latents"], name),
        _check_labels(fields.get("labels"), name),
    )
    try:
        return Trajectory(latents=latents, labels=labels, meta=meta)
    except MismatchError as error:
        raise FileFormatError(f"{name}: {error}") from None


def write_latents(trajectory: Trajectory, file: Path | str | BinaryIO) -> None:
    """Write a trajectory as `.npz`; the same trajectory gives the same bytes.

    Args:
        trajectory: What to write.
        file: Output path or stream, which need not seek; an existing file is replaced.
    """
    arrays: dict[str, Array] = {"latents": trajectory.latents.astype(np.float32, copy=False)}
    if trajectory.labels is not None:
        arrays["labels"] = trajectory.labels.astype(np.int64, copy=False)
    with open_target(file) as stream:
        write_npz({**arrays, "meta": to_json_array(trajectory.meta.as_json())}, stream)


def parse_record(value: Any, name: str) -> FileRecord | None:
    """Read the record of a file out of an artefact's metadata.

    Raises:
        FileFormatError: It is neither empty nor a record.
    """
    if value is None:
        return None
    texts = value if isinstance(value, Mapping) else {}
    path, sha256, kind = texts.get("path"), texts.get("sha256"), texts.get("kind", "unknown")
    if isinstance(path, str) and isinstance(sha256, str) and isinstance(kind, str):
        return FileRecord(path=path, sha256=sha256, kind=kind)
    raise FileFormatError(f"{name}: the record of a file in meta lacks its path or sha256")


def _from_projected_w(w: Array, name: str) -> dict[str, Array]:
    if w.ndim != 3:
        raise FileFormatError(f"{name}: w has shape {list(w.shape)}, expected [1, num_ws, w_dim]")
    return {"latents": w[:, None], "meta": to_json_array(LatentsMeta(space="w+").as_json())}


def _from_bare_array(array: Array, generator: "Generator | None", name: str) -> Trajectory:
    latents, space = place_axes(array, generator, name=name)
    origin = None if generator is None else generator.origin
    meta = LatentsMeta(
        space=cast("LatentSpace", space), generator=None if origin is None else origin.file
    )
    return Trajectory(latents=_check_latents(latents, name), meta=meta)


def _check_latents(latents: Array, name: str) -> npt.NDArray[np.float32]:
    if latents.dtype.kind != "f":
        raise FileFormatError(f"{name}: latents hold {latents.dtype} values, expected float32")
    with np.errstate(over="ignore"):  # what overflows is refused below
        latents = np.ascontiguousarray(latents, dtype=np.float32)
    if not np.isfinite(latents).all():
        video_idx = int(np.argwhere(~np.isfinite(latents))[0][0]) if latents.ndim else 0
        raise FileFormatError(f"{name}: latents hold NaN or infinity (first in video {video_idx})")
    return latents


def _check_labels(labels: Array | None, name: str) -> npt.NDArray[np.int64] | None:
    if labels is None:
        return None
    if labels.dtype.kind not in "iu" or (labels.size and labels.min() < 0):
        raise FileFormatError(f"{name}: labels are not class indices (int64, from 0 up)")
    return labels.astype(np.int64)


def _parse_meta(values: dict[str, Any], name: str) -> LatentsMeta:
    schema = values.get("schema")
    if schema != SCHEMA:
        raise FileFormatError(
            f"{name}: schema {schema!r}, expected {SCHEMA!r}",
            hint=f"`moco info {name}` says what the file is",
        )

    space, fps, history = values.get("space"), values.get("fps"), values.get("history", [])
    if space not in get_args(LatentSpace):
        raise FileFormatError(f"{name}: space {space!r} in meta, expected z, w or w+")
    if fps is not None and not (isinstance(fps, int | float) and 0 < fps < 1e4):
        raise FileFormatError(f"{name}: fps {fps!r} in meta, expected a positive number")
    if not isinstance(history, list) or not all(isinstance(line, str) for line in history):
        raise FileFormatError(f"{name}: history in meta is not a list of commands")

    return LatentsMeta(
        space=cast("LatentSpace", space),
        fps=None if fps is None else float(fps),
        seeds=_parse_seeds(values.get("seeds"), "seeds", name),
        motion_seeds=_parse_seeds(values.get("motion_seeds"), "motion_seeds", name),
        names=_parse_names(values.get("names"), name),
        liveliness=_parse_liveliness(values.get("liveliness"), name),
        shard=parse_saved_shard(values.get("shard"), name),
        shard_of=None if values.get("shard_of") is None else str(values["shard_of"]),
        frame_stride=_parse_stride(values.get("frame_stride"), name),
        generator=parse_record(values.get("generator"), name),
        motion=parse_record(values.get("motion"), name),
        gpu=_parse_gpu(values.get("gpu"), name),
        history=tuple(history),
        version=str(values.get("version", "unknown")),
    )


def _parse_seeds(value: Any, key: str, name: str) -> list[int] | None:
    if value is None:
        return None
    if isinstance(value, list) and all(type(seed) is int for seed in value):
        return list(value)
    raise FileFormatError(f"{name}: {key} in meta is not a list of whole numbers")


def _parse_names(value: Any, name: str) -> list[str] | None:
    if value is None:
        return None
    if isinstance(value, list) and all(isinstance(x, str) for x in value):
        return list(value)
    raise FileFormatError(f"{name}: names in meta is not a list of names")


def _parse_liveliness(value: Any, name: str) -> list[float] | None:
    if value is None:
        return None
    if isinstance(value, list) and all(type(x) in (int, float) and 0 <= x < 1e6 for x in value):
        return [float(x) for x in value]
    raise FileFormatError(f"{name}: liveliness in meta is not a list of non-negative numbers")


def _parse_stride(value: Any, name: str) -> int | None:
    if value is None or (type(value) is int and value > 0):
        return value
    raise FileFormatError(f"{name}: frame_stride {value!r} in meta, expected a positive number")


def _parse_gpu(value: Any, name: str) -> dict[str, str] | None:
    if value is None:
        return None
    if isinstance(value, dict) and all(isinstance(x, str) for x in value.values()):
        return dict(value)
    raise FileFormatError(f"{name}: gpu in meta is not a table of names")


def merge_latents(parts: Mapping[str, Trajectory]) -> Trajectory:
    """Put the videos of all parts of one set together, in their order.

    Args:
        parts: Name in messages -> what `sample_trajectory` drew or `moco invert` found for a shard,
            perhaps gone through other commands since.

    Raises:
        MismatchError: A part is missing or duplicate, or they are of different kinds.
    """
    names = check_complete({name: part.meta.shard for name, part in parts.items()})
    ordered = [parts[name] for name in names]
    _check_alike(dict(zip(names, ordered, strict=True)))

    # what is listed for each video is joined where every part lists it
    lists: dict[str, Any] = {
        key: None
        if any(getattr(part.meta, key) is None for part in ordered)
        else [value for part in ordered for value in getattr(part.meta, key)]
        for key in ("seeds", "motion_seeds", "names", "liveliness")
    }
    labels = [part.labels for part in ordered if part.labels is not None]
    first = ordered[0].meta
    return Trajectory(
        latents=np.concatenate([part.latents for part in ordered]),
        labels=np.concatenate(labels) if labels else None,
        meta=dataclasses.replace(
            first,
            shard=None,
            shard_of=None,
            gpu=first.gpu if all(part.meta.gpu == first.gpu for part in ordered) else None,
            **lists,
        ),
    )


def _check_alike(parts: Mapping[str, Trajectory]) -> None:
    """Refuse parts that cannot be of one set: name -> part, in their order."""
    first_name, first = next(iter(parts.items()))
    for name, part in parts.items():
        for what, of in (
            ("frames, layers and dimensions", lambda x: list(x.latents.shape[1:])),
            ("space", lambda x: x.meta.space),
            ("frames per second", lambda x: x.meta.fps),
            ("frame stride", lambda x: x.meta.frame_stride),
            ("generator", lambda x: x.meta.generator and x.meta.generator.sha256),
            ("motion model", lambda x: x.meta.motion and x.meta.motion.sha256),
            ("classes", lambda x: x.labels is None),
            ("settings or inputs", lambda x: x.meta.shard_of),
        ):
            if of(part) != of(first):
                raise MismatchError(
                    f"{name}: {what} {of(part)}, {first_name} has {of(first)}", hint=HINT
                )


def check_room(*shape: int) -> None:
    """Check that latents of some shape fit into memory, before anything is allocated.

    Raises:
        UnavailableError: They do not.
    """
    wanted, free = 4 * math.prod(shape), free_memory_bytes()
    if wanted > free:
        raise UnavailableError(
            f"{shape[0]} videos of {shape[1]} frames are {wanted / 2**30:.3g} GiB of latents, "
            f"{free / 2**30:.3g} GiB of memory are free",
            hint="make fewer or shorter videos at once",
        )


def check_latents_fit(
    trajectory: Trajectory, generator: "Generator", *, name: str = "the latents"
) -> str | None:
    """Check that latents belong to a generator.

    Args:
        trajectory: The latents.
        generator: The generator.
        name: Name of the latents in messages.

    Returns:
        A warning, if they fit but were made for another generator, else `None`.

    Raises:
        MismatchError: They have another size, space or number of layers.
    """
    origin, made_for = generator.origin, trajectory.meta.generator
    generator_name = origin.file.path if origin else "the generator"
    hint = (
        f"they were made for {made_for.path}; choose it with --generator, or make them again"
        if made_for
        else "make them again with this generator; `moco info` shows where they came from"
    )

    # shapes that this generator cannot take
    space, shape = trajectory.meta.space, trajectory.latents.shape
    if shape[-1] != generator.latent_dim:
        raise MismatchError(
            f"{name}: latents of {shape[-1]} dimensions, {generator_name} has "
            f"{generator.latent_dim}",
            hint=hint,
        )
    if space.rstrip("+") != generator.space:
        raise MismatchError(
            f"{name}: latents in {space}, {generator_name} takes them in {generator.space}",
            hint=hint,
        )
    if space == "w+" and shape[2] != generator.num_ws:
        raise MismatchError(
            f"{name}: {shape[2]} layers per frame, {generator_name} has {generator.num_ws}",
            hint=hint,
        )

    # another generator of the same shapes: possible, and worth a warning
    if made_for is None or origin is None or origin.is_of(made_for):
        return None
    return (
        f"{name}: made for {made_for.path} ({made_for.sha256[:12]}), "
        f"not for {generator_name} ({origin.file.sha256[:12]})"
    )
