"""`moco cut`: select videos and frames, reverse, change the speed."""

from mocotool.cli import options as opt
from mocotool.cli.inputs import choose_latents
from mocotool.cli.latents_filter import LatentsFilter
from mocotool.configs.cut import CutConfig


def cut(
    latents: opt.LatentsArgument = None,
    *,
    config: CutConfig,
    to: LatentsFilter,
) -> None:
    """Cut a trajectory: select videos and frames, reverse, change the speed.

    Videos are selected first, then frames, then direction and speed. The first
    and last frame of the selection are kept exactly.

    Example: moco cut walk.npz --frames 10:50 --speed 0.5 -o slow.mp4
    """
    source = choose_latents(latents, command="cut")
    target = to.choose_output()

    from mocotool.steering.cutting import cut_trajectory

    trajectory, name = to.read(source)
    to.write(cut_trajectory(trajectory, config=config), target, name=name)
