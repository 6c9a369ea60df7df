"""`moco eval kid|two-sample`: are single frames of generated videos told from real ones?"""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mocotool.cli import eval_options as ev
from mocotool.cli import options as opt
from mocotool.cli.report import Report
from mocotool.configs.evaluate import ExtractionConfig, FrameChoice, SampleProtocol

DEFAULTS = SampleProtocol()

Detector = Annotated[
    str,
    typer.Option(
        help="squeezenet, inception (KID proper), pixels, a file of Inception weights, or "
        "torchscript:FILE."
    ),
]
Frames = Annotated[
    FrameChoice, typer.Option(help="One frame of a video at random, or all, which depend.")
]
NumReal = Annotated[
    int | None, typer.Option(help="Real frames at most, drawn at random.", show_default="all")
]
NumFake = Annotated[int | None, typer.Option(help="Generated frames at most, drawn at random.")]
FrameSize = Annotated[
    int | None,
    typer.Option(help="Cut frames to squares of this size first.", show_default="as they are"),
]


def kid(
    real: ev.Real,
    fake: ev.Fake,
    *,
    detector: Detector = "squeezenet",
    frames: Frames = DEFAULTS.frames,
    num_real: NumReal = DEFAULTS.num_real,
    num_fake: NumFake = DEFAULTS.num_fake,
    frame_size: FrameSize = DEFAULTS.frame_size,
    seed: opt.Seed = DEFAULTS.seed,
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
    """Measure the kernel distance of single frames: cubic MMD, unbiased.

    It needs fewer frames than a Frechet distance, and a standard error says
    how far chance may have moved it. Real against real is 0 on average.

    Example: moco eval kid people/train walk.npz
    """
    _compare(
        "kid",
        (real, fake),
        detector=detector,
        protocol=SampleProtocol(
            frames=frames, num_real=num_real, num_fake=num_fake, frame_size=frame_size, seed=seed
        ),
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


def two_sample(
    real: ev.Real,
    fake: ev.Fake,
    *,
    detector: Detector = "squeezenet",
    frames: Frames = DEFAULTS.frames,
    num_real: NumReal = DEFAULTS.num_real,
    num_fake: NumFake = DEFAULTS.num_fake,
    frame_size: FrameSize = DEFAULTS.frame_size,
    seed: opt.Seed = DEFAULTS.seed,
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
    """Measure how often a frame's nearest neighbour tells its side.

    From as many frames of either side: 0.5 where they are alike, 1 where they
    are apart; and the same among real and generated frames alone.

    Example: moco eval two-sample people/train walk.npz
    """
    _compare(
        "two-sample",
        (real, fake),
        detector=detector,
        protocol=SampleProtocol(
            frames=frames, num_real=num_real, num_fake=num_fake, frame_size=frame_size, seed=seed
        ),
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


def _compare(
    metric: Literal["kid", "two-sample"],
    paths: tuple[Path, Path],
    *,
    detector: str,
    protocol: SampleProtocol,
    ground_truth: bool,
    generator: Path | None,
    noise: opt.Noise,
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

    from mocotool.metrics.frame_detectors import load_frame_detector
    from mocotool.metrics.frame_distances import compute_kid, compute_two_sample
    from mocotool.metrics.sides import save_statistics

    with ev.start_measuring(report, device=device, config=config, what="frames") as measuring:
        sides = ev.open_sides(
            paths,
            measuring,
            generator=generator,
            noise=noise,
            precision=precision,
            report=report,
        )
        compute = compute_kid if metric == "kid" else compute_two_sample
        result = compute(
            *sides,
            protocol=protocol,
            detector=load_frame_detector(detector, warn=report.warn),
            measuring=measuring,
            ground_truth=ground_truth,
        )
        if measuring.processes.is_first:
            save_statistics(result, targets, features={"frame_size": protocol.frame_size})
    ev.print_result(report, result, is_first=measuring.processes.is_first)
