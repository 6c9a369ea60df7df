"""Average content distance: one person is nearer to himself than strangers are to each other."""

import sys
import types
from pathlib import Path

import numpy as np
import pytest
from clip_array import ClipArray

from mocotool.configs.evaluate import FaceProtocol
from mocotool.errors import ConfigError, FileFormatError, UnavailableError
from mocotool.metrics import faces
from mocotool.metrics.detectors import DetectorRecord
from mocotool.metrics.face_distance import compute_acd, mean_pairwise_distance
from mocotool.metrics.faces import FaceVectors, load_face_embedder
from mocotool.metrics.sources import open_videos

DATA = Path(__file__).parents[3] / "shared" / "data"


class ToyEmbedder:
    """The first pixel is the face; a black one is none."""

    record = DetectorRecord(name="toy")
    crop = "whole"

    def embed(self, frames_u8):
        is_found = frames_u8[:, 0, 0, 0] > 0
        return FaceVectors(frames_u8[is_found, 0, 0].astype(np.float32), is_found)


def make_videos(first_pixels):
    videos = np.zeros((len(first_pixels), len(first_pixels[0]), 4, 4, 3), np.uint8)
    videos[:, :, 0, 0] = np.array(first_pixels)[..., None]
    return ClipArray(videos, name="toys")


def test_it_is_the_mean_over_pairs_then_over_videos():
    videos = make_videos([[10, 10, 10], [10, 20, 30]])

    result = compute_acd(videos, embedder=ToyEmbedder())

    # pairs of the second video differ by 10, 20, 10 in three channels
    assert result.value == pytest.approx((0 + np.sqrt(3) * 40 / 3) / 2)
    assert result.metric == "ACD (toy)"


def test_frames_and_videos_without_a_face_are_counted():
    videos = make_videos([[10, 0, 20], [0, 0, 20]])

    details = compute_acd(videos, embedder=ToyEmbedder()).details

    assert details["num_videos_measured"] == 1
    assert details["num_videos_without_faces"] == 1
    assert details["num_frames_without_face"] == 3


def test_no_face_at_all_is_an_error():
    with pytest.raises(FileFormatError, match="toys: no video shows a face"):
        compute_acd(make_videos([[0, 0]]), embedder=ToyEmbedder())


def test_the_ground_truth_is_measured_the_same_way():
    result = compute_acd(
        make_videos([[10, 30]]),
        embedder=ToyEmbedder(),
        protocol=FaceProtocol(num_frames=2),
        ground_truth=make_videos([[10, 12]]),
    )

    assert result.details["ground_truth"]["value"] == pytest.approx(2 * np.sqrt(3))


def test_repeats_draw_other_videos():
    videos = make_videos([[20, 20 + first] for first in range(12)])
    settings = {"num_videos": 3, "num_frames": 2}

    result = compute_acd(
        videos, protocol=FaceProtocol(num_repeats=3, **settings), embedder=ToyEmbedder()
    )

    alone = [
        compute_acd(
            videos, protocol=FaceProtocol(seed=seed, **settings), embedder=ToyEmbedder()
        ).value
        for seed in range(3)
    ]
    assert result.details["values"] == alone
    assert len(set(alone)) == 3
    assert result.std == pytest.approx(np.std(alone, ddof=1))


def test_distances_agree_with_loops():
    vectors = np.random.default_rng(0).standard_normal((6, 5)).astype(np.float32)
    pairs = [np.linalg.norm(a - b) for i, a in enumerate(vectors) for b in vectors[i + 1 :]]

    assert mean_pairwise_distance(vectors) == pytest.approx(np.mean(pairs), rel=1e-6)


def test_an_unknown_network_lists_the_known_ones():
    with pytest.raises(ConfigError, match="no such detector"):
        load_face_embedder("openface")


def test_without_dlib_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "dlib", None)

    with pytest.raises(UnavailableError, match="dlib is not installed") as caught:
        load_face_embedder("dlib")

    assert "mocotool[faces]" in caught.value.hint


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_face_network_that_gives_no_numbers_is_refused_by_name(number, monkeypatch, tmp_path):
    (tmp_path / "dlib_face_recognition_resnet_model_v1.dat").write_bytes(b"weights")
    network = types.SimpleNamespace(
        compute_face_descriptor=lambda chips: [[number] * 128 for _ in chips]
    )
    dlib = types.SimpleNamespace(face_recognition_model_v1=lambda _: network)
    monkeypatch.setattr(faces, "import_dlib", lambda _: dlib)
    monkeypatch.setattr(faces, "find_dlib_models", lambda _: tmp_path)
    monkeypatch.setattr(faces, "FaceFinder", lambda *_, **__: None)
    embedder = load_face_embedder("dlib", crop="whole")

    with pytest.raises(FileFormatError, match=r"resnet_model_v1\.dat: returns NaN or infinity"):
        embedder.embed(np.zeros((2, 16, 16, 3), np.uint8))


@pytest.mark.slow
def test_a_talking_head_is_nearer_to_itself_than_to_generated_faces():
    pytest.importorskip("dlib")
    pytest.importorskip("torch")
    netg = DATA / "face-dcgan" / "netG.pt"
    if not netg.exists():
        pytest.skip(f"{netg} is not here")
    import torch

    from mocotool.generators.loading import load_generator
    from mocotool.layouts import to_frames_u8

    embedder = load_face_embedder("dlib")
    clip = open_videos(DATA / "clips" / "carphone_pristine.mp4").read_clip(0, range(0, 120, 12))
    generator = load_generator(netg)
    z = torch.randn(16, generator.z_dim, generator=torch.Generator().manual_seed(0))
    faces_u8 = to_frames_u8(generator.synthesis(generator.mapping(z))).numpy()

    same = embedder.embed(clip).vectors
    others = load_face_embedder("dlib", crop="whole").embed(faces_u8).vectors

    within = mean_pairwise_distance(same)
    across = np.linalg.norm(same[:, None] - others[None], axis=2).mean()
    assert within < 0.4 < 0.6 < across
