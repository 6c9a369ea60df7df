"""Filtering, doubling and halving: against zero stuffing, and twice differentiated."""

import pytest
import torch
from reference.stylegan2_plain import resampling, upfirdn
from torch.autograd import gradcheck, gradgradcheck
from torch.testing import assert_close

from mocotool.generators.resampling import downsample_2d, filter_2d, fir_kernel, upsample_2d

OPERATIONS = {
    "filter, padded by 1": (
        lambda x, kernel: filter_2d(x, kernel, padding=1),
        lambda x: upfirdn(x, pad=(1, 1)),
    ),
    "filter, padded by 2": (
        lambda x, kernel: filter_2d(x, kernel, padding=2),
        lambda x: upfirdn(x, pad=(2, 2)),
    ),
    "double": (upsample_2d, lambda x: upfirdn(x, up=2, pad=(2, 1), gain=4.0)),
    "halve": (downsample_2d, lambda x: upfirdn(x, down=2, pad=(1, 1))),
}


@pytest.fixture(params=OPERATIONS)
def operation(request):
    return OPERATIONS[request.param]


def draw(*shape, dtype=torch.float32):
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(sum(shape)))


def test_it_is_what_zero_stuffing_and_filtering_give(operation):
    ours, plain = operation
    x = draw(2, 3, 6, 8)
    assert_close(ours(x, fir_kernel()), plain(x))


def test_the_plain_programs_of_the_benches_give_the_same(operation):
    _, plain = operation
    x = draw(2, 3, 6, 8)
    with resampling("kind"):
        kind = plain(x)
    assert_close(kind, plain(x))


def test_it_can_be_differentiated_twice(operation):
    x, kernel = draw(1, 2, 4, 6, dtype=torch.float64).requires_grad_(True), fir_kernel().double()
    assert gradcheck(lambda x: operation[0](x, kernel), (x,))
    assert gradgradcheck(lambda x: operation[0](x, kernel), (x,))


def test_it_keeps_type_and_layout(operation):
    x = draw(2, 4, 8, 8).to(torch.bfloat16).contiguous(memory_format=torch.channels_last)
    y = operation[0](x, fir_kernel())
    assert y.dtype == torch.bfloat16
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert_close(y.float(), operation[0](x.float(), fir_kernel()), atol=0.02, rtol=0.02)
