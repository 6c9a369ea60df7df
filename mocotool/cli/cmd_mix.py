"""`moco mix`: combine two trajectories."""

from typing import Annotated

import typer

from mocotool.cli.inputs import choose_latents
from mocotool.cli.latents_filter import LatentsFilter
from mocotool.configs.mix import MixConfig
from mocotool.errors import ConfigError


def mix(
    first: Annotated[
        str | None, typer.Argument(metavar="[A]", help="Latents (.npz, .npy), or - for stdin.")
    ] = None,
    second: Annotated[
        str | None, typer.Argument(metavar="[B]", help="Latents to mix into A.")
    ] = None,
    *,
    config: MixConfig,
    motion_of: Annotated[
        str | None,
        typer.Option(metavar="LATENTS", help="Instead of A and B: latents that give the motion."),
    ] = None,
    content_of: Annotated[
        str | None,
        typer.Option(metavar="LATENTS", help="Instead of A and B: latents that give the content."),
    ] = None,
    to: LatentsFilter,
) -> None:
    """Mix two trajectories: blend them, swap layers, or swap motion.

    Without --layers all layers are blended. With it, those layers are taken
    from B: the last ones give A the colours of B, the first ones its pose.
    --motion-of and --content-of transfer motion from one to the other. A
    single video, or a single frame, is repeated to match the other side.

    Example: moco mix a.npz b.npz --layers 8-13 -o mixed.mp4
    """
    pair = [source for source in (first, second) if source is not None]
    moves = [source for source in (motion_of, content_of) if source is not None]
    if sorted((len(pair), len(moves))) != [0, 2]:
        raise ConfigError(
            "expected two files of latents, or --motion-of and --content-of",
            hint="moco mix a.npz b.npz, or moco mix --motion-of a.npz --content-of b.npz",
        )
    sources = [choose_latents(source, command="mix - b.npz") for source in pair or moves]
    target = to.choose_output()

    from mocotool.steering.agreement import agree
    from mocotool.steering.mixing import carry_motion, mix_trajectories

    read = [to.read(source) for source in sources]
    names = [name for _, name in read]
    (one, other), warning = agree([trajectory for trajectory, _ in read], names)
    to.report.warn_if(warning)
    if moves:
        mixed = carry_motion(one, other)
    else:
        num_ws = to.count_layers(one, config.layers, name=names[0])
        mixed = mix_trajectories(one, other, config=config, num_ws=num_ws)
    to.write(mixed, target, name=names[0])
