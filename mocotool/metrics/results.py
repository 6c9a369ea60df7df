"""Results of metrics: a value and everything it depends on, in one format for all."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from mocotool.metrics.statistics import FeatureStats
from mocotool.provenance import tool_version

SCHEMA = "moco.eval/1"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class MetricResult:
    """The value of a metric, with everything needed to compare it with another."""

    metric: str
    """Name of the metric: "FVD", or "frechet distance (motion features)"."""
    value: float
    """The value; the mean over repeats."""
    std: float | None = None
    """Standard deviation over repeats, splits, videos or contents; `None` if there is only one."""
    standard_error: float | None = None
    """Standard error of the value, if the metric estimates it."""
    unit: str | None = None
    """"dB"; `None` for plain numbers."""
    protocol: dict[str, Any]
    """All settings."""
    detector: dict[str, Any] | None = None
    """Name and sha256 of the network; `None` without one."""
    inputs: dict[str, dict[str, Any]]
    """Record of each input: "real" and "fake", "a" and "b", or "videos"."""
    details: dict[str, Any] = dataclasses.field(default_factory=dict)
    """Further results: per repeat, per video, and of the ground truth."""
    numerics: str = "float32 features, float64 statistics"
    """Precision of the computation."""
    device: str = "cpu"
    """Device of the computation."""
    warnings: tuple[str, ...] = ()
    """Reasons why the value may mislead."""
    statistics: dict[str, FeatureStats] = dataclasses.field(default_factory=dict, repr=False)
    """Statistics of each side in the first repeat, to be saved; not part of the JSON."""

    def as_json(self) -> dict[str, Any]:
        """Return the result in the stable schema "moco.eval/1"."""
        names = [field.name for field in dataclasses.fields(self) if field.name != "statistics"]
        values = {name: getattr(self, name) for name in names}
        return {"schema": SCHEMA, **values, "version": tool_version()}

    def as_table(self) -> dict[str, str]:
        """Return the result as table rows: the value, then what it depends on."""
        spread = f" +- {self.std:.4g}" if self.std is not None else ""
        if self.standard_error is not None:
            spread += f" (standard error {self.standard_error:.4g})"
        rows = {self.metric: f"{self.value:.6g}{f' {self.unit}' if self.unit else ''}{spread}"}
        rows |= {role: _describe_input(report) for role, report in self.inputs.items()}
        if self.detector is not None:
            rows["detector"] = _describe_detector(self.detector)
        rows["protocol"] = _join(self.protocol)
        rows["computed"] = f"{self.numerics}; {self.device}"
        simple = {k: v for k, v in self.details.items() if isinstance(v, int | float | str)}
        if simple:
            rows["also"] = _join(simple)
        for name, value in self.details.items():
            if isinstance(value, dict) and "value" in value:
                others = {k: v for k, v in value.items() if k != "value"}
                rows[name.replace("_", " ")] = f"{value['value']:.6g} ({_join(others)})"
        return rows


def _describe_input(report: Mapping[str, Any]) -> str:
    counts = [
        _count(report[key], word)
        for key, word in (
            ("num_clips", "clips"),
            ("num_frames", "frames"),
            ("num_videos", "videos"),
            ("num_short", "videos too short"),
            ("num_unreadable", "unreadable"),
        )
        if report.get(key)
    ]
    sizes = ", ".join(report.get("sizes") or {})
    extra = [sizes, str(report.get("decoding") or ""), "lossy" if report.get("is_lossy") else ""]
    return "; ".join(part for part in (report["path"], ", ".join(counts), *extra) if part)


def _count(number: int, words: str) -> str:
    return (
        f"{number:,} {words.replace('videos', 'video').removesuffix('s') if number == 1 else words}"
    )


def _describe_detector(detector: Mapping[str, Any]) -> str:
    parts = [f"{detector['name']}, {detector['feature_dim']} features"]
    if detector.get("sha256"):
        known = {True: "the published file", False: "not the published file", None: ""}
        parts += [f"sha256 {detector['sha256']}", known[detector.get("is_published")]]
    return "; ".join(part for part in parts if part)


def _join(values: Mapping[str, Any]) -> str:
    shown = (
        f"{name.replace('_', ' ')} {f'{value:.6g}' if isinstance(value, float) else value}"
        for name, value in values.items()
        if value is not None
    )
    return ", ".join(shown)
