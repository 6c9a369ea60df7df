"""Preparation of a motion run: a basis, and settings that fit the generator."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

from mocotool.basis import MAKE_ONE, PCABasis, check_basis_fits, read_basis
from mocotool.configs.pca import PCAConfig
from mocotool.configs.train_motion import TrainMotionConfig
from mocotool.errors import MismatchError
from mocotool.generators.base import Generator
from mocotool.motion.generator import MotionGenerator
from mocotool.pca import fit_pca_basis

QUICK_PCA_SAMPLES = 100_000  # a tenth of the paper's: its 384th deviation is off by under 1 %


def find_basis(
    generator: Generator,
    pca: Path | str | None,
    *,
    start: MotionGenerator | None = None,
    note: Callable[[str], None],
    progress: Callable[[int], None] | None = None,
) -> PCABasis:
    """Return the basis that was named, or that of the start, or a quick one made on the spot.

    Args:
        generator: Whose latents are to move.
        pca: The `--pca` value.
        start: The motion model to start from, whose basis goes on where none was named.
        note: Called with what was done where none was named.
        progress: Called with the number of latents done since the last call.

    Raises:
        FileFormatError: The file is not a basis.
        MismatchError: It belongs to latents of another size.
    """
    if pca is None and start is not None:
        return PCABasis(components=start.components.cpu().numpy(), stdev=start.stdev.cpu().numpy())
    if pca is None:
        note(f"no --pca: computing one of {QUICK_PCA_SAMPLES} latents")
        return fit_pca_basis(
            generator, config=PCAConfig(num_samples=QUICK_PCA_SAMPLES), progress=progress
        )
    basis = read_basis(pca)
    check_basis_fits(basis, generator.latent_dim, name=str(pca))
    made_with = basis.meta.generator
    origin = generator.origin
    if made_with is not None and origin is not None and not origin.is_of(made_with):
        raise MismatchError(
            f"{pca}: was made with {made_with.path} ({made_with.sha256[:12]}), "
            f"not with {origin.file.path} ({origin.file.sha256[:12]})",
            hint=MAKE_ONE,
        )
    return basis


def fit_config(
    config: TrainMotionConfig,
    generator: Generator,
    basis: PCABasis,
    *,
    num_videos: int | None = None,
    note: Callable[[str], None],
) -> TrainMotionConfig:
    """Lower settings that ask for more than the generator or the basis has, and say so.

    Passes over the videos become steps, where their number is given.
    """
    config = config if num_videos is None else config.count_steps(num_videos)
    changes: dict[str, int] = {}
    side = min(generator.img_size)
    if config.frame_size > side:
        changes["frame_size"] = side
    if config.num_components > basis.num_components:
        changes["num_components"] = basis.num_components
    if config.form == "paper" and config.residual:
        # The paper's motion generator takes its state as coefficients.
        num_components = changes.get("num_components", config.num_components)
        if config.hidden_dim != num_components:
            changes["hidden_dim"] = num_components
    for name, value in changes.items():
        note(f"{name.replace('_', ' ')} {value} (not {getattr(config, name)}): all that fits")
    return dataclasses.replace(config, **changes)  # type: ignore[arg-type]
