"""`moco eval is|acd`: metrics of generated videos alone."""

from pathlib import Path
from typing import Annotated

import typer

from mocotool.cli import eval_options as ev
from mocotool.cli import options as opt
from mocotool.cli.report import Report
from mocotool.cli.spread import Without
from mocotool.configs.evaluate import (
    ExtractionConfig,
    FaceProtocol,
    ScoreProtocol,
)

GroundTruthVideos = Annotated[
    Path | None,
    typer.Option(
        "--ground-truth",
        metavar="VIDEOS",
        help="Real videos to measure in the same way, for comparison.",
    ),
]


def inception_score(
    videos: ev.ManyVideos,
    *,
    detector: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="C3D weights of TGANv2.", show_default="the cache's"),
    ] = None,
    detector_mean: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Mean clip of C3D.", show_default="the cache's"),
    ] = None,
    protocol: ScoreProtocol,
    ground_truth: GroundTruthVideos = None,
    latents: ev.LatentsOrMotion,
    extraction: ExtractionConfig,
    computing: opt.MetricComputing,
    report: Report,
) -> None:
    """Compute the Inception score of videos, with C3D trained on UCF-101.

    Meant for UCF-101; on other videos it says little. It grows with the number
    of clips and falls with the number of splits, so both are printed.

    Example: moco eval is walk.npz --num-splits 10
    """
    paths = ev.check_sides(videos, ground_truth)

    from mocotool.metrics.inception_score import compute_is, load_score_detector
    from mocotool.metrics.sides import require_frames, require_videos

    with ev.join_extractor(report, device=computing.device, config=extraction) as extractor:
        loaded = load_score_detector(detector, mean=detector_mean, warn=report.warn)
        scored, *truths = ev.open_sides(
            paths,
            extractor,
            latents=latents,
            computing=computing,
            report=report,
        )
        results = [
            compute_is(side, protocol=protocol, detector=loaded, extractor=extractor)
            for side in (require_frames(scored), *map(require_videos, truths))
        ]
    result = results[0]
    if ground_truth is not None:
        result.details["ground_truth"] = {
            "value": results[1].value,
            "path": str(ground_truth),
            "num_clips": results[1].inputs["videos"]["num_clips"],
        }
    ev.print_result(report, result, is_first=extractor.processes.is_first)


def acd(
    videos: ev.ManyVideos,
    *,
    detector: Annotated[
        str, typer.Option(help="dlib, facenet, or a file of FaceNet weights.")
    ] = "dlib",
    protocol: FaceProtocol,
    ground_truth: GroundTruthVideos = None,
    latents: ev.LatentsOrMotion,
    extraction: Annotated[ExtractionConfig, Without(("batch_size",))],
    computing: opt.MetricComputing,
    report: Report,
) -> None:
    """Compute the average content distance: does a video keep its identity?

    The mean distance between the face embeddings of a video; lower is
    steadier. dlib and its networks come with the pip extra "faces" and need no
    download. Values of different networks are not comparable.

    Example: moco eval acd walk.npz --ground-truth faces/train
    """
    paths = ev.check_sides(videos, ground_truth)

    from mocotool.metrics.face_distance import compute_acd
    from mocotool.metrics.faces import load_face_embedder
    from mocotool.metrics.sides import require_frames, require_videos

    with ev.join_extractor(
        report, device=computing.device, config=extraction, what="videos"
    ) as extractor:
        embedder = load_face_embedder(
            detector, crop=protocol.crop, device=extractor.device, warn=report.warn
        )
        measured, *truths = ev.open_sides(
            paths,
            extractor,
            latents=latents,
            computing=computing,
            report=report,
        )
        result = compute_acd(
            require_frames(measured),
            protocol=protocol,
            embedder=embedder,
            ground_truth=require_videos(truths[0]) if truths else None,
            extractor=extractor,
        )
    ev.print_result(report, result, is_first=extractor.processes.is_first)
