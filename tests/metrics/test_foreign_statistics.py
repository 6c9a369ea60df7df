"""Statistics of other programs, in files laid out as those programs lay them out."""

import pickle

import numpy as np
import pytest
import torch
from clip_array import ClipArray
from toy_videos import ToyDetector, draw_videos

from mocotool.configs.evaluate import ExtractionConfig, FrameProtocol, VideoProtocol
from mocotool.errors import FileFormatError, MismatchError
from mocotool.metrics.distances import compute_fvd
from mocotool.metrics.extraction import FeatureExtractor
from mocotool.metrics.foreign_statistics import write_mean_and_covariance
from mocotool.metrics.frame_detectors import PixelDetector
from mocotool.metrics.frame_distances import compute_fid, compute_kid
from mocotool.metrics.frechet import frechet_distance
from mocotool.metrics.sides import open_side
from mocotool.metrics.statistics import FeatureStats

EXTRACTOR = FeatureExtractor(config=ExtractionConfig(use_cache=False))


@pytest.fixture
def features():
    return np.random.default_rng(0).normal(1, 2, (60, 5)).astype(np.float32)


def write_nvidia(path, features):
    """What metric_utils.FeatureStats.save writes."""
    x = features.astype(np.float64)
    state = {
        "capture_all": False,
        "capture_mean_cov": True,
        "max_items": 2048,
        "num_items": len(x),
        "num_features": x.shape[1],
        "all_features": [],
        "raw_mean": x.sum(axis=0),
        "raw_cov": x.T @ x,
    }
    path.write_bytes(pickle.dumps(state))


def write_npz(path, features):
    """What clean-fid and pytorch-fid write."""
    np.savez(path, mu=features.mean(axis=0), sigma=np.cov(features, rowvar=False))


def write_torch_fidelity(path, features):
    """What torch-fidelity keeps."""
    stats = {"mu": features.mean(axis=0), "sigma": np.cov(features, rowvar=False)}
    torch.save(stats, path)


WRITERS = {"s.pkl": write_nvidia, "s.npz": write_npz, "s.pt": write_torch_fidelity}


@pytest.mark.parametrize("name", WRITERS)
def test_mean_and_covariance_are_those_of_the_features(name, features, tmp_path):
    WRITERS[name](tmp_path / name, features)

    stats = open_side(tmp_path / name).stats

    np.testing.assert_allclose(stats.mean, features.mean(axis=0), rtol=1e-5)
    expected = np.cov(features.astype(float), rowvar=False)
    np.testing.assert_allclose(stats.covariance(ddof=1), expected, rtol=1e-5, atol=1e-5)


def test_a_cache_knows_its_number_and_so_both_covariances(features, tmp_path):
    write_nvidia(tmp_path / "s.pkl", features)

    stats = open_side(tmp_path / "s.pkl").stats

    assert stats.num_samples == 60
    expected = np.cov(features.astype(float), rowvar=False, ddof=0)
    np.testing.assert_allclose(stats.covariance(ddof=0), expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", WRITERS)
def test_they_stand_in_for_real_frames_with_a_warning(name, tmp_path):
    real, fake = (ClipArray(draw_videos(30, seed=s, num_frames=3), name="v") for s in (0, 1))
    settings = {"protocol": FrameProtocol(), "detector": PixelDetector(), "extractor": EXTRACTOR}
    direct = compute_fid(real, fake, **settings)
    WRITERS[name](tmp_path / name, direct.statistics["real"].features)

    again = compute_fid(open_side(tmp_path / name), fake, **settings)

    assert again.value == pytest.approx(direct.value, rel=1e-3)
    assert "does not say by which detector" in " ".join(again.warnings)
    with pytest.raises(FileFormatError, match="only statistics are kept"):
        compute_kid(open_side(tmp_path / name), fake, detector=PixelDetector(), extractor=EXTRACTOR)


def test_features_of_another_length_do_not_compare(features, tmp_path):
    write_npz(tmp_path / "s.npz", features)
    fake = ClipArray(draw_videos(20, seed=1, num_frames=8), name="v")
    protocol = VideoProtocol(num_frames=8)

    with pytest.raises(MismatchError, match="features of 5 and of"):
        compute_fvd(
            open_side(tmp_path / "s.npz"), fake, protocol=protocol, detector=ToyDetector(),
            extractor=EXTRACTOR,
        )  # fmt: skip


def test_what_does_not_say_its_number_cannot_be_merged(features, tmp_path):
    write_npz(tmp_path / "s.npz", features)
    stats = open_side(tmp_path / "s.npz").stats

    with pytest.raises(MismatchError, match="without a number of samples"):
        FeatureStats.merge([stats, stats])


BAD = {
    "a code": ("s.pkl", lambda path: path.write_bytes(b"cos\nsystem\n(S'true'\ntR.")),
    "weights": ("s.pt", lambda path: torch.save({"w": torch.zeros(2)}, path)),
    "no samples": ("s.pkl", lambda path: write_nvidia(path, np.zeros((1, 3)))),
    "no covariance": ("s.npz", lambda path: np.savez(path, mu=np.zeros(2), sigma=-np.eye(2))),
    "another shape": ("s.npz", lambda path: np.savez(path, mu=np.zeros(3), sigma=np.eye(2))),
    "no numbers": ("s.npz", lambda path: np.savez(path, mu=np.array(["a"]), sigma=np.eye(1))),
    "infinity": ("s.npz", lambda path: np.savez(path, mu=np.zeros(1), sigma=[[np.inf]])),
}


@pytest.mark.parametrize("case", BAD)
def test_a_file_that_holds_none_is_a_sentence(case, tmp_path):
    name, write = BAD[case]
    write(tmp_path / name)

    with pytest.raises(FileFormatError) as caught:
        open_side(tmp_path / name)

    assert str(caught.value).startswith(f"{tmp_path / name}: ")


def test_statistics_for_other_programs_are_numpys_mean_and_covariance(tmp_path):
    features = np.random.default_rng(5).normal(size=(40, 6)).astype(np.float32)
    others = FeatureStats.from_features(features[:20] + 1)
    stats = FeatureStats.from_features(features)

    write_mean_and_covariance(stats, tmp_path / "theirs.npz")

    with np.load(tmp_path / "theirs.npz", allow_pickle=False) as theirs:
        assert set(theirs) == {"mu", "sigma"}
        np.testing.assert_allclose(theirs["mu"], features.mean(axis=0, dtype=float), rtol=1e-12)
        np.testing.assert_allclose(theirs["sigma"], np.cov(features, rowvar=False), rtol=1e-6)
    again = open_side(tmp_path / "theirs.npz").stats
    ours = frechet_distance(stats, others, ddof=1)
    assert frechet_distance(again, others, ddof=1) == pytest.approx(ours, rel=1e-12)


def test_one_sample_has_no_covariance_to_write(tmp_path):
    with pytest.raises(MismatchError, match="a covariance needs at least 2 samples"):
        write_mean_and_covariance(FeatureStats.from_features(np.ones((1, 3))), tmp_path / "x.npz")
    assert not list(tmp_path.iterdir())
