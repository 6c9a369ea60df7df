"""SqueezeNet sees what is on photographs."""

import pytest
import torch
import torch.nn.functional as F
from reference.squeezenet import activations
from skimage import data
from torch.testing import assert_close

from mocotool.errors import MismatchError
from mocotool.layouts import from_frames_u8
from mocotool.networks.squeezenet import load_squeezenet

CATS = {281, 282, 283, 284, 285}  # ImageNet: tabby, tiger, Persian, Siamese, Egyptian cat
ESPRESSO = {967}


@pytest.fixture(scope="module")
def network():
    return load_squeezenet()


def read_square(name):
    picture = torch.from_numpy(getattr(data, name)().copy())  # [h, w, 3]
    size = min(picture.shape[:2])
    top, left = (picture.shape[0] - size) // 2, (picture.shape[1] - size) // 2
    square = picture[top : top + size, left : left + size].movedim(-1, 0)[None]
    img = square.float() / 127.5 - 1.0
    return F.interpolate(img, size=(227, 227), mode="bilinear", antialias=True)


@pytest.mark.parametrize(("name", "classes"), [("chelsea", CATS), ("coffee", ESPRESSO)])
def test_photographs_get_their_classes(network, name, classes):
    with torch.no_grad():
        share = network(read_square(name)).softmax(dim=1)[0]

    assert share[list(classes)].sum() > 0.9


@pytest.mark.parametrize("shape", [(32, 32), (33, 46), (64, 50)])
def test_activations_agree_with_loops(network, shape):
    photograph = data.chelsea()[100 : 100 + shape[0], 120 : 120 + shape[1]]
    weights = {name: tensor.double().numpy() for name, tensor in network.state_dict().items()}

    with torch.no_grad():
        img = from_frames_u8(photograph.copy())[None]
        found, logits, pooled = network.activations(img), network(img)[0], network.pooled(img)[0]

    expected, expected_logits = activations(photograph, weights)
    assert [tap.shape[1] for tap in found] == list(network.tap_dims)
    for tap, values in zip(found, expected, strict=True):
        # float32 against float64: seen 1e-6 of the largest
        assert_close(tap[0].double().numpy(), values, rtol=0, atol=1e-5 * values.max())
    assert_close(logits.double().numpy(), expected_logits, rtol=0, atol=1e-4)
    means = expected[-1].mean(axis=(1, 2))
    assert_close(pooled.double().numpy(), means, rtol=0, atol=1e-5 * means.max())


def test_bfloat16_moves_features_by_a_hundredth(network):
    img = read_square("chelsea")

    with torch.no_grad():
        exact, rough = network.pooled(img), load_squeezenet(dtype=torch.bfloat16).pooled(img)

    assert rough.dtype == torch.float32
    assert (rough - exact).norm() < 0.02 * exact.norm()


def test_weights_stay_and_pictures_get_gradients(network):
    img = read_square("coffee")[..., :64, :64].clone().requires_grad_()

    network.pooled(img).sum().backward()

    assert img.grad.abs().sum() > 0
    assert not any(weight.requires_grad for weight in network.parameters())


@pytest.mark.parametrize("shape", [(1, 3, 31, 64), (1, 1, 64, 64), (3, 64, 64)])
def test_pictures_it_cannot_see_are_refused(network, shape):
    with pytest.raises(MismatchError, match="at least 32 pixels"):
        network.activations(torch.zeros(shape))
