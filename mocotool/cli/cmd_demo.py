"""`moco demo`: the whole pipeline on the bundled default, command by command."""

import contextlib
import dataclasses
import shlex
import time
from pathlib import Path
from typing import Annotated

import typer

from mocotool.cli import options as opt
from mocotool.cli.report import Report
from mocotool.errors import ConfigError


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A section of the demo's page and the commands that make it."""

    title: str
    text: str
    commands: tuple[str, ...]
    shows: str
    """Glob of the files the section shows; empty for none."""


STEPS = (
    Step(
        title="Principal directions of the latent space",
        text="The share of variance that the first principal components of w hold (Appendix E). "
        "Motion is learnt along these directions.",
        commands=("moco pca -o pca.npz --num-samples 100000 --plot variance.png",),
        shows="variance.png",
    ),
    Step(
        title="What the directions do",
        text="One row a direction, from minus two to plus two standard deviations around one "
        "person (Appendix E).",
        commands=("moco traverse --pca pca.npz --num-components 8 --seed 3 -o directions.png",),
        shows="directions.png",
    ),
    Step(
        title="Training, for a few seconds",
        text="Motion learnt from the dozen clips in clips/, only to show the command; everything "
        "below uses the motion model that comes with the package.",
        commands=(
            "moco train-motion --videos clips --pca pca.npz -o run --num-steps 2 --batch-size 2 "
            "--num-g-steps 1 --video-width 16 --pair-width 16 --preview-every 2",
        ),
        shows="",
    ),
    Step(
        title="Different people, different motions",
        text="Random, not chosen: each video has a content seed and a motion seed of its own.",
        commands=(
            "moco sample --seeds 0-7 -o people.npz",
            "moco interpolate people.npz -o people.mp4",
        ),
        shows="people-*.mp4",
    ),
    Step(
        title="Same content, other motions",
        text="One person, four motion seeds (the paper's Figs. 5 and 13).",
        commands=("moco sample --seeds 5 --motion-seeds 0-3 -o same-content.mp4",),
        shows="same-content-*.mp4",
    ),
    Step(
        title="Same motion, other contents",
        text="Four people, one motion seed (the paper's Figs. 6 and 14).",
        commands=("moco sample --seeds 8-11 --motion-seeds 1 -o same-motion.mp4",),
        shows="same-motion-*.mp4",
    ),
    Step(
        title="Longer than in training",
        text="64 frames by unrolling the motion model further; it was trained on 16.",
        commands=("moco sample --seeds 12-15 --num-frames 64 -o long.mp4",),
        shows="long-*.mp4",
    ),
    Step(
        title="Slower by interpolation",
        text="The same latents with three new frames between any two.",
        commands=("moco interpolate people.npz --factor 4 --mode cubic --fps 12 -o slow.mp4 --grid",),
        shows="slow.mp4",
    ),
    Step(
        title="Diversity of motion",
        text="One person in many motions: the mean of the last frames, and how much each pixel "
        "varies (Appendix D).",
        commands=("moco eval diversity --num-contents 2 --num-motions 24 --pictures diversity.png",),
        shows="diversity*.png",
    ),
)


def demo(
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="New folder for the results.")
    ] = Path("moco-demo"),
    *,
    device: opt.Device = "auto",
    json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Run the whole pipeline on the bundled default.

    Each command is printed as it could be typed. The results end on a page,
    DIR/index.html, that opens from disk.

    Example: moco demo results/
    """
    from mocotool.bundled import copy_clips
    from mocotool.gallery import Section, write_gallery

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder}: exists already", hint="name a new folder: moco demo OTHER")
    report = Report(json=json, quiet=quiet)
    started = time.monotonic()
    try:
        copy_clips(folder / "clips")
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written: {error.strerror}") from None
    report.echo(f"$ cd {shlex.quote(str(folder))}")
    sections = []
    for step in STEPS:
        for command in step.commands:
            report.echo(f"$ {command}")
            _run(command, folder, device=device)
        files = tuple(sorted(folder.glob(step.shows))) if step.shows else ()
        sections.append(
            Section(title=step.title, text=step.text, commands=step.commands, files=files)
        )
    page = folder / "index.html"
    write_gallery(
        page,
        sections,
        title="moco demo",
        intro="Everything on this page was made by the commands on it, from the generator and the "
        "motion model that come with mocotool.",
    )
    seconds = round(time.monotonic() - started, 1)
    report.result({"page": page, "seconds": seconds})


def _run(command: str, folder: Path, *, device: str) -> None:
    """Run one of our own commands in this process, which has torch loaded already."""
    from mocotool.cli.app import app

    words = shlex.split(command)[1:]
    with contextlib.chdir(folder):
        code = app([*words, "--quiet", "--device", device], standalone_mode=False)
    if code:
        raise typer.Exit(code)
