"""Every metric that the inputs allow, in one go."""

import dataclasses
from collections.abc import Callable
from typing import Any

from mocotool.configs.evaluate import VideoProtocol
from mocotool.errors import ConfigError, FileFormatError, MismatchError, UnavailableError
from mocotool.metrics.detectors import load_video_detector
from mocotool.metrics.distances import Measuring, compute_fvd, compute_kvd
from mocotool.metrics.face_distance import compute_acd
from mocotool.metrics.faces import load_face_embedder
from mocotool.metrics.frame_detectors import load_frame_detector
from mocotool.metrics.frame_distances import compute_fid
from mocotool.metrics.inception_score import compute_is, load_score_detector
from mocotool.metrics.results import MetricResult
from mocotool.metrics.sides import Side, require_videos

SCHEMA = "moco.eval.all/1"
SKIPPABLE = (ConfigError, FileFormatError, MismatchError, UnavailableError)


@dataclasses.dataclass(frozen=True, slots=True)
class Overview:
    """All results, and why others are missing."""

    results: tuple[MetricResult, ...]
    """What could be computed, in a fixed order."""
    skipped: dict[str, str]
    """Metric -> why not."""

    def as_json(self) -> dict[str, Any]:
        """Return all in the stable schema "moco.eval.all/1"."""
        return {
            "schema": SCHEMA,
            "results": [result.as_json() for result in self.results],
            "skipped": self.skipped,
        }

    def as_table(self) -> dict[str, str]:
        """Return one row a metric, with the ground truth where there is one."""
        rows = {}
        for result in self.results:
            _, row = next(iter(result.as_table().items()))
            truth = result.details.get("ground_truth")
            rows[result.metric] = row + (f"; real {truth['value']:.6g}" if truth else "")
        return rows | {name: f"skipped: {reason}" for name, reason in self.skipped.items()}


def compute_all(
    real: Side,
    fake: Side,
    *,
    protocol: VideoProtocol | None = None,
    measuring: Measuring | None = None,
    warn: Callable[[str], None] | None = None,
) -> Overview:
    """Compute every metric of two sides whose detector is here.

    Args:
        real: Real videos, or their statistics.
        fake: Generated ones.
        protocol: Of the distances of clips; `None` is that of StyleGAN-V.
        measuring: Device, batches, cache and progress.
        warn: Told of detectors that are not the published ones.

    Returns:
        FVD, KVD, motion distance, FID, pixel distance, IS and ACD, as far as they could be
        computed, real against real beside each.
    """
    settings = VideoProtocol() if protocol is None else protocol
    measuring = Measuring() if measuring is None else measuring

    def distance(name: str, *, is_kernel: bool = False) -> MetricResult:
        detector = load_video_detector(name, protocol=settings, warn=warn)
        compute = compute_kvd if is_kernel else compute_fvd
        return compute(
            real,
            fake,
            protocol=settings,
            detector=detector,
            measuring=measuring,
            ground_truth=True,
        )

    def frames(name: str) -> MetricResult:
        detector = load_frame_detector(name, warn=warn)
        return compute_fid(real, fake, detector=detector, measuring=measuring, ground_truth=True)

    def score() -> MetricResult:
        detector = load_score_detector(warn=warn)
        result = compute_is(require_videos(fake), detector=detector, measuring=measuring)
        truth = compute_is(require_videos(real), detector=detector, measuring=measuring)
        result.details["ground_truth"] = {"value": truth.value}
        return result

    def faces() -> MetricResult:
        embedder = load_face_embedder(device=measuring.device, warn=warn)
        return compute_acd(
            require_videos(fake), embedder=embedder, ground_truth=require_videos(real)
        )

    metrics: dict[str, Callable[[], MetricResult]] = {
        "FVD": lambda: distance("i3d"),
        "KVD": lambda: distance("i3d", is_kernel=True),
        "frechet distance (motion features)": lambda: distance("motion"),
        "FID": lambda: frames("inception"),
        "frechet distance (pixel features)": lambda: frames("pixels"),
        "IS": score,
        "ACD": faces,
    }
    results, skipped = [], {}
    for name, compute in metrics.items():
        try:
            results.append(compute())
        except SKIPPABLE as error:
            skipped[name] = f"{error} ({error.hint})" if error.hint else str(error)
    return Overview(tuple(results), skipped)
