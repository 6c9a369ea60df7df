"""Motion models on disk: our own file, and the authors'."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mocotool.addresses import address_of
from mocotool.boundary import foreign_data
from mocotool.configs.sample import BUNDLED_MOTION
from mocotool.errors import ConfigError, FileFormatError, MismatchError
from mocotool.fetched import locate
from mocotool.files import atomic_path, check_input_file, make_folder, open_target, sha256_file
from mocotool.motion.generator import DEFAULT_STEP_SIZE, MotionGenerator
from mocotool.motion.guided import GuidedMotion
from mocotool.motion.official import official_motion_names
from mocotool.provenance import FileRecord, portable_path, tool_version
from mocotool.weights.finite import check_finite
from mocotool.weights.opening import WeightFile
from mocotool.weights.reading import read_state_dict
from mocotool.weights.safetensors_file import read_header, read_record, write_safetensors
from mocotool.weights.sniffing import identify_container

SCHEMA = "moco.motion/1"


def save_motion(
    motion: MotionGenerator,
    path: Path | str,
    *,
    config: Mapping[str, Any] | None = None,
    notes: Mapping[str, Any] | None = None,
) -> None:
    """Write a motion model with its basis into one file; the same model gives the same bytes.

    Args:
        motion: The model.
        path: Where to; replaced in one go if it exists.
        config: The settings it was trained with.
        notes: What else to record: steps, version of the data, history.
    """
    generator = motion.generator_record
    record = {
        "schema": SCHEMA,
        "arch": motion.arch,
        **({"kind": motion.kind} if isinstance(motion, GuidedMotion) else {}),
        "num_frames": motion.num_frames,
        "generator": generator.as_json() if generator else None,
        "config": dict(config or {}),
        "notes": dict(notes or {}),
        "version": tool_version(),
    }
    with open_target(path) as file:
        write_safetensors(motion.state_dict(), file, record=record)


def save_official_motion(motion: MotionGenerator, folder: Path, *, epoch: int = 0) -> list[Path]:
    """Write a motion model as the authors' program reads it, with its PCA statistics beside it.

    The folder serves their `--load_pretrain_path` and `--save_pca_path` alike. Their files hold no
    step size: their `--w_residual` has to say it.

    Args:
        motion: The model, in the form of their program.
        folder: Where to; made if need be.
        epoch: The number in the file's name.

    Returns:
        The files: modelR_epoch_N.pth, pca_comp.npy and pca_stdev.npy.

    Raises:
        MismatchError: Their program cannot express the model.
    """
    is_guided = isinstance(motion, GuidedMotion)
    if is_guided or motion.form != "reference" or not motion.residual:
        raise MismatchError(
            "the model was learnt from latents, or its form is the paper's or an ablation: the "
            "authors' program has no such model",
        )
    state = {name: value.detach().cpu().clone() for name, value in motion.state_dict().items()}
    # Rows of one unit are rows whose deviation is one.
    stdev = state["stdev"] if motion.basis_rows == "stdev" else torch.ones_like(state["stdev"])
    make_folder(folder)
    paths = [
        folder / f"modelR_epoch_{epoch}.pth",
        folder / "pca_comp.npy",
        folder / "pca_stdev.npy",
    ]
    with atomic_path(paths[0]) as part:
        torch.save({theirs: state[ours] for ours, theirs in official_motion_names()}, part)
    for path, values in zip(paths[1:], (state["components"], stdev), strict=True):
        with atomic_path(path) as part, part.open("wb") as file:
            np.save(file, values.numpy())
    return paths


def read_motion_record(path: Path) -> dict[str, Any] | None:
    """Return what our own file says of itself, or `None` if `path` is not one of ours.

    Raises:
        FileFormatError: The file is missing, or damaged.
    """
    file = WeightFile(path)
    with foreign_data(path, what="a motion model"):
        if identify_container(file.data) != "safetensors":
            return None
        record = read_record(read_header(path)[1])
    return record if record.get("schema") == SCHEMA else None


def load_motion(
    path: Path | str | None = None,
    *,
    pca: Path | str | None = None,
    step_size: float | None = None,
    device: torch.device | str = "cpu",
) -> MotionGenerator:
    """Read a motion model, ours or the authors'.

    Args:
        path: `motion.safetensors`, or the authors' `modelR_epoch_N.pth`; `None` or
            "bundled:motion.safetensors" is the bundled one.
        pca: The basis the authors' file was trained with (it holds none itself): a .npz, or the
            authors' folder. Our own files hold theirs.
        step_size: Used in place of what the file says; the authors' files say nothing and mean 0.2.
        device: Where to put it.

    Returns:
        The model in eval mode, with `origin` and `generator_record` set.

    Raises:
        FileFormatError: The file is missing, damaged, or not a motion model.
        MismatchError: The basis does not fit the model.
        ConfigError: The authors' file came without its basis.
    """
    name = None
    if path is None or str(path) == BUNDLED_MOTION:
        path = Path(__file__).parent.parent / "bundled" / BUNDLED_MOTION.removeprefix("bundled:")
        name = BUNDLED_MOTION
    elif (address := address_of(path)) is not None:
        name = address
        path = locate(path)
    path = check_input_file(Path(path))
    record = read_motion_record(path)
    if record is not None and pca is not None:
        raise ConfigError(f"{path}: holds its own PCA basis", hint="leave --pca out")
    with foreign_data(path, what="a motion model"):
        motion = _read_official(path, pca) if record is None else _read_own(path, record)
        check_finite(motion.state_dict())
    if step_size is not None:
        motion.step_size = step_size
    motion.origin = FileRecord(
        path=name or portable_path(path), sha256=sha256_file(path), kind="motion"
    )
    return motion.to(device).eval()


def _read_own(path: Path, record: dict[str, Any]) -> MotionGenerator:
    tensors = read_state_dict(path)
    try:
        check_arch_fits(record["arch"], tensors)  # before anything of the size it claims is built
        kind = GuidedMotion if record.get("kind") == GuidedMotion.kind else MotionGenerator
        motion = kind(**record["arch"], components=tensors["components"], stdev=tensors["stdev"])
        motion.num_frames = int(record["num_frames"])
        motion.frame_stride = _read_stride(record)
        if record.get("generator"):
            motion.generator_record = FileRecord(**record["generator"])
    except (KeyError, TypeError, ValueError) as error:
        raise FileFormatError(f"{path}: its record is damaged ({error})") from error
    _load_strictly(motion, tensors, path)
    return motion


def _read_stride(record: dict[str, Any]) -> int | None:
    """Return the frame stride that a model was trained with, if it is recorded."""
    stride = (record.get("config") or {}).get("frame_stride")
    return stride if type(stride) is int and stride >= 1 else None


def check_arch_fits(arch: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
    """Check that a motion model's sizes are those of its tensors.

    Raises:
        ValueError: One is not.
        KeyError: A tensor or a size is missing.
    """
    found = {
        "latent_dim": tensors["components"].shape[-1],
        "hidden_dim": tensors["decoder.weight_hh"].shape[-1],
    }
    if arch.get("head_dim") is not None:
        found["head_dim"] = tensors["noise_head.0.weight"].shape[0]
    for name, size in found.items():
        if type(arch[name]) is not int or arch[name] != size:
            raise ValueError(f"{name} {arch[name]!r:.40}, the tensors have {size}")
    largest = tensors["decoder.weight_ih"].shape[-1]  # the noise, and in one form more
    if type(arch["noise_dim"]) is not int or not 0 < arch["noise_dim"] <= largest:
        raise ValueError(f"noise_dim {arch['noise_dim']!r:.40}, the tensors have at most {largest}")


def _read_official(path: Path, pca: Path | str | None) -> MotionGenerator:
    tensors = rename_official(read_state_dict(path), path)
    if pca is None:
        raise ConfigError(
            f"{path}: the authors' motion files hold no PCA basis",
            hint="add --pca with their folder of pca_comp.npy and pca_stdev.npy, or a pca.npz",
        )
    from mocotool.basis import read_basis

    basis = read_basis(Path(pca))
    num_components = tensors["coefficient_weight"].shape[1]
    if len(basis.components) < num_components:
        raise MismatchError(
            f"{pca}: has {len(basis.components)} components, {path} needs {num_components}"
        )

    # the file names no sizes: they are those of its matrices, [out, in]
    latent_dim = tensors["encoder.weight_ih"].shape[1]
    motion = MotionGenerator(
        latent_dim=latent_dim,
        noise_dim=tensors["decoder.weight_ih"].shape[1],
        hidden_dim=tensors["decoder.weight_hh"].shape[1],
        head_dim=len(tensors["noise_head.0.weight"]),
        components=torch.as_tensor(basis.components)[:num_components],
        stdev=torch.as_tensor(basis.stdev)[:num_components],
        step_size=DEFAULT_STEP_SIZE,
    )
    buffers = {"components": motion.components, "stdev": motion.stdev}
    _load_strictly(motion, tensors | buffers, path)
    return motion


def rename_official(tensors: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """Give the authors' 14 tensors our names.

    Raises:
        FileFormatError: Those are not the tensors of a motion model.
    """
    plain = {name.removeprefix("module."): value for name, value in tensors.items()}
    _refuse_discriminator(plain, path)
    renamed, missing = {}, []
    for ours, theirs in official_motion_names():
        if theirs in plain:
            renamed[ours] = plain.pop(theirs)
        else:
            missing.append(theirs)
    renamed |= plain  # what has no place is refused by name when it is loaded
    if missing:
        raise FileFormatError(
            f"{path}: is not a motion model, it has no {missing[0]}",
            hint="expected motion.safetensors, or the authors' modelR_epoch_N.pth; try `moco info`",
        )
    return renamed


def _refuse_discriminator(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Say what the authors' other two files are.

    Raises:
        FileFormatError: It is one of them.
    """
    first = tensors.get("netD.scale0_layer0.0.weight")
    if first is not None:
        what = "video discriminator (modelD_3d)" if first.ndim == 5 else "image discriminator"
    elif any(name.startswith("modelD.") for name in tensors):
        what = "image discriminator (modelD_img)"
    else:
        return
    raise FileFormatError(
        f"{path}: is the {what} of the authors' program, not a motion model",
        hint="its motion model is modelR_epoch_N.pth; `moco train-motion --init-run FOLDER "
        "--epoch N` continues from all three files",
    )


def _load_strictly(motion: MotionGenerator, tensors: Mapping[str, Tensor], path: Path) -> None:
    try:
        motion.load_state_dict(dict(tensors), strict=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise FileFormatError(
            f"{path}: does not hold the motion model that it describes ({reason})"
        ) from None
