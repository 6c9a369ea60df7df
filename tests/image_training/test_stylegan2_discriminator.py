"""The image discriminator against a plain implementation, and what must hold for it."""

import pytest
import torch
from reference.stylegan2_plain import append_deviation, discriminate
from torch.testing import assert_close

from mocotool.image_training.stylegan2_discriminator import (
    StyleGAN2Discriminator,
    minibatch_deviation,
)


@pytest.fixture
def discriminator():
    torch.manual_seed(3)
    network = StyleGAN2Discriminator(img_resolution=32, channels=[10, 8, 6, 4])
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("bias"):
                parameter.normal_()
    return network


def test_scores_agree_with_the_plain_discriminator(discriminator):
    img = torch.randn(8, 3, 32, 32)

    scores = discriminator(img)

    assert scores.shape == (8,)
    assert_close(scores, discriminate(discriminator, img), rtol=1e-4, atol=1e-5)


def test_the_slope_and_its_slope_agree_with_the_plain_discriminator(discriminator):
    img = torch.randn(4, 3, 32, 32, requires_grad=True)
    found = []
    for score in (discriminator, lambda x: discriminate(discriminator, x)):
        (slope,) = torch.autograd.grad(score(img).sum(), img, create_graph=True)
        weights = [p for n, p in discriminator.named_parameters() if n.endswith("weight")]
        second = torch.autograd.grad(slope.square().sum(), weights)
        found.append([slope.detach(), *second])

    for ours, plain in zip(*found, strict=True):
        assert_close(ours, plain, rtol=1e-3, atol=1e-4 * plain.abs().max().item())


def test_half_precision_scores_are_near(discriminator):
    img = torch.rand(8, 3, 32, 32) * 2 - 1
    exact = discriminator(img)

    discriminator.compute_dtype = torch.bfloat16
    scores = discriminator(img)

    assert scores.dtype == torch.float32
    assert (scores - exact).abs().max().item() < 0.05 * exact.abs().max().item()


@pytest.mark.parametrize(("n", "group"), [(8, 4), (4, 4), (6, 3), (2, 2), (7, 1), (1, 1), (10, 2)])
def test_groups_are_the_largest_that_fit(n, group):
    x = torch.randn(n, 3, 4, 4)

    assert_close(minibatch_deviation(x), append_deviation(x, group=group))


def test_groups_are_neighbours_so_that_a_split_batch_keeps_them():
    x = torch.randn(16, 3, 4, 4)

    whole = minibatch_deviation(x)

    assert_close(whole, torch.cat([minibatch_deviation(half) for half in x.split(8)]))


def test_equal_images_have_no_deviation_and_a_finite_slope():
    x = torch.ones(4, 2, 3, 3, requires_grad=True)

    channel = minibatch_deviation(x)[:, -1]
    channel.sum().backward()

    assert_close(channel, torch.full_like(channel, 1e-4))
    assert bool(torch.isfinite(x.grad).all())
