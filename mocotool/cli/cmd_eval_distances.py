"""`moco eval fvd|kvd|fid`: how far generated videos are from real ones."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mocotool.cli import eval_options as ev
from mocotool.cli import options as opt
from mocotool.cli.report import Report
from mocotool.configs.evaluate import (
    CovarianceChoice,
    ExtractionConfig,
    FrameChoice,
    FrameProtocol,
    VideoProtocol,
)
from mocotool.configs.render import NoiseChoice
from mocotool.errors import ConfigError

FRAMES = FrameProtocol()

VideoDetector = Annotated[
    str,
    typer.Option(
        help="i3d (FVD proper), i3d-torchscript, motion, a file of I3D weights, "
        "or torchscript:FILE."
    ),
]
FrameDetector = Annotated[
    str,
    typer.Option(
        help="inception (FID proper), squeezenet, pixels, a file of Inception weights, or "
        "torchscript:FILE."
    ),
]


def fvd(
    real: ev.Real,
    fake: ev.Fake,
    *,
    detector: VideoDetector = "i3d",
    protocol: ev.Protocol = "stylegan-v",
    num_frames: ev.NumFrames = None,
    frame_stride: ev.FrameStride = None,
    real_clips: ev.RealClips = None,
    fake_clips: ev.FakeClips = None,
    num_real: ev.NumReal = None,
    num_fake: ev.NumFake = None,
    frame_size: ev.FrameSize = None,
    resize: ev.Resize = None,
    interpolation: ev.Interpolation = None,
    covariance: ev.Covariance = None,
    num_repeats: ev.NumRepeats = None,
    seed: ev.ProtocolSeed = None,
    ground_truth: ev.GroundTruth = False,
    generator: ev.Generator = None,
    noise: opt.Noise = "const",
    save_stats: ev.SaveStats = None,
    force: opt.Force = False,
    batch_size: ev.BatchSize = None,
    cache: ev.Cache = True,
    device: opt.Device = "auto",
    precision: ev.RenderPrecision = "fp32",
    json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Measure the Frechet video distance, with its whole protocol.

    Numbers compare only where protocol, detector and counts are the same, so
    all of them are printed. Latents are rendered on the fly, without a lossy
    file between.

    Example: moco eval fvd people/train walk.npz --protocol stylegan-v
    """
    settings = VideoProtocol.from_preset(
        protocol,
        num_frames=num_frames,
        frame_stride=frame_stride,
        real_clips=real_clips,
        fake_clips=fake_clips,
        num_real=num_real,
        num_fake=num_fake,
        frame_size=frame_size,
        resize=resize,
        interpolation=interpolation,
        covariance=covariance,
        num_repeats=num_repeats,
        seed=seed,
    )
    _compare_clips(
        "fvd",
        (real, fake),
        protocol=settings,
        detector=detector,
        ground_truth=ground_truth,
        generator=generator,
        noise=noise,
        save_stats=save_stats,
        force=force,
        config=ExtractionConfig(batch_size=batch_size, use_cache=cache),
        device=device,
        precision=precision,
        report=Report(json=json, quiet=quiet),
    )


