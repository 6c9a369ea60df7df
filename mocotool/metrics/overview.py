"""All metrics that the inputs allow, in one pass."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from mocotool.configs.eval_features import ManifoldProtocol, TwoSampleProtocol
from mocotool.configs.evaluate import (
    ROLES,
    FaceProtocol,
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
from mocotool.metrics.face_distance import FaceSpread, compute_acd, plan_faces
from mocotool.metrics.faces import FaceEmbedder, load_face_embedder
from mocotool.metrics.frame_distances import compute_fid, compute_kid
from mocotool.metrics.inception_score import compute_is, load_score_detector
from mocotool.metrics.measuring import load_detector, plan_side
from mocotool.metrics.precision_recall import compute_precision_recall
from mocotool.metrics.repeats import average_results
from mocotool.metrics.results import MetricResult
from mocotool.metrics.sampled_videos import SampledMotion, SampledVideos
from mocotool.metrics.saved_statistics import SavedStatistics
from mocotool.metrics.sides import Side, require_videos
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
    """All results, and the reasons for missing ones."""

    results: tuple[MetricResult, ...]
    """What could be computed, in a fixed order."""
    skipped: dict[str, str]
    """Metric -> reason."""

    def as_json(self) -> dict[str, Any]:
        """Return all in the stable schema "moco.eval.all/1"."""
        return {
            "schema": SCHEMA,
            "results": [result.as_json() for result in self.results],
            "skipped": self.skipped,
        }

    def as_rows(self, name: str, form: RowForm) -> str:
        """Return the numbers as rows of a paper's table: header, this method, real against real.

        Args:
            name: Name of the method.
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
        """Return one row per metric, with the ground truth where there is one."""
        rows = {}
        for result in self.results:
            _, row = next(iter(result.as_table().items()))
            truth = result.details.get("ground_truth")
            rows[result.metric] = row + (f"; real {truth['value']:.6g}" if truth else "")
        return rows | {name: f"skipped: {reason}" for name, reason in self.skipped.items()}


def _list_numbers(
    result: MetricResult,
) -> Iterator[tuple[str, float, float | None, float | None]]:
    """Yield a result's numbers: label, value, deviation, and value of real against real."""
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
    """A metric of two sides: function, detector and protocol."""

    compute: Callable[..., MetricResult]
    detector: str
    protocol: VideoProtocol | SampleProtocol


def _list_comparisons(protocol: VideoProtocol) -> dict[str, _Comparison]:
    """Return the comparisons, by the name used if they are skipped."""
    seed = protocol.seed
    return {
        "FVD": _Comparison(compute_fvd, "i3d", protocol),
        "KVD": _Comparison(compute_kvd, "i3d", protocol),
        "frechet distance (motion features)": _Comparison(compute_fvd, "motion", protocol),
        "frechet distance (tracked motion)": _Comparison(compute_fvd, "tracks", protocol),
        "FID": _Comparison(compute_fid, "inception", FrameProtocol(seed=seed)),
        "frechet distance (pixel features)": _Comparison(
            compute_fid, "pixels", FrameProtocol(seed=seed)
        ),
        "kernel distance (squeezenet features)": _Comparison(
            compute_kid, "squeezenet", SampleProtocol(seed=seed)
        ),
        "nearest-neighbour accuracy (squeezenet features)": _Comparison(
            compute_two_sample, "squeezenet", TwoSampleProtocol(seed=seed)
        ),
        "precision (squeezenet features)": _Comparison(
            compute_precision_recall, "squeezenet", ManifoldProtocol(seed=seed)
        ),
    }


METRICS = (*_list_comparisons(VideoProtocol()), "IS", "ACD")


