"""Opening of files as an `Explorer`: the generator, its motion and its directions."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import torch

from mocotool.addresses import address_of
from mocotool.basis import PCABasis, check_basis_fits, read_basis
from mocotool.configs.explore import ExploreConfig
from mocotool.configs.pca import PCAConfig
from mocotool.errors import ConfigError, MismatchError
from mocotool.explore.line import Named
from mocotool.explore.session import Explorer
from mocotool.generators.base import Generator
from mocotool.generators.recorded import find_generator
from mocotool.motion.checkpoint import load_motion, read_motion_record
from mocotool.motion.generator import MotionGenerator
from mocotool.pca import fit_pca_basis
from mocotool.trajectory import check_motion_fits
from mocotool.weights.inspection import describe_weights

Say = Callable[[str], None]


def _ignore(_text: str) -> None:
    """Stand in where nobody listens."""


def load_explorer(
    source: Path | str | None = None,
    *,
    generator: Path | str | None = None,
    pca: Path | str | None = None,
    config: ExploreConfig | None = None,
    device: torch.device | str = "cpu",
    precision: torch.dtype = torch.float32,
    named: Named | None = None,
    warn: Say = _ignore,
    progress: Callable[[int], None] | None = None,
) -> Explorer:
    """Load what is to be explored.

    Without a motion model the bundled one moves the generator, as in `moco sample`; where it does
    not fit, videos are paths between two seeds.

    Args:
        source: Generator, also by its address, or motion model; `None` is the bundled ones.
        generator: Generator; `None` is the one that the motion model was trained with.
        pca: PCA basis of the directions; `None` computes one of `config.num_samples` latents. It is
            also that of a motion model of the authors', whose files hold none.
        config: How many latents; `None` for the defaults.
        device: Where to compute.
        precision: Precision of the generator's convolutions.
        named: What device and precision are called in command lines.
        warn: Called with what may surprise.
        progress: Called with the number of latents done since the last call.

    Raises:
        ConfigError: Two generators were named.
        FileFormatError: A file is missing, damaged, or something else.
        MismatchError: The files do not belong together.
    """
    config = ExploreConfig() if config is None else config
    source, generator, pca = (_as_path(one) for one in (source, generator, pca))
    is_motion = source is not None and _is_motion(source)
    if source is not None and not is_motion:
        if generator is not None:
            raise ConfigError(f"got two generators, {source} and --generator {generator}")
        source, generator = None, source

    needs_pca = source is not None and read_motion_record(source) is None

    # the motion model, or the bundled one, and the generator that it moves
    motion: MotionGenerator | None = load_motion(
        source, pca=pca if needs_pca else None, device=device
    )
    assert motion is not None
    assert motion.origin is not None
    network = find_generator(
        generator,
        motion.generator_record,
        name=motion.origin.path,
        device=torch.device(device),
        precision=precision,
    )
    try:
        warning = check_motion_fits(motion, network)
    except MismatchError:
        if source is not None:
            raise
        motion = None
        warning = (
            f"{generator}: the bundled motion model does not fit, so videos are paths from one "
            "seed to another"
        )
    if warning is not None:
        warn(warning)

    basis = _find_basis(network, pca, num_samples=config.num_samples, progress=progress)
    if basis.note:
        warn(basis.note)

    # names for the command line on the page
    named = dataclasses.replace(
        named or Named(),
        motion=_typed(source),
        generator=_typed(generator),
        pca=_typed(pca),
        motion_needs_pca=needs_pca,
        num_samples=config.num_samples,
    )
    return Explorer(network, motion, basis, named=named)


def _as_path(path: Path | str | None) -> Path | None:
    return None if path is None else Path(path)


def _is_motion(path: Path) -> bool:
    """Return whether a file is a motion model; the reader of generators refuses anything else."""
    if path.is_dir() or address_of(path) is not None:  # generators alone have either
        return False
    said = describe_weights(path)
    return said is not None and str(said.get("what", "")).startswith("motion model")


def _typed(path: Path | None) -> str | None:
    return None if path is None else address_of(path) or str(path)


def _find_basis(
    generator: Generator,
    pca: Path | None,
    *,
    num_samples: int,
    progress: Callable[[int], None] | None,
) -> PCABasis:
    """Read the basis that was named, or compute the one that `moco edit` would compute."""
    if pca is None:
        return fit_pca_basis(
            generator, config=PCAConfig(num_samples=num_samples), progress=progress
        )
    basis = read_basis(pca)
    check_basis_fits(basis, generator.latent_dim, name=str(pca))
    return basis
