"""`moco eval`: measure videos, with the protocol printed beside the number."""

import typer

from mocotool.cli.cmd_eval_all import all_metrics
from mocotool.cli.cmd_eval_distances import fid, fvd, kvd
from mocotool.cli.cmd_eval_diversity import diversity
from mocotool.cli.cmd_eval_motion import motion
from mocotool.cli.cmd_eval_pairs import lpips, psnr, ssim
from mocotool.cli.cmd_eval_prediction import prediction
from mocotool.cli.cmd_eval_samples import kid, precision_recall, two_sample
from mocotool.cli.cmd_eval_statistics import merge, stats
from mocotool.cli.cmd_eval_videos import acd, inception_score
from mocotool.cli.group import MocoGroup
from mocotool.cli.spread import spread_options

eval_app = typer.Typer(
    name="eval",
    cls=MocoGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@eval_app.callback()
def evaluate() -> None:
    """Evaluate videos; every number is printed with its full protocol.

    Example: moco eval fvd people/train walk.npz
    """


eval_app.command()(spread_options(fvd))
eval_app.command()(spread_options(kvd))
eval_app.command()(spread_options(fid))
eval_app.command()(spread_options(kid))
eval_app.command("two-sample")(spread_options(two_sample))
eval_app.command("precision-recall")(spread_options(precision_recall))
eval_app.command("is")(spread_options(inception_score))
eval_app.command()(spread_options(acd))
eval_app.command()(spread_options(psnr))
eval_app.command()(spread_options(ssim))
eval_app.command()(spread_options(lpips))
eval_app.command()(spread_options(diversity))
eval_app.command()(spread_options(motion))
eval_app.command()(spread_options(prediction))
eval_app.command()(spread_options(stats))
eval_app.command()(spread_options(merge))
eval_app.command("all")(spread_options(all_metrics))
