"""`moco cat`: concatenate trajectories."""

from typing import Annotated

import typer

from mocotool.cli.inputs import choose_latents
from mocotool.cli.latents_filter import LatentsFilter
from mocotool.configs.cat import CatConfig


def cat(
    clips: Annotated[
        list[str],
        typer.Argument(metavar="LATENTS...", help="Latents (.npz, .npy), or - for stdin."),
    ],
    *,
    config: CatConfig,
    to: LatentsFilter,
) -> None:
    """Concatenate trajectories, with or without a cross-fade.

    With --blend 6, the last 6 frames of each clip are blended into the first 6
    of the next, so the result is 6 frames shorter at every joint.

    Example: moco cat a.npz b.npz --blend 6 -o both.mp4
    """
    sources = [choose_latents(clip, command="cat - b.npz") for clip in clips]
    target = to.choose_output()

    from mocotool.steering.agreement import agree
    from mocotool.steering.cutting import join_trajectories

    read = [to.read(source) for source in sources]
    names = [name for _, name in read]
    agreed, warning = agree([trajectory for trajectory, _ in read], names)
    to.report.warn_if(warning)
    to.write(join_trajectories(agreed, config=config), target, name=names[0])
