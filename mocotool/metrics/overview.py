"""Every metric that the inputs allow, in one go."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, Literal

from mocotool.configs.evaluate import VideoProtocol
from mocotool.errors import ConfigError, FileFormatError, MismatchError, UnavailableError
from mocotool.metrics.detectors import load_video_detector
from mocotool.metrics.distances import Measuring, compute_fvd, compute_kvd
from mocotool.metrics.face_distance import compute_acd
from mocotool.metrics.faces import load_face_embedder
from mocotool.metrics.frame_detectors import load_frame_detector
from mocotool.metrics.frame_distances import compute_fid, compute_kid
from mocotool.metrics.inception_score import compute_is, load_score_detector
from mocotool.metrics.precision_recall import compute_precision_recall
from mocotool.metrics.results import MetricResult
from mocotool.metrics.sides import Side, require_videos
from mocotool.metrics.two_sample import compute_two_sample

RowForm = Literal["markdown", "latex"]

LATEX = str.maketrans(
    {letter: f"\\{letter}" for letter in "&%$#_{}"}
    | {
        "±": r"$\pm$",
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
    }
)
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

    def as_rows(self, name: str, form: RowForm) -> str:
        """Return the numbers as papers print them: heads, this method, and real against real.

        Args:
            name: What the method is called.
            form: "markdown" or "latex".
        """
        heads, cells, truths = ["method"], [name], ["real"]
        for result in self.results:
            for label, value, std, truth in _list_numbers(result):
                heads.append(label)
                cells.append(_show_number(value, std))
                truths.append("-" if truth is None else _show_number(truth, None))
        rows = [heads, cells, truths]
        if form == "latex":
            escaped = [[cell.translate(LATEX) for cell in row] for row in rows]
            return "\n".join(f"{' & '.join(row)} \\\\" for row in escaped)
        lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
        return "\n".join([lines[0], "|---" * len(heads) + "|", *lines[1:]])

    def as_table(self) -> dict[str, str]:
        """Return one row a metric, with the ground truth where there is one."""
        rows = {}
        for result in self.results:
            _, row = next(iter(result.as_table().items()))
            truth = result.details.get("ground_truth")
            rows[result.metric] = row + (f"; real {truth['value']:.6g}" if truth else "")
        return rows | {name: f"skipped: {reason}" for name, reason in self.skipped.items()}


def _list_numbers(
    result: MetricResult,
) -> Iterator[tuple[str, float, float | None, float | None]]:
    """Yield a result's numbers: label, value, deviation and what real against real has."""
    truth = result.details.get("ground_truth") or {}
    spread = result.std if result.std is not None else result.standard_error
    yield result.metric, result.value, spread, truth.get("value")
    for name in ("recall", "density", "coverage"):
        if isinstance(result.details.get(name), dict):
            detail = result.details[name]
            yield name, detail["value"], detail.get("standard_error"), truth.get(name)


def _show_number(value: float, spread: float | None) -> str:
    return f"{value:.4g}" if spread is None else f"{value:.4g} ± {spread:.2g}"


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
        FVD, KVD, motion distance, FID, pixel distance, KID, nearest neighbours and precision by
        SqueezeNet, IS and ACD, as far as they could be computed, real against real beside each.
        Features that two of them share are computed once, if they are cached.
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

    def frames(name: str, compute: Callable[..., MetricResult] = compute_fid) -> MetricResult:
        detector = load_frame_detector(name, warn=warn)
        return compute(real, fake, detector=detector, measuring=measuring, ground_truth=True)

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
        "kernel distance (squeezenet features)": lambda: frames("squeezenet", compute_kid),
        "nearest-neighbour accuracy (squeezenet features)": lambda: frames(
            "squeezenet", compute_two_sample
        ),
        "precision (squeezenet features)": lambda: frames("squeezenet", compute_precision_recall),
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