def compute_all(
    real: Side,
    fake: Side,
    *,
    protocol: VideoProtocol | None = None,
    extractor: FeatureExtractor | None = None,
    warn: Callable[[str], None] | None = None,
) -> Overview:
    """Compute every metric of two sides whose detector is available.

    Videos are read once for the features of all metrics, in memory for some frames of one video.

    Args:
        real: Real videos, or their statistics.
        fake: Generated ones; from a motion model as many are sampled as the real side has.
        protocol: Protocol of the distances of clips; its seed and number of repeats apply to all
            metrics; `None` for that of StyleGAN-V.
        extractor: Device, batches, cache and progress.
        warn: Called with detectors that are not the published ones.

    Returns:
        FVD, KVD, distances of motion and of tracked motion, FID, pixel distance, KID, nearest
        neighbours and precision by SqueezeNet, IS and ACD, as far as they could be computed, each
        with its value for real against real; means over repeats, with deviations.

    Raises:
        ConfigError: The real side is a motion model.
    """
    settings = VideoProtocol() if protocol is None else protocol
    extractor = FeatureExtractor() if extractor is None else extractor
    if isinstance(real, SampledMotion):
        raise ConfigError(f"{real.name}: a motion model, expected real videos or statistics")
    detectors = _load_detectors(settings, extractor, warn)

    # every repeat is one pass over both sides
    found: dict[str, list[MetricResult]] = {}
    for repeat in range(settings.num_repeats):
        drawn = dataclasses.replace(settings, seed=settings.seed + repeat, num_repeats=1)
        videos = _draw(fake, real, drawn) if isinstance(fake, SampledMotion) else fake
        once = _Pass(real, videos, drawn, detectors)
        for name, result in once.measure(extractor).items():
            found.setdefault(name, []).append(result)

    # a metric that is missing in one repeat has no mean over all
    missing = detectors.skipped
    results = [
        _restore_repeats(average_results(found[name]), settings)
        for name in METRICS
        if name in found and name not in missing
    ]
    return Overview(tuple(results), {name: missing[name] for name in METRICS if name in missing})


@dataclasses.dataclass(frozen=True, slots=True)
class _Detectors:
    """Loaded detectors, and the reasons for skipped metrics."""

    of_features: dict[str, Detector]
    faces: FaceEmbedder | None
    skipped: dict[str, str]
    """Metric -> reason; grows while metrics are computed."""

    @contextlib.contextmanager
    def skipping(self, name: str) -> Iterator[None]:
        """Record why a metric is skipped."""
        try:
            yield
        except SKIPPABLE as error:
            self.skipped[name] = _explain(error)


def _load_detectors(
    protocol: VideoProtocol, extractor: FeatureExtractor, warn: Callable[[str], None] | None
) -> _Detectors:
    """Load each detector once."""
    found = _Detectors({}, None, {})
    for name, comparison in _list_comparisons(protocol).items():
        key = comparison.detector
        with found.skipping(name):
            if key not in found.of_features:
                found.of_features[key] = load_detector(key, protocol=comparison.protocol, warn=warn)
    with found.skipping("IS"):
        found.of_features["c3d"] = load_score_detector(warn=warn)
    embedder: FaceEmbedder | None = None
    with found.skipping("ACD"):
        embedder = load_face_embedder(device=extractor.device, warn=warn)
    return dataclasses.replace(found, faces=embedder)


def _draw(fake: SampledMotion, real: Side, protocol: VideoProtocol) -> SampledVideos:
    """Sample as many videos as the real side has, one set for all metrics."""
    if isinstance(real, SavedStatistics):
        num_real = real.stats.num_samples
    else:
        num_real = len(require_videos(real).num_frames)
    counts = [count for count in (num_real, protocol.num_fake) if count is not None]
    span = (protocol.num_frames - 1) * protocol.stride_of("fake") + 1
    return fake.draw(protocol.seed, num_videos=max(1, min(counts)), num_frames=span)


