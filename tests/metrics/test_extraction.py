"""Features of many clips: the same for any batching, cached by content, checked."""

import numpy as np
import pytest
import torch
from clip_array import ClipArray
from toy_videos import BrokenDetector, ToyDetector, draw_videos

from mocotool.configs.evaluate import ExtractionConfig
from mocotool.errors import FileFormatError, MismatchError
from mocotool.metrics.extraction import FeatureRequest, extract_statistics, extract_together
from mocotool.metrics.sampling import plan_clips, plan_frames
from mocotool.metrics.statistics import FeatureStats


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("MOCO_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def videos():
    return ClipArray(draw_videos(11, seed=0, num_frames=6, size=16), name="toys")


def plan(videos, **settings):
    return plan_clips(
        videos.num_frames, name="toys", **({"choice": "first", "num_frames": 4} | settings)
    )


NO_CACHE = {"use_cache": False}


@pytest.mark.parametrize("batch_size", [1, 3, 4, 64])
def test_the_batch_size_changes_nothing(videos, batch_size):
    whole = extract_statistics(
        videos, plan(videos), detector=ToyDetector(), config=ExtractionConfig(**NO_CACHE)
    )

    stats = extract_statistics(
        videos,
        plan(videos),
        detector=ToyDetector(),
        config=ExtractionConfig(batch_size=batch_size, **NO_CACHE),
    )

    np.testing.assert_array_equal(stats.features, whole.features)
    np.testing.assert_allclose(stats.scatter, whole.scatter, rtol=1e-12)


@pytest.mark.parametrize("num_shards", [2, 3, 5])
def test_merged_shards_equal_the_whole(videos, num_shards):
    whole = extract_statistics(videos, plan(videos), detector=ToyDetector())

    shards = [
        extract_statistics(
            videos,
            plan(videos),
            detector=ToyDetector(),
            config=ExtractionConfig(shard=(index, num_shards)),
        )
        for index in range(num_shards)
    ]

    merged = FeatureStats.merge(shards)
    np.testing.assert_array_equal(merged.features, whole.features)
    np.testing.assert_allclose(merged.scatter, whole.scatter, rtol=1e-9)


def test_a_shard_without_clips_is_an_error(videos):
    with pytest.raises(MismatchError, match="shard is empty"):
        extract_statistics(
            videos,
            plan(videos, count=2),
            detector=ToyDetector(),
            config=ExtractionConfig(shard=(0, 20)),
        )


class CountingDetector(ToyDetector):
    calls = 0

    def extract(self, batch):
        type(self).calls += 1
        return batch


def test_features_come_out_of_the_cache_the_second_time(videos, monkeypatch):
    monkeypatch.setattr(CountingDetector, "calls", 0)
    first = extract_statistics(videos, plan(videos), detector=CountingDetector())
    calls = CountingDetector.calls

    second = extract_statistics(videos, plan(videos), detector=CountingDetector())

    assert CountingDetector.calls == calls > 0
    np.testing.assert_array_equal(second.features, first.features)


@pytest.mark.parametrize(
    "change",
    [
        {"choice": "centre"},
        {"num_frames": 3},
        {"frame_stride": 1, "count": 5},
    ],
    ids=["another place", "another length", "fewer"],
)
def test_another_plan_is_not_found_in_the_cache(videos, change, monkeypatch):
    monkeypatch.setattr(CountingDetector, "calls", 0)
    extract_statistics(videos, plan(videos), detector=CountingDetector())
    calls = CountingDetector.calls

    extract_statistics(videos, plan(videos, **change), detector=CountingDetector())

    assert CountingDetector.calls > calls


def test_one_changed_pixel_is_not_found_in_the_cache(videos, monkeypatch):
    monkeypatch.setattr(CountingDetector, "calls", 0)
    extract_statistics(videos, plan(videos), detector=CountingDetector())
    calls = CountingDetector.calls
    videos.frames_u8[3, 0, 0, 0, 0] ^= 1

    extract_statistics(videos, plan(videos), detector=CountingDetector())

    assert CountingDetector.calls == 2 * calls


def test_nan_features_name_the_clip(videos):
    def spoil(batch):
        features = batch.clone()
        features[2, 0] = float("nan")
        return features

    with pytest.raises(FileFormatError, match="toys: video 2, frames 0 to 3: .* returns NaN"):
        extract_statistics(videos, plan(videos), detector=BrokenDetector(spoil))


@pytest.mark.parametrize(
    "answer",
    [lambda x: x[:, :, None], lambda x: x[:2], lambda x: (x, x), lambda x: x.sum()],
    ids=["three axes", "too few rows", "a tuple", "a number"],
)
def test_a_detector_with_the_wrong_output_is_an_error(videos, answer):
    with pytest.raises(FileFormatError, match="toy: the detector gives .* expected \\[4, d\\]"):
        extract_statistics(videos, plan(videos), detector=BrokenDetector(answer))


def test_tf32_is_off_inside_and_back_outside(videos):
    seen = []

    def look(batch):
        seen.append((torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32))
        return batch

    before = torch.get_float32_matmul_precision()
    extract_statistics(videos, plan(videos), detector=BrokenDetector(look))

    assert set(seen) == {("highest", False)}
    assert torch.get_float32_matmul_precision() == before


def test_frames_are_cut_to_squares_first(videos):
    class SizeDetector(ToyDetector):
        def prepare(self, frames_u8):
            assert frames_u8.shape == (4, 8, 8, 3)
            return super().prepare(frames_u8)

    stats = extract_statistics(videos, plan(videos), detector=SizeDetector(), frame_size=8)

    assert stats.num_samples == 11


class CountedVideos(ClipArray):
    """Says how often each frame was read, and how many at once."""

    def __init__(self, frames_u8, *, is_threaded=False):
        super().__init__(frames_u8, name="toys")
        self.is_threaded = is_threaded
        self.reads = np.zeros(frames_u8.shape[:2], int)
        self.largest = 0

    def read_clip(self, video_idx, frame_idx):
        self.reads[video_idx, list(frame_idx)] += 1
        self.largest = max(self.largest, len(frame_idx))
        return super().read_clip(video_idx, frame_idx)


class ColorDetector(ToyDetector):
    """The mean colour of each frame."""

    min_frames = 1

    def prepare(self, frames_u8):
        return frames_u8.float().mean(dim=(1, 2))


def list_requests(videos):
    return [
        FeatureRequest(plan(videos, choice="centre"), ToyDetector()),
        FeatureRequest(plan_frames(videos.num_frames), ColorDetector()),
        FeatureRequest(plan(videos, choice="random", frame_stride=3, seed=1), ToyDetector()),
        FeatureRequest(plan_frames(videos.num_frames, one_each=True), ColorDetector()),
        FeatureRequest(plan(videos, choice="all", count=9), ToyDetector(), frame_size=8),
    ]


@pytest.mark.parametrize("is_threaded", [False, True])
def test_several_detectors_share_one_pass_and_get_what_each_would_alone(is_threaded):
    frames_u8 = draw_videos(7, seed=0, num_frames=40, size=16)
    videos = CountedVideos(frames_u8, is_threaded=is_threaded)
    config = ExtractionConfig(**NO_CACHE)
    requests = list_requests(videos)

    together = extract_together(videos, requests, config=config)

    assert (videos.reads == 1).all()
    for request, stats in zip(requests, together, strict=True):
        alone = extract_statistics(
            videos,
            request.plan,
            detector=request.detector,
            frame_size=request.frame_size,
            config=config,
        )
        np.testing.assert_array_equal(stats.features, alone.features)
        np.testing.assert_array_equal(stats.scatter, alone.scatter)


def test_one_pass_over_long_videos_holds_a_bounded_number_of_frames():
    videos = CountedVideos(draw_videos(1, seed=0, num_frames=500, size=16))
    requests = list_requests(videos)

    extract_together(videos, requests, config=ExtractionConfig(**NO_CACHE))

    assert videos.largest <= 64
    assert videos.reads.mean() < 1.2


def test_what_is_cached_is_not_read_again_for_those_who_lack_it():
    videos = CountedVideos(draw_videos(5, seed=0, num_frames=40, size=16))
    requests = list_requests(videos)
    extract_together(videos, requests[1:2])
    videos.reads[:] = 0

    extract_together(videos, requests[:2])

    assert videos.reads.sum() == 5 * 4


class StopsAt:
    """Videos that one can read until a certain one, and that count what was read."""

    def __init__(self, videos, video_idx):
        self._videos, self._last, self.read = videos, video_idx, []

    def __getattr__(self, name):
        return getattr(self._videos, name)

    def read_clip(self, video_idx, frame_idx):
        if video_idx == self._last:
            raise KeyboardInterrupt
        self.read.append(video_idx)
        return self._videos.read_clip(video_idx, frame_idx)


def test_a_run_that_was_stopped_goes_on_with_the_part_it_was_in(videos, monkeypatch, tmp_path):
    monkeypatch.setattr("mocotool.metrics.extraction.LEAST_VIDEOS", 3)
    requests = [
        FeatureRequest(plan(videos, choice="all", num_frames=2), ToyDetector()),
        FeatureRequest(plan(videos), ToyDetector(), frame_size=8),
    ]
    with pytest.raises(KeyboardInterrupt):
        extract_together(StopsAt(videos, 7), requests)

    rest = StopsAt(videos, None)
    found = extract_together(rest, requests)

    assert set(rest.read) == {6, 7, 8, 9, 10}
    whole = extract_together(videos, requests, config=ExtractionConfig(**NO_CACHE))
    for resumed, expected in zip(found, whole, strict=True):
        np.testing.assert_array_equal(resumed.features, expected.features)
        np.testing.assert_allclose(resumed.scatter, expected.scatter, rtol=1e-12)
    assert len(list((tmp_path / "cache" / "features").iterdir())) == 2  # and no parts
