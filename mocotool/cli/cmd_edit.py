"""`moco edit`: change where latents are, over time, on some layers."""

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
    """Go along directions, towards the mean, or more smoothly.

    Smoothing comes first, then truncation, then directions. With --schedule
    truncation and directions grow and fall over the clip, with --layers only
    some layers change: the first ones pose, the last ones colours.

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
