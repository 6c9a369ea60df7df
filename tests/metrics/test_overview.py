"""Everything that `moco eval all` measures in one pass, and the rows of its table."""

from collections import Counter

import numpy as np
import pytest
from clip_array import ClipArray
from toy_videos import draw_videos

from mocotool.configs.evaluate import ExtractionConfig, VideoProtocol
from mocotool.metrics import overview
from mocotool.metrics.detectors import DetectorRecord
from mocotool.metrics.distances import compute_fvd
from mocotool.metrics.extraction import FeatureExtractor
from mocotool.metrics.face_distance import compute_acd
from mocotool.metrics.faces import FaceVectors
from mocotool.metrics.overview import Overview, compute_all
from mocotool.metrics.results import MetricResult
from mocotool.metrics.sampled_videos import SampledMotion

RESULTS = (
    MetricResult(
        metric="FVD",
        value=700.25,
        std=24.1,
        protocol={},
        inputs={},
        details={"ground_truth": {"value": 12.5}},
    ),
    MetricResult(
        metric="precision (a|b)",
        value=0.75,
        standard_error=0.02,
        protocol={},
        inputs={},
        details={
            "recall": {"value": 0.5, "standard_error": 0.03},
            "density": {"value": 0.9},
            "ground_truth": {"value": 0.95, "recall": 0.96},
        },
    ),
)
OVERVIEW = Overview(RESULTS, {})


def test_markdown_has_heads_the_method_and_real_against_real():
    assert OVERVIEW.as_rows("ours", "markdown").splitlines() == [
        "| method | FVD | precision (a\\|b) | recall | density |",
        "|---|---|---|---|---|",
        "| ours | 700.2 ± 24 | 0.75 ± 0.02 | 0.5 ± 0.03 | 0.9 |",
        "| real | 12.5 | 0.95 | 0.96 | - |",
    ]


def test_latex_escapes_what_it_must():
    rows = OVERVIEW.as_rows("walk_1 & 100%", "latex").splitlines()

    assert rows[1] == (
        r"walk\_1 \& 100\% & 700.2 $\pm$ 24 & 0.75 $\pm$ 0.02 & 0.5 $\pm$ 0.03 & 0.9 \\"
    )
    assert len(rows) == 3


class CountedClips(ClipArray):
    """Counts how often each frame is read."""

    def __init__(self, frames_u8):
        super().__init__(frames_u8)
        self.reads = Counter()

    def read_clip(self, video_idx, frame_idx):
        self.reads.update((video_idx, frame) for frame in frame_idx)
        return super().read_clip(video_idx, frame_idx)


class FirstPixel:
    """Takes the first pixel for a face."""

    record = DetectorRecord(name="first pixel")
    crop = "whole"

    def embed(self, frames_u8):
        vectors = frames_u8[:, 0, 0].astype(np.float32)
        return FaceVectors(vectors, np.ones(len(vectors), bool))


EXTRACTOR = FeatureExtractor(config=ExtractionConfig(use_cache=False))
CLIPS = VideoProtocol(num_frames=8)


@pytest.fixture
def _with_faces(monkeypatch, tmp_path):
    monkeypatch.setenv("MOCO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(overview, "load_face_embedder", lambda **_: FirstPixel())


@pytest.mark.usefixtures("_with_faces")
def test_every_frame_is_read_once_for_all_metrics_faces_among_them():
    real, fake = (CountedClips(draw_videos(3, seed=seed, num_frames=10)) for seed in (0, 1))

    found = compute_all(real, fake, protocol=CLIPS, extractor=EXTRACTOR)

    assert set(real.reads.values()) == set(fake.reads.values()) == {1}
    assert len(real.reads) == 30
    result = next(row for row in found.results if row.metric == "ACD (first pixel)")
    alone = compute_acd(fake, embedder=FirstPixel(), ground_truth=real, extractor=EXTRACTOR)
    assert result.value == alone.value
    assert result.details["ground_truth"] == alone.details["ground_truth"]


@pytest.mark.usefixtures("_with_faces")
def test_repeats_of_a_motion_model_are_repeats_of_each_metric(toy_motion, toy_generator):
    real = ClipArray(draw_videos(4, seed=0, num_frames=16))
    fake = SampledMotion(motion=toy_motion, generator=toy_generator)
    repeated = VideoProtocol(num_frames=8, num_repeats=2)

    found = compute_all(real, fake, protocol=repeated, extractor=EXTRACTOR)

    distance = next(row for row in found.results if "motion features" in row.metric)
    detector = overview.load_detector("motion", protocol=CLIPS)
    alone = compute_fvd(real, fake, protocol=repeated, detector=detector, extractor=EXTRACTOR)
    assert distance.details["values"] == pytest.approx(alone.details["values"])
    assert all(row.std is not None for row in found.results)
    assert all(row.protocol["num_repeats"] == 2 for row in found.results)
