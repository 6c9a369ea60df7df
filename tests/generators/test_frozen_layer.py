"""The synthesis layer for frozen weights against the one that learns."""

import copy

import pytest
import torch
from torch.testing import assert_close

from mocotool.generators.stylegan2 import StyleGAN2


@pytest.fixture(params=[None, 0.7], ids=["free", "clamped"])
def learning(request):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = StyleGAN2(
            z_dim=6,
            w_dim=6,
            img_resolution=16,
            channels=[6, 5, 4],
            num_mapping_layers=1,
            conv_clamp=request.param,
        )
        for layer in network.synthesis.layers():
            torch.nn.init.constant_(layer.noise_strength, 0.3)
            torch.nn.init.normal_(layer.bias)
        return network


def render_with_gradient(network, noise):
    latent = torch.randn(3, 6, generator=torch.Generator().manual_seed(1)).requires_grad_()
    img = network.synthesis(latent, noise=noise)
    weight = torch.randn(img.shape, generator=torch.Generator().manual_seed(2))
    (grad,) = torch.autograd.grad((img * weight).sum(), latent)
    return img.detach(), grad


@pytest.mark.parametrize("num_maps", [0, 1, 3])
def test_frozen_layers_give_the_picture_and_gradient_of_learning_ones(learning, num_maps):
    frozen = copy.deepcopy(learning).freeze()
    rng = torch.Generator().manual_seed(3)
    noise = frozen.draw_noise(num_maps, rng=rng) if num_maps else [None] * 5

    img, grad = render_with_gradient(frozen, noise)
    expected_img, expected_grad = render_with_gradient(learning, noise)

    assert torch.equal(img, expected_img)
    assert_close(grad, expected_grad, rtol=1e-4, atol=1e-4)


def test_frozen_layers_follow_in_half_precision(learning):
    learning.set_precision(torch.bfloat16)
    frozen = copy.deepcopy(learning).freeze()

    img, grad = render_with_gradient(frozen, None)
    expected_img, expected_grad = render_with_gradient(learning, None)

    assert torch.equal(img, expected_img)
    # Near a limit, rounding decides whether a gradient passes.
    near = 0.02 if frozen.arch["conv_clamp"] is None else 0.1
    assert (grad - expected_grad).norm() < near * expected_grad.norm()


def test_a_frozen_layer_keeps_one_picture():
    network = StyleGAN2(z_dim=6, w_dim=6, img_resolution=32, channels=[8] * 4, num_mapping_layers=1)
    latent = torch.randn(1, 6, requires_grad=True)
    saved = {}

    def note(tensor):
        saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        img = network.freeze().synthesis(latent)

    own = {x.untyped_storage().data_ptr() for x in (*network.parameters(), *network.buffers())}
    kept = sum(size for pointer, size in saved.items() if pointer not in own)
    outputs = 4 * 8 * sum(2 * size**2 for size in (4, 8, 16, 32))  # bytes of all convolutions
    assert img.requires_grad
    assert kept < 1.6 * outputs
