"""`moco edit`: change where latents are, over time, on some layers."""

from typing import TYPE_CHECKING

from mocotool.cli import options as opt
from mocotool.cli.inputs import choose_latents, read_trajectory
from mocotool.cli.latents_filter import LatentsFilter
from mocotool.configs.edit import EditConfig

if TYPE_CHECKING:
    from mocotool.basis import PCABasis
    from mocotool.latents import Trajectory


def edit(
    latents: opt.LatentsArgument = None,
    *,
    config: EditConfig,
    pca: opt.PCAOption = None,
    to: LatentsFilter,
) -> None:
    """Go along directions, towards the mean, or more smoothly.

    Smoothing comes first, then truncation, then directions. With --schedule
    truncation and directions grow and fall over the clip, with --layers only
    some layers change: the first ones pose, the last ones colours.

    Example: moco sample | moco edit --direction 0:2 --schedule pulse -o clip.mp4
    """
    source = choose_latents(latents, command="edit")
    target = to.choose_output()

    from mocotool.steering.edits import edit_trajectory

    trajectory, name = read_trajectory(source)
    edited = edit_trajectory(
        trajectory,
        config=config,
        basis=_find_basis(trajectory, config, pca, to, name) if config.needs_basis else None,
        num_ws=to.count_layers(trajectory, config.layers, name=name),
    )
    to.write(edited, target, name=name)


def _find_basis(
    trajectory: "Trajectory",
    config: EditConfig,
    pca: opt.PCAOption,
    to: LatentsFilter,
    name: str,
) -> "PCABasis":
    """Read the basis that was named, or compute that of the latents' generator."""
    if pca is not None:
        from mocotool.basis import read_basis

        return read_basis(pca)
    from mocotool.configs.pca import PCAConfig
    from mocotool.pca import fit_pca_basis

    generator = to.load_generator(trajectory.meta.generator, name=name)
    to.report.note(f"no --pca: computing a basis of {config.num_samples} latents")
    pca_config = PCAConfig(num_samples=config.num_samples)
    with to.report.progress("latents", config.num_samples) as advance:
        return fit_pca_basis(generator, config=pca_config, progress=advance)
