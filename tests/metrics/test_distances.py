"""FVD and its kin say what they are, and rank what is worse as worse."""

import dataclasses
import json

import numpy as np
import pytest
from clip_array import ClipArray
from toy_videos import ToyDetector, draw_videos

from mocotool.configs.evaluate import ExtractionConfig, VideoProtocol
from mocotool.errors import ConfigError, FileFormatError, MismatchError
from mocotool.metrics.detectors import MotionDetector
from mocotool.metrics.distances import compute_fvd, compute_kvd
from mocotool.metrics.extraction import FeatureExtractor
from mocotool.metrics.frame_detectors import PixelDetector
from mocotool.metrics.frame_distances import compute_fid
from mocotool.metrics.measuring import feature_settings
from mocotool.metrics.saved_statistics import SavedStatistics, save_statistics
from mocotool.metrics.side_warnings import find_stride_warnings
from mocotool.metrics.statistics import read_statistics

PROTOCOL = VideoProtocol(num_frames=8, real_clips="first", covariance="unbiased")
EXTRACTOR = FeatureExtractor(config=ExtractionConfig(use_cache=False))


@pytest.fixture(scope="module")
def real():
    return draw_videos(80, seed=0, num_frames=8)


@pytest.fixture(scope="module")
def other():
    return draw_videos(80, seed=1, num_frames=8)


def measure(a, b, compute=compute_fvd, **settings):
    return compute(
        ClipArray(a, name="a"),
        ClipArray(b, name="b"),
        protocol=dataclasses.replace(PROTOCOL, **settings),
        detector=MotionDetector(),
        extractor=EXTRACTOR,
    )


def shuffle_frames(videos):
    rng = np.random.default_rng(5)
    return np.stack([video[rng.permutation(len(video))] for video in videos])


def blur(videos):
    padded = np.pad(videos.astype(float), ((0, 0), (0, 0), (2, 2), (2, 2), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5), axis=(2, 3))
    return windows.mean(axis=(-2, -1)).astype(np.uint8)


def add_noise(videos):
    noise = np.random.default_rng(6).normal(0, 8, videos.shape)
    return np.clip(videos + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("compute", [compute_fvd, compute_kvd])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda videos: np.repeat(videos[:, :1], 8, axis=1),
        shuffle_frames,
        blur,
        add_noise,
        lambda _: draw_videos(80, seed=1, num_frames=8, speed=3.0),
    ],
    ids=["frozen", "shuffled", "blurred", "noisy", "too fast"],
)
def test_spoilt_clips_are_farther_from_real_ones_than_real_ones(compute, spoil, real, other):
    floor = measure(real, other, compute).value

    spoilt = measure(real, spoil(other), compute).value

    assert spoilt > 2 * max(floor, 0.0)


def test_only_the_published_detector_makes_an_fvd(real):
    assert measure(real[:10], real[10:20]).metric == "frechet distance (motion features)"
    assert (
        measure(real[:10], real[10:20], compute_kvd).metric == "kernel distance (motion features)"
    )


def test_swapping_the_sides_changes_nothing_if_both_are_read_alike(real, other):
    there, back = measure(real, other), measure(other, real)

    assert there.value == pytest.approx(back.value, rel=1e-6)


def test_the_result_states_every_setting(real, other):
    result = json.loads(json.dumps(measure(real, other).as_json()))

    assert result["schema"] == "moco.eval/1"
    assert set(result["protocol"]) == {f.name for f in dataclasses.fields(VideoProtocol)}
    assert result["inputs"]["real"]["num_clips"] == 80
    assert result["inputs"]["fake"]["sizes"] == {"32x32": 80}
    assert result["detector"]["name"] == "motion"
    assert list(result) == [
        *("schema", "metric", "value", "std", "standard_error", "unit", "protocol", "detector"),
        *("inputs", "details", "numerics", "device", "warnings", "version"),
    ]


def test_few_samples_are_warned_of(real, other):
    warnings = " ".join(measure(real, other[:20]).warnings)

    assert "real: 80 clips; below 2,048" in warnings
    assert "fake: 20 clips; below 2,048" in warnings
    assert "covariance is singular" in warnings


