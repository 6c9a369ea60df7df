"""`moco eval`: measure videos, with the protocol printed beside the number."""

import typer

from mocotool.cli.cmd_eval_distances import fvd, kvd
from mocotool.cli.cmd_eval_pairs import psnr, ssim
from mocotool.cli.cmd_eval_prediction import prediction

eval_app = typer.Typer(
    name="eval",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@eval_app.callback()
def evaluate() -> None:
    """Measure videos, with everything that a number depends on beside it.

    Example: moco eval fvd people/train walk.npz
    """


eval_app.command()(fvd)
eval_app.command()(kvd)
eval_app.command()(psnr)
eval_app.command()(ssim)
eval_app.command()(prediction)
