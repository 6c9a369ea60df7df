"""`moco eval is|acd`: what videos are like on their own."""

from pathlib import Path
from typing import Annotated

import typer

from mocotool.cli import eval_options as ev
from mocotool.cli import options as opt
from mocotool.cli.report import Report
from mocotool.configs.evaluate import (
    ClipChoice,
    CropChoice,
    ExtractionConfig,
    FaceProtocol,
    ScoreProtocol,
)

SCORE = ScoreProtocol()
FACES = FaceProtocol()

GroundTruthVideos = Annotated[
    Path | None,
    typer.Option(
        "--ground-truth", metavar="VIDEOS", help="Real videos to measure beside, the same way."
    ),
]


def inception_score(
    videos: ev.Videos,
    *,
    detector: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="C3D weights of TGANv2.", show_default="the cache's"),
    ] = None,
    detector_mean: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Its mean clip.", show_default="the cache's"),
    ] = None,
    num_clips: Annotated[
        int | None, typer.Option(help="Clips at most, drawn at random.")
    ] = SCORE.num_clips,
    clips: Annotated[ClipChoice, typer.Option(help="Which clips of a video.")] = SCORE.clips,
    frame_stride: Annotated[
        int, typer.Option(help="Every which frame is taken.")
    ] = SCORE.frame_stride,
    num_splits: Annotated[
        int, typer.Option(help="Parts scored on their own; 1 for TGANv2, 10 for StyleGAN-V.")
    ] = SCORE.num_splits,
    seed: opt.Seed = SCORE.seed,
    ground_truth: GroundTruthVideos = None,
    generator: ev.Generator = None,
    noise: opt.Noise = "const",
    batch_size: ev.BatchSize = None,
    cache: ev.Cache = True,
    device: opt.Device = "auto",
    precision: ev.RenderPrecision = "fp32",
    json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Measure the Inception score of videos, under C3D trained on UCF-101.

    Made for UCF-101; on other videos it says little. It grows with the number
    of clips and shrinks with the number of splits, so both are printed.

    Example: moco eval is walk.npz --num-splits 10
    """
    report = Report(json=json, quiet=quiet)
    settings = ScoreProtocol(
        num_clips=num_clips,
        clips=clips,
        frame_stride=frame_stride,
        num_splits=num_splits,
        seed=seed,
    )
    paths = (videos,) if ground_truth is None else (videos, ground_truth)
    for path in paths:
        ev.check_side(path)

    from mocotool.metrics.inception_score import compute_is, load_score_detector
    from mocotool.metrics.sides import require_videos

    config = ExtractionConfig(batch_size=batch_size, use_cache=cache)
    with ev.start_measuring(report, device=device, config=config) as measuring:
        loaded = load_score_detector(detector, mean=detector_mean, warn=report.warn)
        sides = ev.open_sides(
            paths,
            measuring,
            generator=generator,
            noise=noise,
            precision=precision,
            report=report,
        )
        results = [
            compute_is(
                require_videos(side), protocol=settings, detector=loaded, measuring=measuring
            )
            for side in sides
        ]
    result = results[0]
    if ground_truth is not None:
        result.details["ground_truth"] = {
            "value": results[1].value,
            "path": str(ground_truth),
            "num_clips": results[1].inputs["videos"]["num_clips"],
        }
    ev.print_result(report, result, is_first=measuring.processes.is_first)


def acd(
    videos: ev.Videos,
    *,
    detector: Annotated[
        str, typer.Option(help="dlib, facenet, or a file of FaceNet weights.")
    ] = "dlib",
    crop: Annotated[
        CropChoice, typer.Option(help="Look for faces (with dlib), or take frames whole.")
    ] = FACES.crop,
    num_videos: Annotated[
        int | None, typer.Option(help="Videos at most, drawn at random.")
    ] = FACES.num_videos,
    num_frames: Annotated[
        int | None, typer.Option(help="Frames of a video, from its first.")
    ] = FACES.num_frames,
    frame_stride: Annotated[
        int, typer.Option(help="Every which frame is taken.")
    ] = FACES.frame_stride,
    seed: opt.Seed = FACES.seed,
    ground_truth: GroundTruthVideos = None,
    generator: ev.Generator = None,
    noise: opt.Noise = "const",
    device: opt.Device = "auto",
    precision: ev.RenderPrecision = "fp32",
    json: opt.Json = False,
    quiet: opt.Quiet = False,
) -> None:
    """Measure the average content distance: does a video keep to one person?

    The mean distance between the faces of a video, smaller is steadier. dlib
    and its networks come with mocotool's pip extra faces and need no
    download; numbers of different networks do not compare.

    Example: moco eval acd walk.npz --ground-truth faces/train
    """
    report = Report(json=json, quiet=quiet)
    settings = FaceProtocol(
        num_videos=num_videos,
        num_frames=num_frames,
        frame_stride=frame_stride,
        crop=crop,
        seed=seed,
    )
    paths = (videos,) if ground_truth is None else (videos, ground_truth)
    for path in paths:
        ev.check_side(path)

    from mocotool.metrics.face_distance import compute_acd
    from mocotool.metrics.faces import load_face_embedder
    from mocotool.metrics.sides import require_videos

    config = ExtractionConfig()
    with ev.start_measuring(report, device=device, config=config, what="videos") as measuring:
        embedder = load_face_embedder(
            detector, crop=crop, device=measuring.device, warn=report.warn
        )
        sides = [
            require_videos(side)
            for side in ev.open_sides(
                paths,
                measuring,
                generator=generator,
                noise=noise,
                precision=precision,
                report=report,
            )
        ]
        result = compute_acd(
            sides[0],
            protocol=settings,
            embedder=embedder,
            ground_truth=sides[1] if ground_truth is not None else None,
            progress=measuring.progress,
        )
    ev.print_result(report, result, is_first=measuring.processes.is_first)
