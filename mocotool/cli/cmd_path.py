"""`moco path`: interpolate between keyframes."""

from typing import TYPE_CHECKING, Annotated

import typer

from mocotool.cli.inputs import choose_latents
from mocotool.cli.latents_filter import LatentsFilter
from mocotool.configs.path import PathConfig

if TYPE_CHECKING:
    from mocotool.latents import Trajectory
    from mocotool.provenance import FileRecord


def path(
    keys: Annotated[
        list[str],
        typer.Argument(
            metavar="KEY...",
            help="Keyframes: seed:5, or a frame of latents: a.npz (its last), a.npz#2, "
            "a.npz#1:2 (of video 1), - (stdin). With @12 it is shown at frame 12.",
        ),
    ],
    *,
    config: PathConfig,
    to: LatentsFilter,
) -> None:
    """Interpolate between keyframes: seeds, frames of latents, inverted photos.

    Each keyframe is shown exactly, at its time; without times they are spread
    evenly over the path. With --loop the path returns to the first keyframe,
    without a seam.

    Example: moco path seed:1 seed:2 seed:3 --loop -o clip.mp4
    """
    from mocotool.steering.keyframes import (
        gather_keyframes,
        make_path,
        parse_keyframe,
        place_keyframes,
    )

    keyframes = [parse_keyframe(key) for key in keys]
    times = [key.time for key in keyframes]
    place_keyframes(times, config)
    for name in {key.file for key in keyframes if key.seed is None}:
        choose_latents(name, command="path - seed:5")
    target = to.choose_output()

    def draw(seeds: list[int], record: "FileRecord | None") -> "Trajectory":
        from mocotool.trajectory import draw_contents

        return draw_contents(
            to.load_generator(record, name=keys[0], or_bundled=True),
            seeds,
            label=config.label,
            truncation_psi=config.truncation_psi,
        )

    gathered, warning = gather_keyframes(keyframes, read=to.read, draw=draw)
    to.report.warn_if(warning)
    to.write(make_path(gathered, times=times, config=config), target, name=keys[0])
