"""Both sides of a comparison of samples: measured once, whatever is computed of them."""

import dataclasses
from collections.abc import Callable
from typing import Any

from mocotool.configs.eval_features import FeatureProtocol
from mocotool.configs.evaluate import ROLES, SampleProtocol, SideRole
from mocotool.metrics.detectors import VIDEO_DETECTORS, Detector, load_video_detector
from mocotool.metrics.distances import (
    Measuring,
    check_clip_length,
    describe_detector,
    feature_settings,
    measure_clips,
    report_input,
    require_features,
)
from mocotool.metrics.extraction import extract_statistics
from mocotool.metrics.frame_detectors import load_frame_detector
from mocotool.metrics.results import MetricResult
from mocotool.metrics.sampling import plan_frames
from mocotool.metrics.sides import (
    MeasuredSide,
    SavedStatistics,
    Side,
    check_comparable,
    find_stride_warnings,
    report_saved,
)
from mocotool.metrics.statistics import FeatureStats, Float32


def measure_frames(
    side: Side,
    role: SideRole,
    *,
    protocol: SampleProtocol,
    detector: Detector,
    measuring: Measuring | None = None,
) -> MeasuredSide:
    """Compute one side's statistics of single frames; arguments as in `measure_clips`."""
    record = dataclasses.asdict(detector.record)
    if isinstance(side, SavedStatistics):
        check_comparable(side, detector=record, features={"frame_size": protocol.frame_size})
        return MeasuredSide(side.stats, report_saved(side))
    measuring = Measuring() if measuring is None else measuring
    plan = plan_frames(
        side.num_frames,
        one_each=protocol.frames == "one",
        count=protocol.num_real if role == "real" else protocol.num_fake,
        seed=protocol.seed,
    )
    stats = extract_statistics(
        side,
        plan,
        detector=detector,
        frame_size=protocol.frame_size,
        config=measuring.config,
        device=measuring.device,
        processes=measuring.processes,
        progress=measuring.progress,
    )
    return MeasuredSide(stats, report_input(side, plan, stats.num_samples, "frames"))


def load_sample_detector(
    name: str, *, protocol: SampleProtocol, warn: Callable[[str], None] | None = None
) -> Detector:
    """Load what turns samples into features: of clips by the name of a video detector, else frames.

    Raises:
        ConfigError: There is no detector of that name.
        UnavailableError: Its weights are not here.
    """
    if isinstance(protocol, FeatureProtocol) and name in VIDEO_DETECTORS:
        clips = protocol.to_clips()
        detector = load_video_detector(name, protocol=clips, warn=warn)
        check_clip_length(clips, detector)
        return detector
    return load_frame_detector(name, warn=warn)


def sample_settings(protocol: SampleProtocol, detector: Detector, role: SideRole) -> dict[str, Any]:
    """Return the settings that the features of a side's samples depend on."""
    if _looks_at_clips(protocol, detector):
        assert isinstance(protocol, FeatureProtocol)
        return feature_settings(protocol.to_clips(), role)
    return {"frame_size": protocol.frame_size}


def _looks_at_clips(protocol: SampleProtocol, detector: Detector) -> bool:
    return isinstance(protocol, FeatureProtocol) and detector.min_frames > 1


@dataclasses.dataclass(frozen=True, slots=True)
class ComparedSides:
    """Both sides, measured, and how."""

    stats: dict[str, FeatureStats]
    inputs: dict[str, dict[str, Any]]
    protocol: SampleProtocol
    detector: Detector
    measuring: Measuring
    what: str
    """What is counted: "frames" or "clips"."""

    @classmethod
    def measure(
        cls,
        real: Side,
        fake: Side,
        protocol: SampleProtocol,
        detector: Detector,
        measuring: Measuring | None,
    ) -> "ComparedSides":
        """Measure both: clips if the detector looks at motion, else frames."""
        measuring = Measuring() if measuring is None else measuring
        is_video = _looks_at_clips(protocol, detector)
        measured: dict[str, MeasuredSide] = {}
        for role, side in zip(ROLES, (real, fake), strict=True):
            if is_video:
                assert isinstance(protocol, FeatureProtocol)
                measured[role] = measure_clips(
                    side,
                    role,
                    protocol=protocol.to_clips(),
                    detector=detector,
                    measuring=measuring,
                )
            else:
                measured[role] = measure_frames(
                    side, role, protocol=protocol, detector=detector, measuring=measuring
                )
        stats = {role: side.stats for role, side in measured.items()}
        inputs = {role: side.report for role, side in measured.items()}
        what = "clips" if is_video else "frames"
        return cls(stats, inputs, protocol, detector, measuring, what)

    @property
    def features(self) -> list[Float32]:
        """The features of either side, [n, d]."""
        return [
            require_features(stats, self.inputs[role]["path"]) for role, stats in self.stats.items()
        ]

    def find_warnings(self) -> tuple[str, ...]:
        """Return why samples may not be what they seem: dependent, or of unlike strides."""
        key = f"num_{self.what}"
        found = [
            f"{role}: {report[key]:,} {self.what} of {report['num_videos']:,} videos; {self.what} "
            "of one video are no independent samples (--frames one)"
            for role, report in self.inputs.items()
            if report[key] > report.get("num_videos", report[key])
        ]
        if self.what == "clips" and isinstance(self.protocol, FeatureProtocol):
            found += find_stride_warnings(self.inputs, protocol=self.protocol.to_clips())
        return tuple(found)

    def report(self, **values: Any) -> MetricResult:
        """Return a result with everything it depends on."""
        return MetricResult(
            protocol=dataclasses.asdict(self.protocol),
            detector=describe_detector(self.detector, self.stats["real"].feature_dim),
            inputs=self.inputs,
            device=str(self.measuring.device),
            statistics=self.stats,
            **values,
        )
