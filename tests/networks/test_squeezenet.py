"""SqueezeNet sees what is on photographs."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the name everyone knows
from skimage import data

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
