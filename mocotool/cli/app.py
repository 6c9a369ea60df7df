"""The list of commands."""

from typing import Annotated

import typer

from mocotool import __version__
from mocotool.cli import cmd_demo
from mocotool.cli.cmd_cache import cache
from mocotool.cli.cmd_cat import cat
from mocotool.cli.cmd_compare import compare_app
from mocotool.cli.cmd_convert import convert
from mocotool.cli.cmd_cut import cut
from mocotool.cli.cmd_demo import demo
from mocotool.cli.cmd_edit import edit
from mocotool.cli.cmd_eval import eval_app
from mocotool.cli.cmd_explore import explore
from mocotool.cli.cmd_fetch import fetch_command
from mocotool.cli.cmd_gallery import gallery
from mocotool.cli.cmd_info import info
from mocotool.cli.cmd_interpolate import interpolate
from mocotool.cli.cmd_invert import invert
from mocotool.cli.cmd_loop import loop
from mocotool.cli.cmd_merge import merge_command
from mocotool.cli.cmd_mix import mix
from mocotool.cli.cmd_path import path
from mocotool.cli.cmd_pca import pca
from mocotool.cli.cmd_plot_run import plot_run
from mocotool.cli.cmd_react import react
from mocotool.cli.cmd_render import render
from mocotool.cli.cmd_sample import sample
from mocotool.cli.cmd_train_encoder import train_encoder_command
from mocotool.cli.cmd_train_image import train_image_command
from mocotool.cli.cmd_train_motion import train_motion_command
from mocotool.cli.cmd_traverse import traverse
from mocotool.cli.group import MocoGroup
from mocotool.cli.spread import spread_options

app = typer.Typer(
    name="moco",
    cls=MocoGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mocotool {__version__}")
        raise typer.Exit


@app.callback()
def moco(
    version: Annotated[
        bool,
        typer.Option(
            "--version", "-V", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Make video from a pre-trained image generator (MoCoGAN-HD).

    Example: moco sample | moco interpolate -o clip.mp4
    """


# Commands in the order of the pipeline. Each module is light; torch loads inside the functions.
app.command("train-image")(spread_options(train_image_command))
app.command()(spread_options(pca))
app.command("train-motion")(spread_options(train_motion_command))
app.command("train-encoder")(spread_options(train_encoder_command))
app.command()(spread_options(invert))
app.command()(spread_options(sample))
app.command()(spread_options(path))
app.command()(spread_options(loop))
app.command()(spread_options(edit))
app.command()(spread_options(mix))
app.command()(spread_options(cut))
app.command()(spread_options(cat))
app.command()(spread_options(react))
app.command()(spread_options(interpolate))
app.command()(spread_options(render))
app.command()(spread_options(traverse))
app.add_typer(eval_app)
app.command()(spread_options(convert))
app.command()(spread_options(info))
app.command("plot-run")(spread_options(plot_run))
app.command()(spread_options(gallery))
app.add_typer(compare_app)
app.command()(spread_options(demo))
app.command()(spread_options(explore))
app.command("merge")(spread_options(merge_command))
app.command("fetch")(spread_options(fetch_command))
app.command()(spread_options(cache))

cmd_demo.program = app
