"""Descriptions of artefacts: what a file is and where it came from."""

import dataclasses
import json
import zipfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mocotool.addresses import address_of, parse_address
from mocotool.errors import FileFormatError
from mocotool.fetched import locate
from mocotool.files import check_input_file, sha256_file
from mocotool.npz import NPY_MAGIC, Array, from_json_array, read_npy, read_npz
from mocotool.training.run_files import CONFIG_NAME, LOG_NAME, parse_row
from mocotool.video.archives import LABELS_NAME, is_archive, list_members
from mocotool.weights.inspection import describe_weights
from mocotool.weights.sniffing import identify_container

if TYPE_CHECKING:
    from mocotool.generators.base import Generator

MAX_JSON_BYTES = 10_000_000
RUN_FILES = ("motion.safetensors", "generator.safetensors")
ZIP_MAGIC = b"PK\x03\x04"
PICTURE_MAGICS = (b"\x89PNG", b"\xff\xd8\xff", b"BM", b"II*\x00", b"MM\x00*")
MEDIA_MAGICS = (*PICTURE_MAGICS, b"\x1aE\xdf\xa3", b"GIF8", b"RIFF")

Facts = dict[str, Any]


def describe_file(path: Path | str) -> Facts:
    """Return what an artefact is: kind, sizes, origin.

    Args:
        path: A generator, latents, PCA basis, motion model, statistics, video, zip or tar of
            videos or pictures, or a folder of a run, of the authors' PCA files or of BigGAN
            weights; "https://host/file" or "hf://owner/repo/file" is what `fetch` has put into
            the cache.

    Returns:
        Name -> value; plain JSON values, nested at most two deep.

    Raises:
        FileFormatError: It is none of these.
        UnavailableError: The address has not been fetched.
    """
    if (address := address_of(path)) is not None:
        return describe_file(locate(address)) | {"file": parse_address(address).name}

    path = Path(path)
    if path.is_dir():
        return describe_folder(path)
    check_input_file(path)

    # by the first bytes: arrays, media and archives say plainly what they are
    with path.open("rb") as file:
        head = file.read(12)
    if head.startswith(ZIP_MAGIC) and is_npz(path):
        return {"file": str(path)} | describe_npz(path) | file_facts(path)
    if head.startswith(NPY_MAGIC):
        return {"file": str(path)} | describe_npy(path) | file_facts(path)
    if is_media(head):
        return describe_media(path)
    if is_archive(path) and (found := describe_archive(path)):
        return {"file": str(path)} | found | file_facts(path)

    # else weights, unless the name is a video's and no reader of weights knows the file
    try:
        weights = describe_weights(path)
    except FileFormatError:
        if not _has_video_name(path):
            raise
        return describe_media(path)
    if weights is not None:
        return {"file": str(path)} | weights | file_facts(path)
    return _load_and_describe(path)


def _has_video_name(path: Path) -> bool:
    from mocotool.video.candidates import VIDEO_SUFFIXES

    return path.suffix.lower() in VIDEO_SUFFIXES


def check_beginning(head: bytes) -> None:
    """Check that something which is described may begin so, before more of a pipe is read.

    Raises:
        FileFormatError: Nothing does; the message says what it looks like.
    """
    is_safetensors = head[8:9] == b"{"
    if not (is_media(head) or is_safetensors or head.startswith((ZIP_MAGIC, NPY_MAGIC))):
        identify_container(memoryview(head + b"."))  # which ends the oldest pickles


def is_media(head: bytes) -> bool:
    """Return whether a file begins as a video or a picture."""
    return head[4:8] == b"ftyp" or head.startswith(MEDIA_MAGICS)


def describe_media(path: Path) -> Facts:
    """Return what a video or a picture is."""
    from mocotool.video.opening import open_video

    entry = open_video(path)
    with path.open("rb") as file:
        head = file.read(12)
    is_still = head.startswith(PICTURE_MAGICS) or head[8:] == b"WEBP"
    is_picture = is_still and entry.num_frames == 1  # PNG may be animated
    facts = {
        "file": str(path),
        "what": "picture" if is_picture else "video",
        "num_frames": entry.num_frames,
        "fps": None if is_picture else entry.fps,
        "width": entry.width,
        "height": entry.height,
    }
    return facts | file_facts(path)


def describe_archive(path: Path) -> Facts | None:
    """Return what videos and pictures a zip or tar holds, `None` if none; none is opened."""
    from mocotool.video.candidates import find_candidates
    from mocotool.video.opening import is_image_name

    try:
        names = [member.name for member in list_members(path)]
        found = list(find_candidates(path, Counter(), lambda *_: None))
    except FileFormatError:
        return None  # what else it may be is looked at
    if not found or any(name.endswith("data.pkl") for name in names):  # of torch.save
        return None
    num_pictures = sum(not one.names and is_image_name(one.path.name) for one in found)
    return {
        "what": "data set in a zip or tar",
        "videos": len(found) - num_pictures,
        "pictures": num_pictures,
        "frames_as_files": sum(map(is_image_name, names)) - num_pictures,
        "has_labels": any(is_label_name(name) for name in names),
    }


