"""Every metric that the inputs allow, in one go."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

from mocotool.configs.eval_features import ManifoldProtocol, TwoSampleProtocol
from mocotool.configs.evaluate import (
    ROLES,
    FrameProtocol,
    SampleProtocol,
    ScoreProtocol,
    SideRole,
    VideoProtocol,
)
from mocotool.errors import (
    ConfigError,
    FileFormatError,
    MismatchError,
    MocoError,
    UnavailableError,
)
from mocotool.metrics.detectors import Detector
from mocotool.metrics.distances import compute_fvd, compute_kvd
from mocotool.metrics.extraction import FeatureExtractor
from mocotool.metrics.face_distance import compute_acd
from mocotool.metrics.faces import load_face_embedder
from mocotool.metrics.frame_distances import compute_fid, compute_kid
from mocotool.metrics.inception_score import compute_is, load_score_detector
from mocotool.metrics.measuring import load_detector, plan_side
from mocotool.metrics.precision_recall import compute_precision_recall
from mocotool.metrics.results import MetricResult
from mocotool.metrics.sides import SavedStatistics, Side, require_videos
from mocotool.metrics.statistics import FeatureStats
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


@dataclasses.dataclass(frozen=True, slots=True)
class _Comparison:
    """A metric of two sides: what computes it, of which samples and features."""

    compute: Callable[..., MetricResult]
    detector: str
    protocol: VideoProtocol | SampleProtocol


def _list_comparisons(protocol: VideoProtocol) -> dict[str, _Comparison]:
    """Return what is compared, by the names that stand for what cannot be."""
    return {
        "FVD": _Comparison(compute_fvd, "i3d", protocol),
        "KVD": _Comparison(compute_kvd, "i3d", protocol),
        "frechet distance (motion features)": _Comparison(compute_fvd, "motion", protocol),
        "FID": _Comparison(compute_fid, "inception", FrameProtocol()),
        "frechet distance (pixel features)": _Comparison(compute_fid, "pixels", FrameProtocol()),
        "kernel distance (squeezenet features)": _Comparison(
            compute_kid, "squeezenet", SampleProtocol()
        ),
        "nearest-neighbour accuracy (squeezenet features)": _Comparison(
            compute_two_sample, "squeezenet", TwoSampleProtocol()
        ),
        "precision (squeezenet features)": _Comparison(
            compute_precision_recall, "squeezenet", ManifoldProtocol()
        ),
    }


def compute_all(
    real: Side,
    fake: Side,
    *,
    protocol: VideoProtocol | None = None,
    extractor: FeatureExtractor | None = None,
    warn: Callable[[str], None] | None = None,
) -> Overview:
    """Compute every metric of two sides whose detector is here.

    The videos are read once for the features of all metrics, in memory for some frames of one
    video at a time; only ACD, which looks for faces, reads its frames again.

    Args:
        real: Real videos, or their statistics.
        fake: Generated ones.
        protocol: Of the distances of clips; `None` is that of StyleGAN-V.
        extractor: Device, batches, cache and progress.
        warn: Told of detectors that are not the published ones.

    Returns:
        FVD, KVD, motion distance, FID, pixel distance, KID, nearest neighbours and precision by
        SqueezeNet, IS and ACD, as far as they could be computed, real against real beside each.
    """
    settings = VideoProtocol() if protocol is None else protocol
    extractor = FeatureExtractor() if extractor is None else extractor
    skipped: dict[str, str] = {}

    # detectors, each loaded once
    comparisons = _list_comparisons(settings)
    detectors: dict[str, Detector] = {}
    for name, comparison in comparisons.items():
        key = comparison.detector
        try:
            if key not in detectors:
                detectors[key] = load_detector(key, protocol=comparison.protocol, warn=warn)
        except SKIPPABLE as error:
            skipped[name] = _explain(error)
    try:
        detectors["c3d"] = load_score_detector(warn=warn)
    except SKIPPABLE as error:
        skipped["IS"] = _explain(error)

    # one pass over the videos of each side
    wanted: list[tuple[VideoProtocol | SampleProtocol | ScoreProtocol, Detector]] = [
        (comparison.protocol, detectors[comparison.detector])
        for name, comparison in comparisons.items()
        if name not in skipped
    ]
    if "c3d" in detectors:
        wanted.append((ScoreProtocol(), detectors["c3d"]))
    known: dict[str, FeatureStats] = {}
    for role, side in zip(ROLES, (real, fake), strict=True):
        known.update(_extract_all(side, role, wanted, extractor))
    extractor = dataclasses.replace(extractor, known=known)

    def compare(comparison: _Comparison) -> MetricResult:
        return comparison.compute(
            real,
            fake,
            protocol=comparison.protocol,
            detector=detectors[comparison.detector],
            extractor=extractor,
            ground_truth=True,
        )

    def score() -> MetricResult:
        result, truth = (
            compute_is(require_videos(side), detector=detectors["c3d"], extractor=extractor)
            for side in (fake, real)
        )
        result.details["ground_truth"] = {"value": truth.value}
        return result

    def faces() -> MetricResult:
        embedder = load_face_embedder(device=extractor.device, warn=warn)
        return compute_acd(
            require_videos(fake), embedder=embedder, ground_truth=require_videos(real)
        )

    metrics: dict[str, Callable[[], MetricResult]] = {
        name: functools.partial(compare, comparison) for name, comparison in comparisons.items()
    }
    metrics |= {"IS": score, "ACD": faces}
    results = []
    for name, compute in metrics.items():
        if name in skipped:
            continue
        try:
            results.append(compute())
        except SKIPPABLE as error:
            skipped[name] = _explain(error)
    return Overview(tuple(results), {name: skipped[name] for name in metrics if name in skipped})


def _extract_all(
    side: Side,
    role: SideRole,
    wanted: Sequence[tuple[VideoProtocol | SampleProtocol | ScoreProtocol, Detector]],
    extractor: FeatureExtractor,
) -> Mapping[str, FeatureStats]:
    """Return the features of a side that several metrics want, by their key.

    What cannot be had is left out: the metric that wants it says why.
    """
    if isinstance(side, SavedStatistics):
        return {}
    requests = []
    for protocol, detector in wanted:
        with contextlib.suppress(*SKIPPABLE):
            requests.append(plan_side(side, role, protocol=protocol, detector=detector))
    try:
        return extractor.extract(side, requests)
    except SKIPPABLE:  # one frame that cannot be decoded concerns only those who want it
        return {}


def _explain(error: MocoError) -> str:
    return f"{error} ({error.hint})" if error.hint else str(error)
