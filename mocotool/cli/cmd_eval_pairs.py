"""`moco eval psnr|ssim|lpips`: two videos, frame against frame."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mocotool.cli import eval_options as ev
from mocotool.cli import options as opt
from mocotool.cli.report import Report
from mocotool.configs.evaluate import PairProtocol
from mocotool.configs.render import RenderConfig

DEFAULTS = PairProtocol()

FirstVideo = Annotated[
    Path, typer.Argument(metavar="A", help="A video, a folder of videos, or latents (.npz).")
]
SecondVideo = Annotated[
    Path, typer.Argument(metavar="B", help="As many, in the same order, of the same sizes.")
]


def psnr(
    a: FirstVideo,
    b: SecondVideo,
    *,
    data_range: Annotated[
        float, typer.Option(help="Largest minus smallest possible value.")
    ] = DEFAULTS.data_range,
    generator: ev.Generator = None,
    noise: opt.Noise = "const",
    device: opt.Device = "auto",
    precision: ev.RenderPrecision = "fp32",
    json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Measure the peak signal-to-noise ratio of two videos, in dB.

    Frame against frame on RGB bytes, then the mean over frames. Nothing is
    resized or aligned: sizes and lengths must be the same.

    Example: moco eval psnr pristine.mp4 distorted.mp4
    """
    _compare(
        "psnr",
        (a, b),
        protocol=PairProtocol(data_range=data_range),
        generator=generator,
        noise=noise,
        device=device,
        precision=precision,
        report=Report(json=json, quiet=quiet),
    )


def ssim(
    a: FirstVideo,
    b: SecondVideo,
    *,
    data_range: Annotated[
        float, typer.Option(help="Largest minus smallest possible value.")
    ] = DEFAULTS.data_range,
    window_size: Annotated[
        int, typer.Option(help="Width of the Gaussian window in pixels.")
    ] = DEFAULTS.window_size,
    window_sigma: Annotated[
        float, typer.Option(help="Its standard deviation in pixels.")
    ] = DEFAULTS.window_sigma,
    generator: ev.Generator = None,
    noise: opt.Noise = "const",
    device: opt.Device = "auto",
    precision: ev.RenderPrecision = "fp32",
    json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Measure the structural similarity of two videos, as Wang et al. 2004.

    Frame against frame and channel by channel on RGB bytes, then the mean.
    Nothing is resized or aligned: sizes and lengths must be the same.

    Example: moco eval ssim pristine.mp4 distorted.mp4
    """
    _compare(
        "ssim",
        (a, b),
        protocol=PairProtocol(
            data_range=data_range, window_size=window_size, window_sigma=window_sigma
        ),
        generator=generator,
        noise=noise,
        device=device,
        precision=precision,
        report=Report(json=json, quiet=quiet),
    )


def lpips(
    a: FirstVideo,
    b: SecondVideo,
    *,
    generator: ev.Generator = None,
    noise: opt.Noise = "const",
    device: opt.Device = "auto",
    precision: ev.RenderPrecision = "fp32",
    json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Measure how different two videos look: LPIPS with a SqueezeNet.

    Frame against frame, then the mean. Its network comes along and has the
    Caffe weights, so numbers do not compare with the published LPIPS.

    Example: moco eval lpips pristine.mp4 distorted.mp4
    """
    _compare(
        "lpips",
        (a, b),
        generator=generator,
        noise=noise,
        device=device,
        precision=precision,
        report=Report(json=json, quiet=quiet),
    )


def _compare(
    metric: Literal["psnr", "ssim", "lpips"],
    paths: tuple[Path, Path],
    *,
    protocol: PairProtocol | None = None,
    generator: Path | None,
    noise: opt.Noise,
    device: str,
    precision: str,
    report: Report,
) -> None:
    for path in paths:
        ev.check_side(path)

    from mocotool.devices import resolve_device, resolve_precision
    from mocotool.metrics.pairs import compute_lpips, compute_psnr, compute_ssim
    from mocotool.metrics.sides import open_side, require_videos

    where = resolve_device(device)
    first, second = (
        require_videos(
            open_side(
                path,
                generator=generator,
                render=RenderConfig(noise=noise),
                device=where,
                precision=resolve_precision(precision, where),
                warn=report.warn,
            )
        )
        for path in paths
    )
    with report.progress("frames", int(first.num_frames.sum())) as advance:
        if metric == "lpips":
            result = compute_lpips(first, second, device=where, progress=advance)
        else:
            compute = compute_psnr if metric == "psnr" else compute_ssim
            result = compute(first, second, protocol=protocol, progress=advance)
    ev.print_result(report, result)
