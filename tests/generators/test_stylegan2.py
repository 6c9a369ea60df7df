"""StyleGAN2's three architectures against a slow implementation, and what must hold for each."""

import pytest
import torch
from reference.stylegan2_synthesis import ReferenceSynthesis

from mocotool.errors import ConfigError, MismatchError
from mocotool.generators import stylegan2_layers
from mocotool.generators.stylegan2 import StyleGAN2
from mocotool.generators.stylegan2_layers import SynthesisLayer


def make(architecture="skip", conv_clamp=None, **arch):
    torch.manual_seed(11)
    sizes = {"z_dim": 6, "w_dim": 8, "img_resolution": 16, "channels": [10, 8, 6]}
    generator = StyleGAN2(
        **(sizes | arch), architecture=architecture, conv_clamp=conv_clamp, num_mapping_layers=2
    ).freeze()
    with torch.no_grad():
        for name, value in generator.state_dict().items():
            if name.endswith(("noise_strength", "bias", "w_avg")):
                value.add_(0.3 * torch.randn_like(value))
    return generator


@pytest.mark.parametrize("architecture", ["skip", "resnet", "orig"])
@pytest.mark.parametrize("conv_clamp", [None, 0.6], ids=["free", "clamped"])
@pytest.mark.parametrize("noise_mode", ["const", "none"])
def test_synthesis_agrees_with_the_slow_reference(architecture, conv_clamp, noise_mode):
    generator = make(architecture, conv_clamp)
    reference = ReferenceSynthesis(
        generator.state_dict(), architecture=architecture, resolution=16, conv_clamp=conv_clamp
    )
    ws = torch.randn(2, generator.num_ws, 8)

    img = generator.synthesis(ws, noise_mode=noise_mode)

    for sample in range(2):
        expected = reference.render(ws[sample].numpy(), has_noise=noise_mode == "const")
        expected = torch.from_numpy(expected)
        span = float(expected.max() - expected.min())
        assert (img[sample].double() - expected).abs().max() < 1e-5 * span


@pytest.mark.parametrize("architecture", ["skip", "resnet"])
def test_pictures_that_are_not_square_agree_with_the_slow_reference(architecture):
    generator = make(architecture, first_size=[3, 5])
    reference = ReferenceSynthesis(
        generator.state_dict(), architecture=architecture, resolution=16, conv_clamp=None
    )
    ws = torch.randn(1, generator.num_ws, 8)

    img = generator.synthesis(ws)
    drawn = generator.synthesis(ws, noise=generator.draw_noise(1))

    expected = torch.from_numpy(reference.render(ws[0].numpy(), has_noise=True))
    assert img.shape == drawn.shape == (1, 3, *generator.img_size) == (1, 3, 12, 20)
    assert (img[0].double() - expected).abs().max() < 1e-5 * (expected.max() - expected.min())


def test_truncation_at_zero_returns_the_mean():
    generator = make()

    w = generator.mapping(torch.randn(3, 6), truncation_psi=0.0)

    assert torch.equal(w, generator.latent_mean.expand(3, -1))


def test_one_latent_is_the_same_latent_for_every_layer():
    generator = make()
    w = torch.randn(2, 8)

    img = generator.synthesis(w)

    assert torch.equal(img, generator.synthesis(w[:, None].expand(-1, generator.num_ws, -1)))


def test_drawn_noise_stays_where_it_was_drawn():
    generator = make()
    w = torch.randn(2, 8)
    noise = generator.draw_noise(2, rng=torch.Generator().manual_seed(1))

    first = generator.synthesis(w, noise=noise)
    swapped = generator.synthesis(w.flip(0), noise=[m.flip(0) for m in noise])

    assert torch.allclose(first.flip(0), swapped, atol=1e-5)
    assert not torch.allclose(first, generator.synthesis(w, noise_mode="none"))


def test_a_class_is_needed_where_there_are_classes():
    generator = make(c_dim=3)

    with pytest.raises(MismatchError, match="needs a class"):
        generator.mapping(torch.randn(1, 6))
    with pytest.raises(ConfigError, match="from 0 to 2"):
        generator.one_hot(torch.tensor([3]), 1)


def test_gradients_reach_the_latent():
    generator = make()
    w = torch.randn(1, 8, requires_grad=True)

    generator.synthesis(w).square().mean().backward()

    assert w.grad.abs().max() > 0


@pytest.mark.parametrize("shape", [(1, 7), (1, 5, 8), (8,)])
def test_latents_that_do_not_fit_are_refused(shape):
    with pytest.raises(MismatchError):
        make().synthesis(torch.zeros(shape))


def test_bf16_stays_near_float32():
    generator = make()
    w = torch.randn(2, 8)
    exact = generator.synthesis(w)

    rough = generator.set_precision(torch.bfloat16).synthesis(w)

    assert (rough - exact).abs().mean() < 0.02 * exact.std()


# Half precision


@pytest.fixture
def wide_network():
    """512 channels, as in a network of 1024 pixels, and weights that are far from small."""
    torch.manual_seed(0)
    network = StyleGAN2(
        z_dim=16, w_dim=16, img_resolution=8, channels=[512, 512], num_mapping_layers=2
    ).freeze()
    for layer in network.modules():
        if isinstance(layer, SynthesisLayer):
            layer.weight.mul_(8.0)
    return network


@pytest.mark.parametrize("scale", [1.0, 300.0, 3e4])
def test_float16_survives_large_styles(wide_network, scale):
    w = torch.randn(2, 16, generator=torch.Generator().manual_seed(1)) * scale
    with torch.no_grad():
        full = wide_network.synthesis(w)
        half = wide_network.set_precision(torch.float16).synthesis(w)

    assert half.isfinite().all()
    assert (half - full).abs().mean() < 0.01 * full.abs().mean()


def test_styles_that_are_all_zero_are_finite_in_float16(wide_network):
    for layer in wide_network.modules():
        if isinstance(layer, SynthesisLayer):
            layer.affine.bias.zero_()

    with torch.no_grad():
        img = wide_network.set_precision(torch.float16).synthesis(torch.zeros(1, 16))

    assert img.isfinite().all()


def test_float16_without_the_normalisation_overflows(wide_network, monkeypatch):
    for name in ("normalize_weight", "normalize_styles"):
        monkeypatch.setattr(stylegan2_layers, name, lambda x: (x, torch.ones([])))
    w = torch.randn(2, 16, generator=torch.Generator().manual_seed(1)) * 3e4

    with torch.no_grad():
        img = wide_network.set_precision(torch.float16).synthesis(w)

    assert not img.isfinite().all()
