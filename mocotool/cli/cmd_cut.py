"""`moco cut`: which videos, which frames, which way, how fast."""

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
    """Cut a trajectory: which videos and frames, which way, how fast.

    Videos are chosen first, then frames, then the direction and the speed.
    First and last frame of what is left stay exactly as they are.

    Example: moco cut walk.npz --frames 10:50 --speed 0.5 -o slow.mp4
    """
    source = choose_latents(latents, command="cut")
    target = to.choose_output()

    from mocotool.steering.cutting import cut_trajectory

    trajectory, name = to.read(source)
    to.write(cut_trajectory(trajectory, config=config), target, name=name)
