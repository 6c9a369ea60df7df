"""`moco eval prediction`: go on from the first frame, and compare with what really follows."""

from pathlib import Path
from typing import Annotated

import typer

from mocotool.cli import options as opt
from mocotool.cli.cmd_invert import choose_perceptual, load_features
from mocotool.cli.eval_options import check_side, print_result
from mocotool.cli.inputs import check_optional_file, find_generator
from mocotool.cli.report import Report
from mocotool.configs.interpolate import InterpolationMode
from mocotool.configs.invert import DEFAULT_PERCEPTUAL, InvertConfig, PerceptualChoice, SearchSpace
from mocotool.configs.prediction import PredictionConfig
from mocotool.configs.render import NoiseChoice

DEFAULTS = PredictionConfig()


def prediction(
    motion: Annotated[
        Path | None,
        typer.Argument(metavar="[MOTION]", help="Motion model; the bundled one if left out."),
    ] = None,
    *,
    videos: Annotated[
        Path, typer.Option(metavar="DIR", help="Videos whose beginnings are to be predicted.")
    ],
    generator: Annotated[
        Path | None,
        typer.Option(
            "--generator",
            metavar="FILE",
            help="Generator weights; those the motion model was trained with if left out.",
        ),
    ] = None,
    pca: opt.PCAOption = None,
    num_latents: Annotated[
        int, typer.Option(help="Latents the motion model makes of a first frame.")
    ] = DEFAULTS.num_latents,
    factor: Annotated[
        int, typer.Option(help="How many times as many frames interpolation makes.")
    ] = DEFAULTS.factor,
    mode: Annotated[InterpolationMode, typer.Option(help="How.")] = DEFAULTS.mode,
    num_videos: Annotated[
        int | None, typer.Option(min=1, help="Videos at most, spread evenly; all if left out.")
    ] = DEFAULTS.num_videos,
    space: Annotated[
        SearchSpace | None,
        typer.Option(help="Space to invert in.", show_default="the generator's own"),
    ] = DEFAULTS.invert.space,
    num_steps: Annotated[
        int, typer.Option(help="Steps of the inversion at most.")
    ] = DEFAULTS.invert.num_steps,
    perceptual: Annotated[
        PerceptualChoice | None,
        typer.Option(
            help="squeezenet, vgg16, or none: pixels and gradients at several sizes.",
            show_default=f"{DEFAULT_PERCEPTUAL}, or vgg16 with --perceptual-weights",
        ),
    ] = None,
    perceptual_weights: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="torchvision's VGG16; `moco fetch vgg16` if left out."),
    ] = None,
    noise: Annotated[
        NoiseChoice, typer.Option(help="Per-pixel noise: the file's own, or none.")
    ] = DEFAULTS.invert.noise,
    seed: opt.Seed = DEFAULTS.seed,
    json: opt.Json = False,
    quiet: opt.Quiet = False,
    device: opt.Device = "auto",
    precision: opt.Precision = "auto",
) -> None:
    """Measure how well videos are predicted from their first frames.

    The first frame is inverted, the motion model makes 16 latents of it, interpolation 32 frames;
    PSNR and SSIM are those of frames 2 to 32. Beside them: Up-B, the first frame against its own
    reconstruction, and the first frame standing still.

    Example: moco eval prediction --videos people/test --num-videos 16
    """
    report = Report(json=json, quiet=quiet)
    config = PredictionConfig(
        num_latents=num_latents,
        factor=factor,
        mode=mode,
        num_videos=num_videos,
        invert=InvertConfig(space=space, num_steps=num_steps, noise=noise, seed=seed),
        seed=seed,
    )
    check_side(videos)
    check_optional_file(motion)
    check_optional_file(generator)
    chosen, weights = choose_perceptual(perceptual, perceptual_weights)

    from mocotool.devices import resolve_device, resolve_precision
    from mocotool.metrics.prediction import compute_prediction
    from mocotool.motion.checkpoint import load_motion
    from mocotool.trajectory import check_motion_fits
    from mocotool.video.listing import list_videos

    where = resolve_device(device)
    listing = list_videos(videos, min_frames=config.num_frames, warn=report.warn)
    walker = load_motion(motion, pca=pca, device=where)
    assert walker.origin is not None
    painter = find_generator(
        generator,
        walker.generator_record,
        name=walker.origin.path,
        device=where,
        precision=resolve_precision(precision, where),
    )
    report.warn_if(check_motion_fits(walker, painter))
    count = min(num_videos or len(listing.entries), len(listing.entries))
    with report.progress("steps", count * config.invert.num_steps_in_all) as advance:
        result = compute_prediction(
            walker,
            painter,
            listing,
            config=config,
            features=load_features(chosen, weights, where),
            progress=advance,
        )
    print_result(report, result)
