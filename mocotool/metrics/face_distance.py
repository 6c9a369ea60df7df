"""Average content distance (ACD): whether a video keeps its identity."""

import dataclasses
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mocotool.configs.evaluate import FaceProtocol
from mocotool.errors import ConfigError, FileFormatError
from mocotool.metrics.extraction import FeatureExtractor, FeatureRequest
from mocotool.metrics.faces import Embeddings, FaceEmbedder
from mocotool.metrics.measuring import require_features
from mocotool.metrics.repeats import repeat_draws
from mocotool.metrics.results import MetricResult
from mocotool.metrics.sampled_videos import SampledMotion
from mocotool.metrics.sampling import FirstFramesPlan
from mocotool.metrics.sides import name_source
from mocotool.metrics.sources import VideoSource


class FaceSpread:
    """The mean pairwise distance of a clip's faces, as a detector of clips, for the ACD.

    Args:
        embedder: Computes face embeddings [k, d] of frames.
    """

    min_frames = 1
    batch_size = 1

    def __init__(self, embedder: FaceEmbedder) -> None:
        self.record = embedder.record
        self.embedder = embedder

    def prepare(self, frames_u8: Tensor) -> Tensor:
        """Return t, the number of faces, their mean distance and mean embedding, for a clip.

        The clip is uint8 [t, h, w, 3].

        Returns:
            float32 [1, 3 + d]; distance and mean are 0 for fewer than two faces.
        """
        vectors = self.embedder.embed(frames_u8.cpu().numpy()).vectors  # [k, d]
        is_pair = len(vectors) >= 2  # a distance is between two
        distance = mean_pairwise_distance(vectors) if is_pair else 0.0
        centre = vectors.mean(axis=0) if is_pair else np.zeros(vectors.shape[1])
        row = np.concatenate([[len(frames_u8), len(vectors), distance], centre])
        return torch.from_numpy(row.astype(np.float32))[None]

    def extract(self, batch: Tensor) -> Tensor:
        """Return the output of `prepare`."""
        return batch

    def to(self, device: torch.device) -> "FaceSpread":
        """Return `self`: the embedder has its own device."""
        return self

    def settings(self) -> dict[str, Any]:
        """Return how faces are cropped."""
        return {"faces": self.embedder.crop}


def compute_acd(
    videos: VideoSource | SampledMotion,
    *,
    protocol: FaceProtocol | None = None,
    embedder: FaceEmbedder,
    ground_truth: VideoSource | None = None,
    extractor: FeatureExtractor | None = None,
) -> MetricResult:
    """Compute the mean pairwise distance of face embeddings per video, then over videos.

    Args:
        videos: Videos to measure; from a motion model the protocol's number of videos is sampled,
            with new seeds for each repeat.
        protocol: Which videos and frames; `None` for 256 videos of 16 frames.
        embedder: Computes face embeddings; see `load_face_embedder`.
        ground_truth: Real videos, measured in the same way; `None` for none.
        extractor: Cache and progress, in videos.

    Returns:
        The mean, lower for steadier identity, with its deviation over videos, or over repeats if
        there are several. The details have the mean distance between different videos, the numbers
        of videos and frames without a face, and the ground truth.

    Raises:
        FileFormatError: No video has two frames with a face, or one cannot be decoded.
        ConfigError: `videos` is a motion model, and the protocol has no number of videos.

    Source:
        Paper: Tulyakov et al., "MoCoGAN", 2018, Sec. 4 (with OpenFace; MoCoGAN-HD takes FaceNet).
        Values of different networks are not comparable.
    """
    detector = FaceSpread(embedder)
    extractor = FeatureExtractor() if extractor is None else extractor
    return repeat_draws(
        FaceProtocol() if protocol is None else protocol,
        lambda drawn: _measure_acd(videos, drawn, detector, ground_truth, extractor),
    )


def plan_faces(
    videos: VideoSource, *, protocol: FaceProtocol, detector: FaceSpread
) -> FeatureRequest:
    """Choose the videos and frames of an ACD."""
    lengths = videos.num_frames
    plan = FirstFramesPlan(
        lengths,
        _choose(len(lengths), protocol),
        num_frames=protocol.num_frames,
        frame_stride=protocol.frame_stride,
    )
    return FeatureRequest(plan, detector)


def _measure_acd(
    videos: VideoSource | SampledMotion,
    protocol: FaceProtocol,
    detector: FaceSpread,
    ground_truth: VideoSource | None,
    extractor: FeatureExtractor,
) -> MetricResult:
    if isinstance(videos, SampledMotion):
        videos = _draw(videos, protocol)

    # the videos, and beside them the real ones where there are any
    measured = _measure(videos, protocol, detector, extractor)
    details: dict[str, Any] = measured.details
    if ground_truth is not None:
        real = _measure(ground_truth, protocol, detector, extractor)
        details["ground_truth"] = {
            "value": float(np.mean(real.per_video)),
            "path": name_source(ground_truth.name),
            **real.details,
        }

    few = len(measured.per_video) < (protocol.num_videos or 1)
    return MetricResult(
        metric=f"ACD ({detector.record.label})",
        value=float(np.mean(measured.per_video)),
        std=float(np.std(measured.per_video)) if len(measured.per_video) > 1 else None,
        protocol=dataclasses.asdict(protocol)
        | {"crop": detector.embedder.crop, "distance": "euclidean"},
        detector=dataclasses.asdict(detector.record) | {"feature_dim": measured.feature_dim},
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


def _draw(motion: SampledMotion, protocol: FaceProtocol) -> VideoSource:
    """Sample the videos of a motion model with the seed of a protocol."""
    count = motion.num_videos or protocol.num_videos
    if count is None:
        raise ConfigError(f"{motion.name}: a motion model, but no number of videos is given")
    span = ((protocol.num_frames or 1) - 1) * protocol.frame_stride + 1
    return motion.draw(protocol.seed, num_videos=count, num_frames=span)


def _measure(
    videos: VideoSource,
    protocol: FaceProtocol,
    detector: FaceSpread,
    extractor: FeatureExtractor,
) -> _Measured:
    request = plan_faces(videos, protocol=protocol, detector=detector)
    (stats,) = extractor.extract(videos, [request]).values()
    rows = require_features(stats, videos.name)  # [n, 3 + d]
    num_frames, num_faces = (int(rows[:, column].sum()) for column in (0, 1))
    seen = rows[rows[:, 1] >= 2]
    if not len(seen):
        raise FileFormatError(
            f"{videos.name}: no video shows a face in two frames "
            f"({num_faces} faces in {num_frames} frames)",
            hint="--crop whole takes the frame as the face",
        )
    centres = seen[:, 3:]
    details: dict[str, Any] = {
        "num_videos_measured": len(seen),
        "num_videos_without_faces": len(rows) - len(seen),
        "num_frames_measured": num_frames,
        "num_frames_without_face": num_frames - num_faces,
    }
    if len(centres) > 1:
        details["distance_between_videos"] = mean_pairwise_distance(centres)
    return _Measured(seen[:, 2].tolist(), details, centres.shape[1])


def _choose(num_videos: int, protocol: FaceProtocol) -> list[int]:
    if protocol.num_videos is None or protocol.num_videos >= num_videos:
        return list(range(num_videos))
    drawn = np.random.default_rng(protocol.seed).permutation(num_videos)[: protocol.num_videos]
    chosen: list[int] = np.sort(drawn).tolist()
    return chosen
