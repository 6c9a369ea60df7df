"""`moco loop`: make clips that end where they began."""

from mocotool.cli import options as opt
from mocotool.cli.inputs import choose_latents
from mocotool.cli.latents_filter import LatentsFilter
from mocotool.configs.loop import LoopConfig


def loop(
    latents: opt.LatentsArgument = None,
    *,
    config: LoopConfig,
    to: LatentsFilter,
) -> None:
    """Turn clips into seamless loops.

    The drift from beginning to end is removed evenly, so that the step across
    the seam is like the others; or the clip plays forwards and backwards, or
    its last frames are blended into its first. `moco sample --loop` samples
    motion that is periodic from the start.

    Example: moco sample --num-frames 48 | moco loop -o loop.gif
    """
    source = choose_latents(latents, command="loop")
    target = to.choose_output()

    from mocotool.steering.loops import close_trajectory

    trajectory, name = to.read(source)
    to.write(close_trajectory(trajectory, config=config), target, name=name)
