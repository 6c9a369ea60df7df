"""`moco interpolate`: insert frames between those of a trajectory."""

from mocotool.cli import options as opt
from mocotool.cli.inputs import choose_latents
from mocotool.cli.latents_filter import LatentsFilter
from mocotool.configs.interpolate import InterpolateConfig


def interpolate(
    latents: opt.LatentsArgument = None,
    *,
    config: InterpolateConfig,
    to: LatentsFilter,
) -> None:
    """Insert frames into trajectories: 16 frames become exactly 32.

    The first and last frame are kept, the others are spread evenly between
    them. The duration stays the same: twice the frames at twice the rate.

    Example: moco sample | moco interpolate -o clip.mp4
    """
    source = choose_latents(latents, command="interpolate")
    target = to.choose_output()

    from mocotool.interpolation import interpolate_trajectory

    trajectory, name = to.read(source)
    to.write(interpolate_trajectory(trajectory, config=config), target, name=name)