def is_label_name(name: str) -> bool:
    """Return whether a file of a data set says classes."""
    return name.rpartition("/")[2] == LABELS_NAME or name.endswith(".cls")


def file_facts(path: Path) -> Facts:
    """Return a file's size and hash."""
    return {"size_bytes": path.stat().st_size, "sha256": sha256_file(path)}


def _load_and_describe(path: Path) -> Facts:
    from mocotool.generators.loading import load_generator

    return describe_generator(load_generator(path))


def describe_generator(generator: "Generator") -> Facts:
    """Return what a generator is and where it came from."""
    origin = generator.origin
    mean = generator.latent_mean
    facts: Facts = {
        "file": origin.file.path if origin else None,
        "what": "generator",
        "kind": generator.kind,
        "resolution": generator.resolution,
        "img_channels": generator.img_channels,
        **describe_size(generator),
        "space": generator.space,
        "z_dim": generator.z_dim,
        "latent_dim": generator.latent_dim,
        "num_ws": generator.num_ws,
        "classes": generator.c_dim,
        "parameters": sum(value.numel() for value in generator.parameters()),
        "truncation_centre": None if mean is None else f"norm {float(mean.norm()):.4g}",
        "arch": generator.arch,
    }
    if origin is not None:
        facts |= {"sha256": origin.file.sha256, "origin": dict(origin.notes)}
    return facts


def describe_size(generator: "Generator") -> Facts:
    """Return the height and width of pictures that are not square; empty for square ones."""
    height, width = generator.img_size
    return {} if height == width else {"width": width, "height": height}


def describe_folder(path: Path) -> Facts:
    """Return what a folder holds: a training run, the authors' PCA files, or BigGAN weights."""
    if (path / "pca_comp.npy").is_file():
        from mocotool.basis import read_basis

        facts = {"file": str(path), "what": "PCA basis (the authors' folder)"}
        return facts | read_basis(path).describe()
    if not (path / LOG_NAME).is_file() and not (path / CONFIG_NAME).is_file():
        return _load_and_describe(path)
    run: Facts = {"file": str(path), "what": "training run"}
    if (path / CONFIG_NAME).is_file():
        run["config"] = read_json(path / CONFIG_NAME)
    if (path / LOG_NAME).is_file():
        run["newest_metrics"] = read_last_record(path / LOG_NAME)
    for name in RUN_FILES:
        if (path / name).is_file():
            model = describe_file(path / name)
            run[name] = {
                key: model[key] for key in ("kind", "parameters", "sha256") if key in model
            }
    return run


def read_json(path: Path) -> Facts:
    """Return a small JSON object.

    Raises:
        FileFormatError: The file holds something else.
    """
    if path.stat().st_size > MAX_JSON_BYTES:
        raise FileFormatError(f"{path}: too large for a JSON file of settings")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise FileFormatError(f"{path}: not a JSON object")
    return value


def read_last_record(path: Path) -> Facts | None:
    """Return the last whole line of a file of JSON lines, or `None` if there is none."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - 100_000))
        lines = file.read().splitlines()
    return next((row for row in map(parse_row, reversed(lines)) if row is not None), None)


def is_npz(path: Path) -> bool:
    """Return whether a zip file holds numpy arrays."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError):
        return False
    return bool(names) and all(name.endswith(".npy") for name in names)


def describe_npy(path: Path) -> Facts:
    """Return dtype and shape of a bare array, which records nothing else."""
    array = read_npy(path)
    return {
        "what": "one array: latents, directions, or of a PCA folder",
        "array": f"{array.dtype} {list(array.shape)}",
    }


def describe_npz(path: Path) -> Facts:
    """Return what an .npz file holds: latents, a basis, statistics, or other arrays."""
    arrays = read_npz(path, str(path))
    meta = read_meta(arrays, path)
    shapes = {
        name: f"{array.dtype} {list(array.shape)}"
        for name, array in arrays.items()
        if name != "meta"
    }
    if "latents" in arrays or set(arrays) == {"w"}:
        from mocotool.latents import read_latents

        trajectory = read_latents(path)
        facts: Facts = {
            "what": "latents" if "latents" in arrays else "latents (NVlabs projected_w.npz)",
            "num_videos": trajectory.num_videos,
            "num_frames": trajectory.num_frames,
            "latent_dim": trajectory.latents.shape[-1],
        }
        return facts | trajectory.meta.as_json() | {"arrays": shapes}
    if {"components", "stdev"} <= set(arrays):
        from mocotool.basis import read_basis

        basis = read_basis(path)
        origin = dataclasses.asdict(basis.meta)
        return {"what": "PCA basis"} | basis.describe() | origin | {"arrays": shapes}
    schema = meta.pop("schema", None)
    return {"what": schema or "arrays"} | meta | {"arrays": shapes}


def read_meta(arrays: dict[str, Array], path: Path) -> Facts:
    """Return the metadata in an .npz file, empty if there is none."""
    return from_json_array(arrays["meta"], str(path)) if "meta" in arrays else {}
