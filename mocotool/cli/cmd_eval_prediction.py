"""`moco eval prediction`: predict videos from their first frame and compare with the truth."""

from pathlib import Path
from typing import Annotated

import typer

from mocotool.cli import options as opt
from mocotool.cli.eval_options import check_side, print_result
from mocotool.cli.inputs import check_optional_file
from mocotool.cli.perceptual_options import PerceptualOptions, load_features
from mocotool.cli.report import Report
from mocotool.configs.prediction import PredictionConfig
from mocotool.files import check_output_folder


def prediction(
    motion: opt.MotionArgument = None,
    *,
    videos: Annotated[
        Path, typer.Option(metavar="DIR", help="Videos to predict from their first frames.")
    ],
    generator: opt.MotionsGenerator = None,
    pca: opt.PCAOption = None,
    frames: Annotated[
        Path | None,
        typer.Option(
            "--frames",
            metavar="FOLDER",
            help="Output folder for the predicted frames, one folder of PNGs per video.",
            rich_help_panel="Output",
        ),
    ] = None,
    force: opt.Force = False,
    config: PredictionConfig,
    features: PerceptualOptions,
    computing: opt.Computing,
    report: Report,
) -> None:
    """Measure how well videos are predicted from their first frames.

    The first frame is inverted, the motion model continues it to 16 latents, interpolation makes
    32 frames; PSNR and SSIM are computed over frames 2 to 32. For comparison: Up-B, the first frame
    against its own reconstruction, and a still video of the first frame. With
    --num-polish-steps 0 the first frame is inverted as in the paper, without Gauss-Newton steps.

    Example: moco eval prediction --videos people/test --num-videos 16
    """
    check_side(videos)
    check_optional_file(motion)
    check_optional_file(generator)
    if frames is not None:
        check_output_folder(frames, force=force)
    chosen, weights = features.choose()

    from mocotool.metrics.prediction import compute_prediction
    from mocotool.trajectory import load_motion_and_generator
    from mocotool.video.listing import list_videos

    device, precision = computing.resolve(report)
    listing = list_videos(videos, min_frames=config.num_frames, warn=report.warn)
    model, network = load_motion_and_generator(
        motion, generator, pca=pca, device=device, precision=precision, warn=report.warn
    )
    count = min(config.num_videos or len(listing.entries), len(listing.entries))
    with report.progress("steps", count * config.invert.num_steps_in_all) as advance:
        result = compute_prediction(
            model,
            network,
            listing,
            config=config,
            features=load_features(chosen, weights, device),
            frames_folder=frames,
            progress=advance,
        )
    print_result(report, result)
