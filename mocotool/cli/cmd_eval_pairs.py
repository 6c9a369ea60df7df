"""`moco eval psnr|ssim|lpips`: compare two videos frame by frame."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mocotool.cli import eval_options as ev
from mocotool.cli import options as opt
from mocotool.cli.report import Report
from mocotool.cli.spread import Without
from mocotool.configs.evaluate import PairProtocol
from mocotool.configs.render import RenderConfig

FirstVideo = Annotated[
    Path, typer.Argument(metavar="A", help="A video, a folder of videos, or latents (.npz).")
]
SecondVideo = Annotated[
    Path,
    typer.Argument(metavar="B", help="As many videos, in the same order and of the same sizes."),
]


def psnr(
    a: FirstVideo,
    b: SecondVideo,
    *,
    protocol: Annotated[PairProtocol, Without(("window_size", "window_sigma"))],
    latents: ev.Latents,
    computing: opt.MetricComputing,
    report: Report,
) -> None:
    """Compute the peak signal-to-noise ratio of two videos, in dB.

    Frame by frame on RGB bytes, then the mean over frames. Nothing is resized
    or aligned: sizes and lengths must match.

    Example: moco eval psnr pristine.mp4 distorted.mp4
    """
    _compare("psnr", (a, b), protocol=protocol, latents=latents, computing=computing, report=report)


def ssim(
    a: FirstVideo,
    b: SecondVideo,
    *,
    protocol: PairProtocol,
    latents: ev.Latents,
    computing: opt.MetricComputing,
    report: Report,
) -> None:
    """Compute the structural similarity of two videos (Wang et al. 2004).

    Frame by frame and channel by channel on RGB bytes, then the mean. Nothing
    is resized or aligned: sizes and lengths must match.

    Example: moco eval ssim pristine.mp4 distorted.mp4
    """
    _compare("ssim", (a, b), protocol=protocol, latents=latents, computing=computing, report=report)


def lpips(
    a: FirstVideo,
    b: SecondVideo,
    *,
    latents: ev.Latents,
    computing: opt.MetricComputing,
    report: Report,
) -> None:
    """Compute the perceptual distance of two videos: LPIPS with SqueezeNet.

    Frame by frame, then the mean. The network is bundled and has the Caffe
    weights, so values are not comparable with the published LPIPS.

    Example: moco eval lpips pristine.mp4 distorted.mp4
    """
    _compare("lpips", (a, b), latents=latents, computing=computing, report=report)


def _compare(
    metric: Literal["psnr", "ssim", "lpips"],
    paths: tuple[Path, Path],
    *,
    protocol: PairProtocol | None = None,
    latents: ev.Latents,
    computing: opt.MetricComputing,
    report: Report,
) -> None:
    ev.check_sides(*paths)

    from mocotool.metrics.pairs import compute_lpips, compute_psnr, compute_ssim
    from mocotool.metrics.sides import open_side, require_videos

    device, precision = computing.resolve(report)
    first, second = (
        require_videos(
            open_side(
                path,
                generator=latents.generator,
                render=RenderConfig(noise=latents.noise),
                device=device,
                precision=precision,
                warn=report.warn,
            )
        )
        for path in paths
    )
    with report.progress("frames", int(first.num_frames.sum())) as advance:
        if metric == "lpips":
            result = compute_lpips(first, second, device=device, progress=advance)
        else:
            compute = compute_psnr if metric == "psnr" else compute_ssim
            result = compute(first, second, protocol=protocol, progress=advance)
    ev.print_result(report, result)