@dataclasses.dataclass(frozen=True, slots=True)
class _Pass:
    """One pass over both sides with one seed."""

    real: Side
    fake: Side
    protocol: VideoProtocol
    detectors: _Detectors

    def measure(self, extractor: FeatureExtractor) -> dict[str, MetricResult]:
        """Compute all metrics that are not skipped, by name."""
        known: dict[str, FeatureStats] = {}
        for role, side in zip(ROLES, (self.real, self.fake), strict=True):
            known.update(self._extract(side, role, extractor))
        prepared = dataclasses.replace(extractor, known=known)
        results: dict[str, MetricResult] = {}
        for name, compute in self._list_metrics(prepared).items():
            if name not in self.detectors.skipped:
                with self.detectors.skipping(name):
                    results[name] = compute()
        return results

    def _extract(
        self, side: Side, role: SideRole, extractor: FeatureExtractor
    ) -> Mapping[str, FeatureStats]:
        """Extract the features of a side for all metrics, by key.

        Features that fail are left out: the metric that needs them reports why.
        """
        if isinstance(side, SavedStatistics):
            return {}
        videos = require_videos(side)
        requests = []
        loaded = self.detectors.of_features
        for name, comparison in self._comparisons.items():
            if name not in self.detectors.skipped:
                with contextlib.suppress(*SKIPPABLE):
                    wanted, detector = comparison.protocol, loaded[comparison.detector]
                    requests.append(plan_side(videos, role, protocol=wanted, detector=detector))
        if "c3d" in loaded:
            with contextlib.suppress(*SKIPPABLE):  # the score chooses clips alike on both sides
                requests.append(
                    plan_side(videos, "fake", protocol=self._score, detector=loaded["c3d"])
                )
        if self.detectors.faces is not None:
            spread = FaceSpread(self.detectors.faces)
            requests.append(plan_faces(videos, protocol=self._faces, detector=spread))
        try:
            return extractor.extract(videos, requests)
        except SKIPPABLE:  # a frame that cannot be decoded affects only the metrics that need it
            return {}

    @property
    def _comparisons(self) -> "dict[str, _Comparison]":
        return _list_comparisons(self.protocol)

    @property
    def _score(self) -> ScoreProtocol:
        return ScoreProtocol(seed=ScoreProtocol().seed + self.protocol.seed)

    @property
    def _faces(self) -> FaceProtocol:
        return FaceProtocol(seed=self.protocol.seed)

    def _list_metrics(self, extractor: FeatureExtractor) -> dict[str, Callable[[], MetricResult]]:
        """Return a function for each metric, by name; features are already extracted."""
        metrics: dict[str, Callable[[], MetricResult]] = {
            name: functools.partial(self._compare, comparison, extractor)
            for name, comparison in self._comparisons.items()
        }
        metrics["IS"] = functools.partial(self._compute_score, extractor)
        metrics["ACD"] = functools.partial(self._compare_faces, extractor)
        return metrics

    def _compare(self, comparison: _Comparison, extractor: FeatureExtractor) -> MetricResult:
        return comparison.compute(
            self.real,
            self.fake,
            protocol=comparison.protocol,
            detector=self.detectors.of_features[comparison.detector],
            extractor=extractor,
            ground_truth=True,
        )

    def _compute_score(self, extractor: FeatureExtractor) -> MetricResult:
        """Compute the Inception score, and that of the real side beside it."""
        result, truth = (
            compute_is(
                require_videos(side),
                protocol=self._score,
                detector=self.detectors.of_features["c3d"],
                extractor=extractor,
            )
            for side in (self.fake, self.real)
        )
        result.details["ground_truth"] = {"value": truth.value}
        return result

    def _compare_faces(self, extractor: FeatureExtractor) -> MetricResult:
        assert self.detectors.faces is not None
        return compute_acd(
            require_videos(self.fake),
            protocol=self._faces,
            embedder=self.detectors.faces,
            ground_truth=require_videos(self.real),
            extractor=extractor,
        )


def _restore_repeats(result: MetricResult, protocol: VideoProtocol) -> MetricResult:
    """Restore the number of repeats in a mean over passes."""
    recorded = result.protocol | {"num_repeats": protocol.num_repeats}
    return dataclasses.replace(result, protocol=recorded)


def _explain(error: MocoError) -> str:
    return f"{error} ({error.hint})" if error.hint else str(error)
