"""Detectors are what they claim, and say what to do when they are not there."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mocotool import downloads
from mocotool.bundled import CLIPS_FOLDER
from mocotool.configs.evaluate import VideoProtocol
from mocotool.errors import ConfigError, FileFormatError, UnavailableError
from mocotool.metrics.detectors import MotionDetector, load_video_detector
from mocotool.metrics.frame_detectors import PixelDetector, SqueezeNetDetector, load_frame_detector
from mocotool.metrics.inception_score import load_score_detector
from mocotool.networks import c3d
from mocotool.networks.c3d import C3D
from mocotool.networks.facenet import FaceNet
from mocotool.networks.inception import Inception
from mocotool.networks.shapes_only import shapes_only
from mocotool.video.opening import open_video
from mocotool.video.reading import read_frames

PROTOCOL = VideoProtocol()


@pytest.fixture(autouse=True)
def _empty_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("MOCO_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("load", "name"),
    [
        (lambda: load_video_detector("i3d", protocol=PROTOCOL), "i3d"),
        (lambda: load_video_detector("i3d-torchscript", protocol=PROTOCOL), "i3d-torchscript"),
        (lambda: load_frame_detector("inception"), "inception"),
        (load_score_detector, "c3d"),
    ],
)
def test_missing_weights_say_how_to_get_them(load, name):
    with pytest.raises(UnavailableError) as caught:
        load()

    assert f"moco fetch {name}" in caught.value.hint
    assert downloads.PUBLISHED[name].url in caught.value.hint
    assert str(downloads.cached_path(name)) in caught.value.hint


@pytest.mark.parametrize("load", [load_frame_detector, None])
def test_a_detector_that_does_not_exist_lists_those_that_do(load):
    load = load or (lambda name: load_video_detector(name, protocol=PROTOCOL))

    with pytest.raises(ConfigError, match="no such detector") as caught:
        load("vgg")

    assert "torchscript:FILE" in caught.value.hint


def test_weights_of_another_network_are_refused(tmp_path):
    torch.save({"conv.weight": torch.zeros(3)}, tmp_path / "other.pt")

    with pytest.raises(FileFormatError, match=r"other\.pt: the tensors do not fit"):
        load_video_detector(str(tmp_path / "other.pt"), protocol=PROTOCOL)


class Mean(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(dim=[2, 3, 4])


@pytest.fixture
def program(tmp_path):
    path = tmp_path / "mean.pt"
    with pytest.warns(DeprecationWarning, match="torch.jit"):
        torch.jit.script(Mean()).save(str(path))
    return path


def test_a_named_program_is_run_and_named_in_the_result(program):
    warnings = []

    detector = load_video_detector(
        f"torchscript:{program}", protocol=PROTOCOL, warn=warnings.append
    )
    batch = detector.prepare(torch.full((16, 20, 30, 3), 255, dtype=torch.uint8))

    assert batch.shape == (1, 3, 16, 224, 224)
    assert detector.extract(batch).tolist() == [[1.0, 1.0, 1.0]]
    assert detector.record.name_metric("FVD", general="frechet distance") == (
        "frechet distance (mean.pt)"
    )
    assert "is a program" in warnings[0]


def test_a_program_in_the_cache_is_not_opened_with_a_wrong_hash(program):
    path = downloads.cached_path("i3d-torchscript")
    path.parent.mkdir(parents=True)
    path.write_bytes(program.read_bytes())

    with pytest.raises(UnavailableError, match="is not the file 'i3d-torchscript'"):
        load_video_detector("i3d-torchscript", protocol=PROTOCOL)


class Weighed(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(3))
        self.register_buffer("mean", torch.zeros(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(dim=[2, 3, 4]) * self.weight - self.mean


@pytest.mark.parametrize("name", ["weight", "mean"])
@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_program_whose_weights_are_no_numbers_is_refused_by_name(name, number, tmp_path):
    module = Weighed()
    module.state_dict()[name][1] = number
    with pytest.warns(DeprecationWarning, match="torch.jit"):
        torch.jit.script(module).save(str(tmp_path / "d.pt"))

    for load in (load_video_detector, load_frame_detector):
        given = {"protocol": PROTOCOL} if load is load_video_detector else {}
        with pytest.raises(FileFormatError, match=rf"d\.pt: the tensor {name} holds NaN or inf"):
            load(f"torchscript:{tmp_path / 'd.pt'}", **given)


def test_a_file_that_is_no_program_is_an_error(tmp_path):
    (tmp_path / "text.pt").write_text("hello")

    with pytest.raises(FileFormatError, match=r"text\.pt: not a TorchScript file"):
        load_video_detector(f"torchscript:{tmp_path / 'text.pt'}", protocol=PROTOCOL)


@pytest.mark.parametrize("resize", ["squash", "crop"])
def test_i3d_input_is_what_the_protocol_says(program, resize):
    protocol = VideoProtocol(resize=resize)
    frames = torch.zeros(16, 20, 40, 3, dtype=torch.uint8)
    frames[:, :, :10] = 255  # the left quarter, which a centre crop leaves out

    detector = load_video_detector(f"torchscript:{program}", protocol=protocol)
    batch = detector.prepare(frames)

    assert batch.amin() == -1.0
    assert (batch.amax() > 0.999) == (resize == "squash")


def test_inception_has_the_tensors_of_the_published_file():
    with shapes_only():
        network = Inception()
    tensors = network.state_dict()

    # torchvision's InceptionV3 without its auxiliary head, with 1,008 classes
    assert len(tensors) == 566
    assert tensors["fc.weight"].shape == (1008, 2048)
    assert tensors["Mixed_6c.branch7x7dbl_3.conv.weight"].shape == (160, 160, 1, 7)
    assert sum(t.numel() for t in network.parameters()) == 23_850_960


def test_facenet_has_the_tensors_of_the_published_file():
    with shapes_only():
        network = FaceNet()
    tensors = network.state_dict()

    assert tensors["repeat_2.9.branch1.1.conv.weight"].shape == (128, 128, 1, 7)
    assert tensors["mixed_7a.branch2.2.conv.weight"].shape == (256, 256, 3, 3)
    assert tensors["logits.weight"].shape == (8631, 512)
    assert sum(t.numel() for t in network.parameters()) == 27_910_327


@pytest.fixture
def c3d_arrays():
    with shapes_only():
        network = C3D()
    arrays = {}
    for name, parameter in network.named_parameters():
        layer, _, kind = name.rpartition(".")
        arrays[f"{layer}/{'W' if kind == 'weight' else 'b'}"] = np.broadcast_to(
            np.float32(0.0), tuple(parameter.shape)
        )
    bias = np.random.default_rng(0).standard_normal(101).astype(np.float32)
    return arrays | {"fc8/b": bias}


def read_instead(monkeypatch, files):
    monkeypatch.setattr(c3d, "read_npz", lambda path, name: files[path.name])
    return c3d.load_c3d(Path("c3d.npz"), Path("mean.npz"))


def test_c3d_reads_chainers_names(c3d_arrays, monkeypatch):
    mean = np.arange(3 * 16 * 128 * 171, dtype=np.float32).reshape(3, 16, 128, 171)

    network = read_instead(monkeypatch, {"c3d.npz": c3d_arrays, "mean.npz": {"mean": mean}})

    np.testing.assert_array_equal(network.fc8.bias.detach(), c3d_arrays["fc8/b"])
    np.testing.assert_array_equal(network.mean, mean[..., 8:120, 8:120])


@pytest.mark.slow
def test_c3d_gives_probabilities(c3d_arrays, monkeypatch):
    mean = np.zeros((3, 16, 128, 171), np.float32)
    network = read_instead(monkeypatch, {"c3d.npz": c3d_arrays, "mean.npz": {"mean": mean}}).eval()

    with torch.inference_mode():
        probabilities = network(torch.zeros(1, 3, 16, 112, 112))

    bias = c3d_arrays["fc8/b"]  # all that is left where every weight is zero
    np.testing.assert_allclose(
        probabilities[0].numpy(), np.exp(bias) / np.exp(bias).sum(), rtol=1e-5
    )


def test_a_mean_clip_of_another_shape_is_refused(c3d_arrays, monkeypatch):
    mean = np.zeros((3, 16, 112, 112), np.float32)

    with pytest.raises(FileFormatError, match="'mean' is \\[3, 16, 112, 112\\]"):
        read_instead(monkeypatch, {"c3d.npz": c3d_arrays, "mean.npz": {"mean": mean}})


def test_a_missing_layer_is_named(c3d_arrays, monkeypatch):
    del c3d_arrays["conv3b/W"]

    with pytest.raises(FileFormatError, match="c3d.npz: 'conv3b/W' is nothing"):
        read_instead(monkeypatch, {"c3d.npz": c3d_arrays, "mean.npz": {}})


def test_detectors_without_weights_take_any_size():
    frames = torch.randint(0, 256, (8, 37, 53, 3), dtype=torch.uint8)

    motion, pixels, squeezenet = MotionDetector(), PixelDetector(), SqueezeNetDetector()

    assert motion.extract(motion.prepare(frames)).shape == (1, 43)
    assert squeezenet.extract(squeezenet.prepare(frames)).shape == (8, 512)
    assert pixels.extract(pixels.prepare(frames)).shape == (8, 453)


def test_squeezenet_features_of_frames_have_a_mean_square_near_one():
    detector = load_frame_detector("squeezenet")
    first = [read_frames(open_video(path), [0])[0] for path in sorted(CLIPS_FOLDER.glob("*.mp4"))]

    features = detector.extract(detector.prepare(torch.from_numpy(np.stack(first))))

    assert 0.5 < features.square().mean() < 2.0
    assert detector.record.name_metric("FID", general="frechet distance") == (
        "frechet distance (squeezenet features)"
    )


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        ("signed", (-1.0, 51 / 127.5 - 1, 1.0)),
        ("unit", (0.0, 0.2, 1.0)),
        ("imagenet", (-0.485 / 0.229, (0.2 - 0.456) / 0.224, (1.0 - 0.406) / 0.225)),
    ],
)
def test_programs_get_pixels_as_the_protocol_scales_them(program, pixels, expected):
    protocol = VideoProtocol(pixels=pixels)
    detector = load_video_detector(f"torchscript:{program}", protocol=protocol)
    frames_u8 = torch.tensor([0, 51, 255], dtype=torch.uint8).expand(2, 32, 32, 3)

    features = detector.extract(detector.prepare(frames_u8))

    torch.testing.assert_close(features, torch.tensor([expected]))


def test_networks_of_other_pixels_refuse_the_protocols_of_theirs():
    for name in ("motion", "i3d"):
        with pytest.raises(ConfigError, match="protocol cd-fvd, pixels unit"):
            load_video_detector(name, protocol=VideoProtocol.from_preset("cd-fvd"))