def kvd(
    real: ev.Real,
    fake: ev.Fake,
    *,
    detector: VideoDetector = "i3d",
    protocol: ev.Protocol = "stylegan-v",
    num_frames: ev.NumFrames = None,
    frame_stride: ev.FrameStride = None,
    real_clips: ev.RealClips = None,
    fake_clips: ev.FakeClips = None,
    num_real: ev.NumReal = None,
    num_fake: ev.NumFake = None,
    frame_size: ev.FrameSize = None,
    resize: ev.Resize = None,
    interpolation: ev.Interpolation = None,
    num_repeats: ev.NumRepeats = None,
    seed: ev.ProtocolSeed = None,
    ground_truth: ev.GroundTruth = False,
    generator: ev.Generator = None,
    noise: opt.Noise = "const",
    save_stats: ev.SaveStats = None,
    force: opt.Force = False,
    batch_size: ev.BatchSize = None,
    cache: ev.Cache = True,
    device: opt.Device = "auto",
    precision: ev.RenderPrecision = "fp32",
    json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Measure the kernel video distance: polynomial MMD, unbiased.

    It assumes no Gaussian and is unbiased for few clips; a standard error
    says how far chance may have moved it.

    Example: moco eval kvd people/train walk.npz --num-frames 16
    """
    settings = VideoProtocol.from_preset(
        protocol,
        num_frames=num_frames,
        frame_stride=frame_stride,
        real_clips=real_clips,
        fake_clips=fake_clips,
        num_real=num_real,
        num_fake=num_fake,
        frame_size=frame_size,
        resize=resize,
        interpolation=interpolation,
        num_repeats=num_repeats,
        seed=seed,
    )
    _compare_clips(
        "kvd",
        (real, fake),
        protocol=settings,
        detector=detector,
        ground_truth=ground_truth,
        generator=generator,
        noise=noise,
        save_stats=save_stats,
        force=force,
        config=ExtractionConfig(batch_size=batch_size, use_cache=cache),
        device=device,
        precision=precision,
        report=Report(json=json, quiet=quiet),
    )


def fid(
    real: ev.Real,
    fake: ev.Fake,
    *,
    detector: FrameDetector = "inception",
    frames: Annotated[
        FrameChoice, typer.Option(help="All frames of a video, or one at random.")
    ] = FRAMES.frames,
    num_real: Annotated[
        int | None,
        typer.Option(help="Real frames at most, drawn at random.", show_default="all"),
    ] = FRAMES.num_real,
    num_fake: Annotated[
        int | None, typer.Option(help="Generated frames at most, drawn at random.")
    ] = FRAMES.num_fake,
    frame_size: Annotated[
        int | None,
        typer.Option(help="Cut frames to squares of this size first.", show_default="as they are"),
    ] = FRAMES.frame_size,
    covariance: Annotated[
        CovarianceChoice, typer.Option(help="Divide covariances by n (biased) or n - 1.")
    ] = FRAMES.covariance,
    seed: opt.Seed = FRAMES.seed,
    ground_truth: ev.GroundTruth = False,
    generator: ev.Generator = None,
    noise: opt.Noise = "const",
    save_stats: ev.SaveStats = None,
    force: opt.Force = False,
    batch_size: ev.BatchSize = None,
    cache: ev.Cache = True,
    device: opt.Device = "auto",
    precision: ev.RenderPrecision = "fp32",
    json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Measure the Frechet Inception distance of single frames.

    With --detector squeezenet it needs no download: a distance of ImageNet
    features that come along, and named so. With pixels it needs no network.

    Example: moco eval fid people/train walk.npz --detector squeezenet
    """
    report = Report(json=json, quiet=quiet)
    settings = FrameProtocol(
        frames=frames,
        num_real=num_real,
        num_fake=num_fake,
        frame_size=frame_size,
        covariance=covariance,
        seed=seed,
    )
    for path in (real, fake):
        ev.check_side(path)
    targets = ev.choose_statistics(save_stats, force=force)

    from mocotool.metrics.frame_detectors import load_frame_detector
    from mocotool.metrics.frame_distances import compute_fid
    from mocotool.metrics.sides import save_statistics

    config = ExtractionConfig(batch_size=batch_size, use_cache=cache)
    with ev.start_measuring(report, device=device, config=config, what="frames") as measuring:
        sides = ev.open_sides(
            (real, fake),
            measuring,
            generator=generator,
            noise=noise,
            precision=precision,
            report=report,
        )
        result = compute_fid(
            *sides,
            protocol=settings,
            detector=load_frame_detector(detector, warn=report.warn),
            measuring=measuring,
            ground_truth=ground_truth,
        )
        if measuring.processes.is_first:
            save_statistics(result, targets, features={"frame_size": frame_size})
    ev.print_result(report, result, is_first=measuring.processes.is_first)


def _compare_clips(
    metric: Literal["fvd", "kvd"],
    paths: tuple[Path, Path],
    *,
    protocol: VideoProtocol,
    detector: str,
    ground_truth: bool,
    generator: Path | None,
    noise: NoiseChoice,
    save_stats: Path | None,
    force: bool,
    config: ExtractionConfig,
    device: str,
    precision: str,
    report: Report,
) -> None:
    for path in paths:
        ev.check_side(path)
    targets = ev.choose_statistics(save_stats, force=force)
    if targets and protocol.num_repeats > 1:
        raise ConfigError("--save-stats keeps one draw", hint="add --num-repeats 1")

    from mocotool.metrics.detectors import load_video_detector
    from mocotool.metrics.distances import compute_fvd, compute_kvd, feature_settings
    from mocotool.metrics.sides import save_statistics

    with ev.start_measuring(report, device=device, config=config) as measuring:
        real, fake = ev.open_sides(
            paths,
            measuring,
            generator=generator,
            noise=noise,
            precision=precision,
            report=report,
        )
        loaded = load_video_detector(detector, protocol=protocol, warn=report.warn)
        compute = compute_fvd if metric == "fvd" else compute_kvd
        result = compute(
            real,
            fake,
            protocol=protocol,
            detector=loaded,
            measuring=measuring,
            ground_truth=ground_truth,
        )
        if measuring.processes.is_first:
            save_statistics(result, targets, features=feature_settings(protocol))
    ev.print_result(report, result, is_first=measuring.processes.is_first)
