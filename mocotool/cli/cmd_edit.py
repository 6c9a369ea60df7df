"""`moco edit`: move latents along directions, over time and per layer."""

from mocotool.cli import options as opt
from mocotool.cli.inputs import choose_latents
from mocotool.cli.latents_filter import LatentsFilter
from mocotool.configs.edit import EditConfig


def edit(
    latents: opt.LatentsArgument = None,
    *,
    config: EditConfig,
    pca: opt.PCAOption = None,
    to: LatentsFilter,
) -> None:
    """Edit latents: move along directions, truncate, smooth.

    Smoothing is applied first, then truncation, then directions. --schedule
    varies truncation and directions over the clip. --layers restricts all of
    it to some layers: the first ones set the pose, the last ones the colours.

    Example: moco sample | moco edit --direction 0:2 --schedule pulse -o clip.mp4
    """
    source = choose_latents(latents, command="edit")
    target = to.choose_output()

    from mocotool.steering.edits import edit_trajectory

    trajectory, name = to.read(source)
    edited = edit_trajectory(
        trajectory,
        config=config,
        basis=to.find_basis(trajectory, config, pca, name=name) if config.needs_basis else None,
        num_ws=to.count_layers(trajectory, config.layers, name=name),
    )
    to.write(edited, target, name=name)