def test_the_same_videos_on_both_sides_are_warned_of(real):
    result = measure(real, real.copy())

    assert any("both sides are the same videos" in warning for warning in result.warnings)
    assert result.value == pytest.approx(0.0, abs=1e-6)


def test_sides_of_different_size_are_warned_of(real):
    small = draw_videos(20, seed=2, num_frames=8, size=24)

    result = measure(real, small)

    assert any("real 32x32 and fake 24x24" in warning for warning in result.warnings)


def test_repeats_give_a_mean_and_a_spread():
    long = draw_videos(30, seed=3, num_frames=16)

    result = measure(long, long[::-1], real_clips="random", fake_clips="random", num_repeats=3)

    assert len(result.details["values"]) == 3
    assert result.value == pytest.approx(np.mean(result.details["values"]))
    assert result.std == pytest.approx(np.std(result.details["values"], ddof=1))


def test_ground_truth_is_real_against_real(real, other):
    result = compute_fvd(
        ClipArray(real),
        ClipArray(add_noise(other)),
        protocol=PROTOCOL,
        detector=MotionDetector(),
        extractor=EXTRACTOR,
        ground_truth=True,
    )

    truth = result.details["ground_truth"]
    assert truth["num_clips_each"] == 40
    assert truth["value"] < result.value / 2


def test_the_covariance_choice_changes_the_number_a_little(real, other):
    biased = measure(real, other, covariance="biased").value

    assert biased != measure(real, other).value
    assert biased == pytest.approx(measure(real, other).value, rel=0.05)


def test_real_clips_of_stride_two_are_near_what_moves_twice_as_fast():
    slow = draw_videos(80, seed=0, num_frames=15)
    fast = draw_videos(80, seed=1, num_frames=15)[:, ::2]

    apart = measure(slow, fast).value
    alike = measure(slow, fast, real_stride=2).value
    by_hand = measure(slow[:, ::2], fast).value

    assert alike == pytest.approx(by_hand, rel=1e-9)
    assert alike < apart / 2


def test_generated_clips_have_a_stride_of_their_own():
    real, fake = draw_videos(30, seed=0, num_frames=8), draw_videos(30, seed=1, num_frames=15)

    result = measure(real, fake, fake_stride=2)

    assert result.value == pytest.approx(measure(real, fake[:, ::2]).value, rel=1e-9)


@pytest.mark.parametrize(
    ("recorded", "strides", "is_warned"),
    [
        (2, {}, True),
        (2, {"real_stride": 2}, False),
        (2, {"frame_stride": 2}, True),
        (2, {"real_stride": 4, "fake_stride": 2}, False),
        (1, {}, False),
        (None, {}, False),
    ],
)
def test_strides_that_differ_are_warned_of(recorded, strides, is_warned):
    protocol = dataclasses.replace(PROTOCOL, **strides)
    reports = {"real": {}, "fake": {"recorded_stride": recorded}}

    warnings = find_stride_warnings(reports, protocol=protocol)

    assert bool(warnings) is is_warned
    if is_warned:
        wanted = recorded * protocol.stride_of("fake")
        assert f"add --real-stride {wanted} " in warnings[0]


def test_statistics_of_another_stride_do_not_compare(tmp_path):
    real, fake = draw_videos(20, seed=0, num_frames=15), draw_videos(20, seed=1, num_frames=8)
    targets = {role: tmp_path / f"{role}.npz" for role in ("real", "fake")}
    protocol = dataclasses.replace(PROTOCOL, real_stride=2)
    features = {role: feature_settings(protocol, ToyDetector(), role) for role in targets}
    save_statistics(measure(real, fake, real_stride=2), targets, features=features)
    saved = SavedStatistics(*read_statistics(targets["real"]), "real.npz")
    settings = {"detector": MotionDetector(), "extractor": EXTRACTOR}

    again = compute_fvd(saved, ClipArray(fake), protocol=protocol, **settings)

    assert again.value == pytest.approx(measure(real, fake, real_stride=2).value, rel=1e-9)
    with pytest.raises(MismatchError, match="measured with frame stride 2, this comparison has 1"):
        compute_fvd(saved, ClipArray(fake), protocol=PROTOCOL, **settings)


