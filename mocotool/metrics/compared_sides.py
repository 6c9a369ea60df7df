"""Both sides of a comparison, measured once for all metrics that are computed from them."""

import dataclasses
from typing import Any

import numpy as np

from mocotool.configs.evaluate import ROLES, SampleProtocol, SideRole, VideoProtocol
from mocotool.errors import ConfigError, MismatchError
from mocotool.metrics.detectors import Detector
from mocotool.metrics.extraction import FeatureExtractor
from mocotool.metrics.measuring import (
    choose_samples,
    describe_detector,
    measure_side,
    require_features,
)
from mocotool.metrics.results import MetricResult
from mocotool.metrics.sampled_videos import SampledMotion
from mocotool.metrics.saved_statistics import MeasuredSide
from mocotool.metrics.side_warnings import collect_warnings, find_stride_warnings
from mocotool.metrics.sides import Side
from mocotool.metrics.statistics import FeatureStats, Float32


@dataclasses.dataclass(frozen=True, slots=True)
class ComparedSides:
    """The statistics of both sides, and the settings they were measured with."""

    stats: dict[str, FeatureStats]
    inputs: dict[str, dict[str, Any]]
    protocol: VideoProtocol | SampleProtocol
    samples: VideoProtocol | SampleProtocol
    """The protocol of the samples, clips or frames."""
    detector: Detector
    extractor: FeatureExtractor

    @classmethod
    def measure(
        cls,
        real: Side,
        fake: Side,
        protocol: VideoProtocol | SampleProtocol,
        detector: Detector,
        extractor: FeatureExtractor | None,
    ) -> "ComparedSides":
        """Measure both sides: clips if the detector is one of videos, else frames.

        From a motion model as the generated side, as many samples are drawn as the real side has.

        Raises:
            ConfigError: The real side is a motion model.
        """
        if isinstance(real, SampledMotion):
            raise ConfigError(
                f"{real.name}: a motion model, expected real videos, latents or statistics"
            )
        extractor = FeatureExtractor() if extractor is None else extractor
        measured: dict[SideRole, MeasuredSide] = {}
        for role, side in zip(ROLES, (real, fake), strict=True):
            measured[role] = measure_side(
                side,
                role,
                protocol=protocol,
                detector=detector,
                extractor=extractor,
                num_samples=measured["real"].stats.num_samples if measured else None,
            )
        return cls(
            {str(role): side.stats for role, side in measured.items()},
            {str(role): side.report for role, side in measured.items()},
            protocol,
            choose_samples(protocol, detector),
            detector,
            extractor,
        )

    @property
    def what(self) -> str:
        """Kind of samples: "frames" or "clips"."""
        return "clips" if isinstance(self.samples, VideoProtocol) else "frames"

    @property
    def features(self) -> list[Float32]:
        """The features of both sides, [n, d] each.

        Raises:
            FileFormatError: There were too many to be kept.
        """
        return [
            require_features(stats, self.inputs[role]["path"]) for role, stats in self.stats.items()
        ]

    def halve_real(self) -> tuple[FeatureStats, FeatureStats]:
        """Return the statistics of two random halves of the real side.

        Raises:
            FileFormatError: It has too many features, which were not kept.
            MismatchError: It has too few samples.
        """
        name = self.inputs["real"]["path"]
        features = require_features(self.stats["real"], name)
        if len(features) < 4:
            raise MismatchError(
                f"{name}: {len(features)} samples cannot be halved, "
                "a ground truth needs at least 4",
                hint="leave --ground-truth out, or add --real-clips all",
            )
        order = np.random.default_rng(self.protocol.seed).permutation(len(features))
        half = len(features) // 2
        return (
            FeatureStats.from_features(features[order[:half]]),
            FeatureStats.from_features(features[order[half : 2 * half]]),
        )

    @property
    def real_halves(self) -> list[Float32]:
        """The features of two random halves of the real side; see `halve_real`."""
        return [require_features(half, self.inputs["real"]["path"]) for half in self.halve_real()]

    def find_warnings(self) -> tuple[str, ...]:
        """Return warnings about the samples: dependent ones, or strides that differ."""
        key = f"num_{self.what}"
        found = [
            f"{role}: {report[key]:,} {self.what} of {report['num_videos']:,} videos; {self.what} "
            "of one video are no independent samples (--frames one)"
            for role, report in self.inputs.items()
            if report[key] > report.get("num_videos", report[key])
        ]
        return (*found, *self._find_stride_warnings())

    def find_distance_warnings(self, *, is_biased: bool = True) -> tuple[str, ...]:
        """Return warnings about a distance: few samples, lossy codecs, sizes, strides.

        Args:
            is_biased: Whether it is biased upwards for few samples, as Frechet distances are.
        """
        found = collect_warnings(
            self.inputs,
            what=self.what,
            feature_dim=self.stats["real"].feature_dim,
            is_biased=is_biased,
            is_resized=self.samples.frame_size is not None,
        )
        return (*found, *self._find_stride_warnings())

    def _find_stride_warnings(self) -> tuple[str, ...]:
        if not isinstance(self.samples, VideoProtocol):
            return ()
        return find_stride_warnings(self.inputs, protocol=self.samples)

    def report(self, **values: Any) -> MetricResult:
        """Return a result, with everything it depends on."""
        return MetricResult(
            protocol=dataclasses.asdict(self.protocol),
            detector=describe_detector(self.detector, self.stats["real"].feature_dim),
            inputs=self.inputs,
            device=str(self.extractor.device),
            statistics=self.stats,
            **values,
        )
