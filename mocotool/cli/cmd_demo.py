"""`moco demo`: the whole pipeline on the bundled default, command by command."""

import contextlib
import dataclasses
import io
import os
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mocotool.cli import options as opt
from mocotool.cli.narrow import narrow
from mocotool.cli.report import Report
from mocotool.errors import ConfigError

if TYPE_CHECKING:
    from mocotool.gallery import Section


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A section of the demo's page and the commands that make it."""

    title: str
    text: str
    commands: tuple[str, ...]
    shows: tuple[str, ...] = ()
    """Globs of the files the section shows, in this order."""
    captions: tuple[str, ...] = ()
    """One for each of those files; their names if empty."""


STEPS = (
    Step(
        title="Principal directions of the latent space",
        text="The share of variance that the first principal components of w hold (Appendix E). "
        "Motion is learnt along these directions.",
        commands=("moco pca -o pca.npz --num-samples 100000 --plot variance.png",),
        shows=("variance.png",),
    ),
    Step(
        title="What the directions do",
        text="One row a direction, the widest first, from minus two to plus two standard "
        "deviations around one person (Appendix E).",
        commands=(
            "moco traverse --pca pca.npz --num-components 8 --num-frames 9 --seed 3 "
            "-o directions.png",
        ),
        shows=("directions.png",),
    ),
    Step(
        title="Training, for a few seconds",
        text="Motion is learnt from clips such as these. A few steps show the command and move "
        "nothing yet; everything below uses the motion model that comes with mocotool.",
        commands=(
            "moco train-motion --videos clips --pca pca.npz -o run --num-steps 4 --batch-size 2 "
            "--num-frames 8 --step-size 1 --num-g-steps 1 --frame-size 32 --video-width 16 "
            "--pair-width 16 --preview-every 4",
        ),
        shows=("clips/*.mp4",),
    ),
    Step(
        title="Different people, different motions",
        text="Random, not chosen: each video has a content seed and a motion seed of its own.",
        commands=(
            "moco sample --seeds 0-7 -o people.npz",
            "moco interpolate people.npz -o people.mp4",
        ),
        shows=("people-*.mp4",),
        captions=tuple(f"seed {seed}" for seed in range(8)),
    ),
    Step(
        title="Same content, other motions",
        text="One person, four motion seeds (the paper's Figs. 5 and 13).",
        commands=("moco sample --seeds 5 --motion-seeds 0-3 -o same-content.mp4",),
        shows=("same-content-*.mp4",),
        captions=tuple(f"content 5, motion {seed}" for seed in range(4)),
    ),
    Step(
        title="Same motion, other contents",
        text="Four people, one motion seed (the paper's Figs. 6 and 14).",
        commands=("moco sample --seeds 8-11 --motion-seeds 1 -o same-motion.mp4",),
        shows=("same-motion-*.mp4",),
        captions=tuple(f"content {seed}, motion 1" for seed in range(8, 12)),
    ),
    Step(
        title="Longer than in training",
        text="64 frames by unrolling the motion model further; it was trained on 16.",
        commands=("moco sample --seeds 12-15 --num-frames 64 -o long.mp4",),
        shows=("long-*.mp4",),
        captions=tuple(f"seed {seed}" for seed in range(12, 16)),
    ),
    Step(
        title="Slower by interpolation",
        text="The first eight again, with three new frames between any two.",
        commands=(
            "moco interpolate people.npz --factor 4 --mode cubic --fps 12 -o slow.mp4 --grid",
        ),
        shows=("slow.mp4",),
    ),
    Step(
        title="Diversity of motion",
        text="One person in 24 motions: the mean of the videos, the mean of their last frames, "
        "and how much each of its pixels varies (Appendix D). The number is the average of that, "
        "over two people.",
        commands=("moco eval diversity --num-contents 2 --num-motions 24 --pictures diversity",),
        shows=("diversity/mean.mp4", "diversity/mean.png", "diversity/std.png"),
        captions=("mean video", "mean last frame", "standard deviation"),
    ),
    Step(
        title="Near real motion?",
        text="A Frechet distance of plain motion features to the dozen clips above, which are "
        "among those that the model has learnt from: a check that something moves as it should, "
        "not a result. So few clips make any distance large; the ground truth, one half of them "
        "against the other, says how large. Interpolation doubles the frame rate to the clips'.",
        commands=(
            "moco sample --seeds 16-63 -o many.npz",
            "moco interpolate many.npz -o many-32.npz",
            "moco eval fvd clips many-32.npz --detector motion --frame-stride 2 --real-clips all "
            "--ground-truth",
        ),
    ),
)


program: typer.Typer | None = None
"""Where the commands are typed: the program that `demo` belongs to, which says so itself."""


def demo(
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="New folder for the results.")
    ] = Path("moco-demo"),
    *,
    report: Report,
    device: opt.Device = "auto",
) -> None:
    """Run the whole pipeline on the bundled default.

    Each command is printed as you would type it. The results are collected on
    a page, DIR/index.html, which opens from disk.

    Example: moco demo results/
    """
    from mocotool.bundled import copy_clips
    from mocotool.devices import resolve_device

    resolve_device(device)
    _make_folder(folder)
    started = time.monotonic()
    copy_clips(folder / "clips")
    report.echo(f"$ cd {shlex.quote(str(folder))}")
    sections: list[Section] = []
    for step in STEPS:
        sections.append(_run_step(step, folder, report, device=device))
        _write_page(folder, sections)  # after each step, so that an interrupted demo has a page too
    seconds = round(time.monotonic() - started, 1)
    report.result({"page": folder / "index.html", "seconds": seconds}, quiet_hides=True)


def _make_folder(folder: Path) -> None:
    """Make the demo's folder, or take one that is empty.

    Raises:
        ConfigError: There is something in it, or it cannot be made.
    """
    other = "name a new folder: moco demo OTHER"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise ConfigError(f"{folder}: already exists and is not empty", hint=other)
    except FileExistsError:
        raise ConfigError(f"{folder}: a file, expected a new folder", hint=other) from None
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be created: {error.strerror}", hint=other) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"{folder}: no permission to write there", hint=other)


def _run_step(step: Step, folder: Path, report: Report, *, device: str) -> "Section":
    from mocotool.gallery import Section

    commands = step.commands
    if device != "auto":
        commands = tuple(f"{command} --device {device}" for command in commands)
    printed = []
    for command in commands:
        report.echo(f"$ {command}")
        text = _run(command, folder)
        if text:
            report.echo(text)
            printed.append(text)
    return Section(
        title=step.title,
        text=step.text,
        commands=commands,
        printed="\n".join(printed),
        files=tuple(path for shown in step.shows for path in sorted(folder.glob(shown))),
        captions=step.captions,
    )


def _run(command: str, folder: Path) -> str:
    """Run one of our own commands in this process, which has torch loaded already.

    Returns:
        What it printed, which for a quiet command is what it has measured.
    """
    assert program is not None
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()) as stdout:
        words = [*shlex.split(command)[1:], "--quiet"]
        code = narrow(program, words)(words, standalone_mode=False)
    if code:
        raise typer.Exit(code)
    return stdout.getvalue().rstrip()


def _write_page(folder: Path, sections: "list[Section]") -> None:
    from mocotool.gallery import write_gallery

    write_gallery(
        folder / "index.html",
        sections,
        title="moco demo",
        intro="Everything on this page was made by the commands on it, from the generator and the "
        "motion model that come with mocotool.",
    )
