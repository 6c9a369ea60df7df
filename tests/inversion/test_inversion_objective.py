import numpy as np
import pytest
import torch
import torch.nn.functional as F
from reference.inversion import (
    build_vgg16,
    mean_square,
    pyramid_distance,
    vgg16_activations,
)
from torch.testing import assert_close

from mocotool.errors import FileFormatError, MismatchError
from mocotool.inversion.objective import (
    PyramidFeatures,
    SqueezeNetFeatures,
    feature_distance,
    inversion_loss,
    inversion_residuals,
)
from mocotool.inversion.quality import measure_quality
from mocotool.networks.lpips import load_lpips
from mocotool.networks.vgg16 import VGG16Features, load_vgg16


def pictures(n=2, size=16, seed=0):
    return torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(seed))


def loss_of(img, target, features, weight=1.0):
    return inversion_loss(
        img=img,
        target=target,
        maps=features(img),
        target_maps=features(target),
        perceptual_weight=weight,
    )


@pytest.mark.parametrize("weight", [0.0, 1.0, 2.5])
def test_the_loss_is_that_of_the_loops(weight):
    img, target = pictures(seed=1), pictures(seed=2)

    loss = loss_of(img, target, PyramidFeatures(), weight)

    expected = [
        mean_square(a, b) + weight * pyramid_distance(a, b)
        for a, b in zip(img.double().numpy(), target.double().numpy(), strict=True)
    ]
    np.testing.assert_allclose(loss.numpy(), expected, rtol=1e-5)


def test_the_loss_of_an_image_does_not_depend_on_the_others():
    img, target = pictures(4, seed=1), pictures(4, seed=2)

    together = loss_of(img, target, PyramidFeatures())
    alone = loss_of(img[2:3], target[2:3], PyramidFeatures())

    assert_close(together[2:3], alone)


def test_the_loss_of_equal_images_is_zero():
    img = pictures()

    assert loss_of(img, img, PyramidFeatures()).tolist() == [0.0, 0.0]


def test_small_images_have_as_many_levels_as_fit():
    assert len(PyramidFeatures()(pictures(size=4))) == 5  # 2 gradients at 4, image and 2 at 2
    assert len(PyramidFeatures()(pictures(size=64))) == 11


# VGG16


@pytest.fixture(scope="module")
def vgg16_path(tmp_path_factory):
    """A file of torchvision's names and shapes, with random weights (convolutions only)."""
    path = tmp_path_factory.mktemp("vgg") / "vgg16.pth"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        torch.save(build_vgg16().state_dict(), path)
    return path


def test_vgg16_reads_torchvisions_names_and_computes_what_its_layers_say(vgg16_path):
    network = build_vgg16()
    network.load_state_dict(torch.load(vgg16_path, weights_only=True))
    img = pictures(1, size=16)

    found = load_vgg16(vgg16_path).activations(img)

    for got, expected in zip(found, vgg16_activations(network, img), strict=True):
        assert_close(got, expected.detach(), rtol=1e-4, atol=1e-5)


def test_vgg16_maps_have_unit_mean_square_at_each_pixel(vgg16_path):
    maps = load_vgg16(vgg16_path)(pictures(1, size=16))

    for found in maps:
        assert_close(found.square().mean(dim=1), torch.ones_like(found[:, 0]), rtol=1e-3, atol=1e-3)


def test_vgg16_is_a_distance_that_gradients_pass(vgg16_path):
    features = load_vgg16(vgg16_path)
    img, target = pictures(1, seed=1).requires_grad_(), pictures(1, seed=2)

    distance = feature_distance(features(img), features(target))
    distance.sum().backward()

    assert distance.item() > 0
    assert img.grad.abs().sum() > 0
    assert not any(p.requires_grad for p in features.parameters())


def test_vgg16_looks_at_large_images_in_256_pixels():
    with torch.device("meta"):
        network = VGG16Features()

        shapes = [tap.shape[-1] for tap in network.activations(torch.empty(1, 3, 512, 512))]

    assert shapes == [256, 128, 64, 32]


@pytest.mark.parametrize("shape", [(1, 1, 16, 16), (1, 3, 4, 4), (3, 16, 16)])
def test_vgg16_refuses_what_is_no_rgb_image(shape):
    with pytest.raises(MismatchError, match="expected \\[n, 3, h, w\\]"):
        VGG16Features().activations(torch.zeros(shape))


def test_a_file_that_is_not_vgg16_says_what_is_missing(tmp_path):
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, tmp_path / "other.pth")

    with pytest.raises(FileFormatError, match="not torchvision's VGG16: features.0.bias is miss"):
        load_vgg16(tmp_path / "other.pth")


def test_vgg16_weights_of_another_shape_are_refused(tmp_path, vgg16_path):
    tensors = torch.load(vgg16_path, weights_only=True)
    tensors["features.2.weight"] = torch.zeros(64, 3, 3, 3)
    torch.save(tensors, tmp_path / "other.pth")

    with pytest.raises(FileFormatError, match=r"features.2.weight is of shape \[64, 3, 3, 3\]"):
        load_vgg16(tmp_path / "other.pth")


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"no weights", "not a file of weights"), (b"PK\x03\x04 cut", "damaged zip"), (b"", "empty")],
)
def test_what_is_no_state_dict_is_refused(tmp_path, content, said):
    (tmp_path / "file.pth").write_bytes(content)

    with pytest.raises(FileFormatError, match=rf"file\.pth: .*{said}") as error:
        load_vgg16(tmp_path / "file.pth")

    assert "moco fetch vgg16" in error.value.hint


def test_the_residuals_are_what_the_loss_adds_the_squares_of():
    img, target = pictures(3), pictures(3, seed=5)
    features = PyramidFeatures()
    arguments = {
        "img": img,
        "target": target,
        "maps": features(img),
        "target_maps": features(target),
        "perceptual_weight": 0.7,
    }

    residuals = inversion_residuals(**arguments)

    assert_close(residuals.square().sum(dim=1), inversion_loss(**arguments))


# Quality


def test_quality_is_that_of_the_bytes_a_file_would_hold():
    img = pictures(1, size=16).clamp(-1, 1)

    psnr, ssim = measure_quality(img * 1.001, img)
    equal_psnr, equal_ssim = measure_quality(img.clamp(-1, 1), img)

    assert psnr.item() > 50
    assert ssim.item() > 0.99
    assert (equal_psnr.item(), equal_ssim.item()) == (100.0, 1.0)


def test_images_smaller_than_the_window_have_no_ssim():
    _, ssim = measure_quality(pictures(1, size=8), pictures(1, size=8))

    assert ssim.isnan().all()


@pytest.mark.parametrize(("size", "seen"), [(16, 128), (64, 128), (150, 150), (300, 256)])
def test_squeezenet_features_are_lpips_of_pictures_of_a_size_it_can_see(size, seen):
    lpips = load_lpips()
    features = SqueezeNetFeatures(lpips)
    img, target = pictures(n=1, size=size), pictures(n=1, size=size, seed=1)
    mode = "area" if seen < size else "bilinear"
    resized = [F.interpolate(each, size=(seen, seen), mode=mode) for each in (img, target)]

    distance = feature_distance(features(img), features(target))

    assert_close(distance, lpips.distance(*resized))
