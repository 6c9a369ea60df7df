"""Average content distance: does a video keep to one person?"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from mocotool.configs.evaluate import FaceProtocol
from mocotool.errors import FileFormatError
from mocotool.metrics.faces import Embeddings, FaceEmbedder
from mocotool.metrics.repeats import repeat_draws
from mocotool.metrics.results import MetricResult
from mocotool.metrics.sides import name_source
from mocotool.metrics.sources import VideoSource


def compute_acd(
    videos: VideoSource,
    *,
    protocol: FaceProtocol | None = None,
    embedder: FaceEmbedder,
    ground_truth: VideoSource | None = None,
    progress: Callable[[int], None] | None = None,
) -> MetricResult:
    """Compute the mean distance of face vectors within each video, then over videos.

    Args:
        videos: What is measured.
        protocol: Which videos and frames; `None` is 256 videos of 16 frames.
        embedder: What tells people apart; see `load_face_embedder`.
        ground_truth: Real videos, measured the same way; `None` is none.
        progress: Called with the number of videos done since the last call.

    Returns:
        The mean, smaller for steadier people, with its deviation over videos, or over repeats if
        there are several: each draws other videos. The details say how far different videos lie
        apart by the same measure, how many videos and frames had no face, and the ground truth.

    Raises:
        FileFormatError: No video has two frames with a face, or one cannot be decoded.

    Source:
        Paper: Tulyakov et al., "MoCoGAN", 2018, Sec. 4 (with OpenFace; MoCoGAN-HD takes FaceNet).
        Numbers of different networks do not compare.
    """
    return repeat_draws(
        FaceProtocol() if protocol is None else protocol,
        lambda drawn: _measure_acd(videos, drawn, embedder, ground_truth, progress),
    )


def _measure_acd(
    videos: VideoSource,
    protocol: FaceProtocol,
    embedder: FaceEmbedder,
    ground_truth: VideoSource | None,
    progress: Callable[[int], None] | None,
) -> MetricResult:
    measured = _measure(videos, protocol, embedder, progress)
    details: dict[str, Any] = measured.details
    if ground_truth is not None:
        real = _measure(ground_truth, protocol, embedder, progress)
        details["ground_truth"] = {
            "value": float(np.mean(real.per_video)),
            "path": name_source(ground_truth.name),
            **real.details,
        }
    few = len(measured.per_video) < (protocol.num_videos or 1)
    return MetricResult(
        metric=f"ACD ({embedder.record.label})",
        value=float(np.mean(measured.per_video)),
        std=float(np.std(measured.per_video)) if len(measured.per_video) > 1 else None,
        protocol=dataclasses.asdict(protocol) | {"crop": embedder.crop, "distance": "euclidean"},
        detector=dataclasses.asdict(embedder.record) | {"feature_dim": measured.feature_dim},
        inputs={"videos": {"path": name_source(videos.name)} | videos.describe()},
        details=details,
        numerics="float32 vectors, float64 distances",
        warnings=(f"{len(measured.per_video)} videos, fewer than the {protocol.num_videos} asked",)
        if few
        else (),
    )


def mean_pairwise_distance(vectors: Embeddings) -> float:
    """Return the mean distance of all pairs of [k, d], k at least 2, in float64."""
    values = vectors.astype(np.float64)
    k = len(values)
    differences = values[:, None] - values[None]  # [k, k, d]
    total = np.sqrt((differences**2).sum(axis=2)).sum()
    return float(total / (k * (k - 1)))


@dataclasses.dataclass(frozen=True, slots=True)
class _Measured:
    per_video: list[float]
    details: dict[str, Any]
    feature_dim: int


def _measure(
    videos: VideoSource,
    protocol: FaceProtocol,
    embedder: FaceEmbedder,
    progress: Callable[[int], None] | None,
) -> _Measured:
    per_video: list[float] = []
    centres: list[Embeddings] = []
    num_frames = num_faces = num_faceless = 0
    for video_idx in _choose(len(videos.num_frames), protocol):
        available = range(0, int(videos.num_frames[video_idx]), protocol.frame_stride)
        frame_idx = available[: protocol.num_frames]
        faces = embedder.embed(videos.read_clip(video_idx, frame_idx))
        num_frames += len(frame_idx)
        num_faces += len(faces.vectors)
        if len(faces.vectors) >= 2:  # a distance is between two
            per_video.append(mean_pairwise_distance(faces.vectors))
            centres.append(faces.vectors.mean(axis=0))
        else:
            num_faceless += 1
        if progress is not None:
            progress(1)

    if not per_video:
        raise FileFormatError(
            f"{videos.name}: no video shows a face in two frames "
            f"({num_faces} faces in {num_frames} frames)",
            hint="--crop whole takes the frame as the face",
        )
    details: dict[str, Any] = {
        "num_videos_measured": len(per_video),
        "num_videos_without_faces": num_faceless,
        "num_frames_measured": num_frames,
        "num_frames_without_face": num_frames - num_faces,
    }
    if len(centres) > 1:
        details["distance_between_videos"] = mean_pairwise_distance(np.stack(centres))
    return _Measured(per_video, details, centres[0].shape[0])


def _choose(num_videos: int, protocol: FaceProtocol) -> list[int]:
    if protocol.num_videos is None or protocol.num_videos >= num_videos:
        return list(range(num_videos))
    drawn = np.random.default_rng(protocol.seed).permutation(num_videos)[: protocol.num_videos]
    chosen: list[int] = np.sort(drawn).tolist()
    return chosen
