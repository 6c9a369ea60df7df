"""LPIPS computes what the published program computes with the same weights."""

import pytest
import torch
from reference.squeezenet import lpips_distance
from skimage import data
from torch.testing import assert_close

from mocotool.errors import MismatchError
from mocotool.layouts import from_frames_u8
from mocotool.networks.lpips import load_lpips

# Computed by PyPI lpips 0.1.4 with our weights in its SqueezeNet, and our bytes less their mean in
# place of its scaling: (photograph, top, left), twice; size; distance.
GOLDEN = [
    (("chelsea", 100, 120), ("chelsea", 104, 124), 64, 0.08797909),
    (("chelsea", 100, 120), ("coffee", 100, 120), 96, 0.66494083),
    (("coffee", 0, 0), ("coffee", 4, 4), 33, 0.00586408),
    (("astronaut", 0, 0), ("astronaut", 0, 8), 128, 0.15360732),
]


@pytest.fixture(scope="module")
def lpips():
    return load_lpips()


def cut(place, size):
    name, top, left = place
    return getattr(data, name)()[top : top + size, left : left + size].copy()


@pytest.mark.parametrize(("a", "b", "size", "distance"), GOLDEN)
def test_distances_are_those_of_the_published_program(lpips, a, b, size, distance):
    pair = [from_frames_u8(cut(place, size))[None] for place in (a, b)]

    found = lpips.distance(*pair)

    assert found.tolist() == pytest.approx([distance], rel=1e-4)


def test_the_distance_agrees_with_loops(lpips):
    pair = [cut(("chelsea", 100, left), 32) for left in (120, 126)]
    weights = {n: t.double().numpy() for n, t in lpips.network.state_dict().items()}
    # A scale is the root of channels times weight.
    rows = [(s.double().square() / len(s)).flatten().numpy() for s in lpips.scales]

    found = lpips.distance(*(from_frames_u8(picture)[None] for picture in pair))

    assert found.item() == pytest.approx(lpips_distance(*pair, weights, rows), rel=1e-4)


def test_the_distance_is_the_mean_square_difference_of_its_maps(lpips):
    a, b = (from_frames_u8(cut(("coffee", top, 0), 48))[None] for top in (0, 9))

    parts = [(x - y).square().mean() for x, y in zip(lpips(a), lpips(b), strict=True)]

    assert_close(lpips.distance(a, b), sum(parts)[None])


def test_equal_pictures_are_at_distance_zero_and_flat_ones_have_finite_gradients(lpips):
    flat = torch.ones(2, 3, 40, 40, requires_grad=True)

    same = lpips.distance(flat, flat.detach())
    lpips.distance(flat, torch.zeros(2, 3, 40, 40)).sum().backward()

    assert same.tolist() == [0.0, 0.0]
    assert torch.isfinite(flat.grad).all()


def test_pictures_of_two_sizes_are_refused(lpips):
    with pytest.raises(MismatchError, match="cannot be compared"):
        lpips.distance(torch.zeros(1, 3, 32, 32), torch.zeros(1, 3, 40, 40))
