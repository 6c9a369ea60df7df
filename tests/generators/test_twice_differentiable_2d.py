"""Convolutions for gradient penalties: the function, its gradient and the gradient of that."""

import pytest
import torch
import torch.nn.functional as F
from torch.autograd import grad, gradcheck, gradgradcheck
from torch.testing import assert_close

from mocotool.generators.twice_differentiable import convolve_2d
from mocotool.training.networks import input_gradients_only


def draw(*shape):
    rng = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, dtype=torch.float64, generator=rng).requires_grad_(True)


@pytest.mark.parametrize(("stride", "padding"), [(1, 1), (2, 0), (2, 1), (1, 0)])
@pytest.mark.parametrize("size", [(5, 5), (6, 4)])
@pytest.mark.parametrize("has_bias", [True, False])
def test_a_convolution_is_torchs_twice_differentiated(stride, padding, size, has_bias):
    x, weight = draw(1, 2, *size), draw(3, 2, 3, 3)
    bias = draw(3) if has_bias else None

    def convolve(*inputs):
        return convolve_2d(*inputs, stride=stride, padding=padding)

    assert_close(convolve(x, weight, bias), F.conv2d(x, weight, bias, stride, padding))
    assert gradcheck(convolve, (x, weight, bias))
    assert gradgradcheck(convolve, (x, weight, bias))


def test_sparing_weight_gradients_changes_no_second_gradient():
    x, weight = draw(1, 2, 5, 5), draw(3, 2, 3, 3)

    def penalize(spare):
        score = convolve_2d(x, weight, None, padding=1).pow(3).sum()
        if spare:
            with input_gradients_only():
                (slope,) = grad(score, x, create_graph=True)
        else:
            (slope,) = grad(score, x, create_graph=True)
        return grad(slope.square().sum(), weight)[0]

    assert_close(penalize(True), penalize(False))
