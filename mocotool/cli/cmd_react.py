"""`moco react`: make latents follow a sound."""

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from mocotool.cli import options as opt
from mocotool.cli.inputs import choose_latents
from mocotool.cli.latents_filter import LatentsFilter
from mocotool.configs.react import ReactConfig
from mocotool.files import check_input_file, check_output_path


def react(
    song: Annotated[
        Path, typer.Argument(metavar="SONG", help="Any file with sound, also a video's.")
    ],
    latents: opt.LatentsArgument = None,
    *,
    config: ReactConfig,
    pca: opt.PCAOption = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png", help="Plot the sound's curves and the resulting motion."),
    ] = None,
    to: LatentsFilter,
) -> None:
    """Make latents follow a sound, for its whole length.

    They move fast where it is loud, or reach the next frame at each onset;
    directions follow bass, mid, high or onset. Videos get the sound as well,
    unless --audio names another.

    Example: moco sample --num-frames 99 | moco react song.mp3 --direction 0:1@bass -o song.mp4
    """
    check_input_file(song)
    source = choose_latents(latents, command="react song.mp3")
    target = to.choose_output()
    if plot is not None:
        check_output_path(plot, force=to.output.force)
    if target.audio is None and target.has_sound:
        target = dataclasses.replace(target, audio=song)

    from mocotool.steering.hearing import RATE, hear
    from mocotool.steering.reaction import draw_reaction, react_trajectory
    from mocotool.video.sound import read_sound

    hearing = hear(read_sound(song, rate=RATE, num_channels=1)[0], fps=config.fps)
    trajectory, name = to.read(source)
    basis = to.find_basis(trajectory, config, pca, name=name) if config.needs_basis else None
    reacted = react_trajectory(trajectory, hearing, config=config, basis=basis)
    if plot is not None:
        from mocotool.video.pictures import write_png

        write_png(plot, draw_reaction(hearing, trajectory.num_frames, config))
    to.write(reacted, target, name=name)