def test_sizes_that_are_made_equal_are_not_warned_of():
    small, large = draw_videos(20, seed=0, num_frames=8), draw_videos(20, seed=1, num_frames=8)
    large = large.repeat(2, axis=2).repeat(2, axis=3)

    plain = " ".join(measure(small, large).warnings)
    resized = " ".join(measure(small, large, frame_size=16).warnings)

    assert "the sides differ in size" in plain
    assert "differ in size" not in resized


def test_saved_statistics_stand_in_for_the_videos(real, other, tmp_path):
    result = measure(real, other)
    targets = {role: tmp_path / f"{role}.npz" for role in ("real", "fake")}
    features = {"num_frames": 8, "frame_stride": 1, "frame_size": None}
    features |= {"resize": "squash", "interpolation": "bilinear"}
    save_statistics(result, targets, features=dict.fromkeys(targets, features))

    again = compute_fvd(
        *(SavedStatistics(*read_statistics(path), str(path)) for path in targets.values()),
        protocol=PROTOCOL,
        detector=MotionDetector(),
        extractor=EXTRACTOR,
    )

    assert again.value == pytest.approx(result.value, rel=1e-9)
    assert again.inputs["real"]["kind"] == "statistics"
    assert again.inputs["real"]["num_clips"] == 80


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_frames": 6}, "measured with num frames 8, this comparison has 6"),
        ({"resize": "crop"}, "measured with resize squash, this comparison has crop"),
    ],
)
def test_statistics_of_another_protocol_do_not_compare(real, other, tmp_path, change, message):
    result = measure(real, other)
    features = {"num_frames": 8, "frame_stride": 1, "frame_size": None}
    features |= {"resize": "squash", "interpolation": "bilinear"}
    save_statistics(result, {"real": tmp_path / "real.npz"}, features={"real": features})
    saved = SavedStatistics(*read_statistics(tmp_path / "real.npz"), "real.npz")

    with pytest.raises(MismatchError, match=message):
        compute_fvd(
            saved,
            ClipArray(other),
            protocol=dataclasses.replace(PROTOCOL, **change),
            detector=MotionDetector(),
            extractor=EXTRACTOR,
        )


def test_statistics_of_another_detector_do_not_compare(real, other, tmp_path):
    targets = {"real": tmp_path / "real.npz"}
    save_statistics(measure(real, other), targets, features={"real": {}})
    saved = SavedStatistics(*read_statistics(tmp_path / "real.npz"), "real.npz")

    with pytest.raises(MismatchError, match="detector name motion, this comparison has toy"):
        compute_fvd(saved, ClipArray(other), protocol=PROTOCOL, detector=ToyDetector())


def test_a_kernel_distance_needs_the_features_themselves(real, other, tmp_path):
    result = measure(real, other)
    bare = dataclasses.replace(result.statistics["real"], features=None)
    meta = {"detector": result.detector, "features": {}}
    side = SavedStatistics(bare, meta | {"features": _features()}, "real.npz")

    with pytest.raises(FileFormatError, match=r"real\.npz: only statistics are kept"):
        compute_kvd(
            side,
            ClipArray(other),
            protocol=PROTOCOL,
            detector=MotionDetector(),
            extractor=EXTRACTOR,
        )


def _features():
    names = ("num_frames", "frame_stride", "frame_size", "resize", "interpolation")
    return {name: getattr(PROTOCOL, name) for name in names}


def test_clips_shorter_than_the_detector_needs_are_an_error(real):
    with pytest.raises(ConfigError, match="3 frames, the detector motion needs at least 5"):
        measure(real, real, num_frames=3)


def test_pixel_features_rank_spoilt_frames_as_worse(real, other):
    def distance(videos):
        return compute_fid(
            ClipArray(real[:, :1]),
            ClipArray(videos[:, :1]),
            detector=PixelDetector(),
            extractor=EXTRACTOR,
        )

    floor = distance(other)

    assert floor.metric == "frechet distance (pixel features)"
    for spoil in (blur, lambda v: v // 2, lambda v: v[:, :, ::-1, :, :1].repeat(3, axis=-1)):
        assert distance(np.ascontiguousarray(spoil(other))).value > 2 * floor.value
