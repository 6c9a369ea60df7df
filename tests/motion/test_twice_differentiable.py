"""The convolution that gradient penalties differentiate twice."""

import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck, gradgradcheck
from torch.testing import assert_close

from mocotool.motion.twice_differentiable import TwiceDifferentiableConv3d
from mocotool.training.networks import input_gradients_only


def make_conv(in_channels, out_channels, stride):
    torch.manual_seed(0)
    return TwiceDifferentiableConv3d(in_channels, out_channels, 4, stride=stride, padding=2)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("shape", [(2, 3, 5, 6, 7), (1, 2, 3, 4, 4)])
def test_it_is_an_ordinary_convolution(stride, shape):
    conv = make_conv(shape[1], 4, stride)
    x = torch.randn(shape, requires_grad=True)
    y = conv(x)
    x_grad, w_grad, b_grad = torch.autograd.grad(y.square().sum(), [x, conv.weight, conv.bias])

    expected = F.conv3d(x, conv.weight, conv.bias, stride=stride, padding=2)
    expected_grads = torch.autograd.grad(expected.square().sum(), [x, conv.weight, conv.bias])

    assert_close(y, expected)
    for ours, theirs in zip((x_grad, w_grad, b_grad), expected_grads, strict=True):
        assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_its_slope_is_right_twice():
    conv = make_conv(1, 1, 2).double()
    x = torch.randn(1, 1, 3, 3, 3, dtype=torch.float64, requires_grad=True)

    assert gradcheck(lambda x: conv(x).tanh(), (x,))
    assert gradgradcheck(lambda x: conv(x).tanh(), (x,))


def test_weights_get_no_gradient_where_only_the_inputs_is_asked_for():
    conv = make_conv(1, 1, 2)
    x = torch.randn(1, 1, 5, 5, 5, requires_grad=True)
    y = conv(x).sum()

    with input_gradients_only():
        y.backward()

    assert x.grad is not None
    assert conv.weight.grad is None


def test_bfloat16_weight_gradients_of_short_clips_are_close():
    conv = make_conv(64, 128, 1)
    x = torch.randn(1, 64, 3, 9, 9)
    conv(x).square().mean().backward()
    exact = conv.weight.grad.clone()
    conv.weight.grad = None

    conv(x.bfloat16()).float().square().mean().backward()

    error = (conv.weight.grad - exact).norm() / exact.norm()
    assert float(error) < 0.02  # bfloat16 keeps 8 bits
