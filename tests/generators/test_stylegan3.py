"""StyleGAN3 against a slow implementation written from the paper."""

import pytest
import torch
from reference.stylegan3_synthesis import ReferenceSynthesis3

from mocotool.errors import MismatchError
from mocotool.generators.stylegan3 import StyleGAN3, SynthesisPlan

CONFIGS = {
    "t": {"conv_kernel": 3, "use_radial_filters": False},
    "r": {"conv_kernel": 1, "use_radial_filters": True},
}
SIZES = {
    "img_resolution": 32,
    "channel_base": 128,
    "channel_max": 6,
    "num_layers": 6,
    "num_critical": 2,
}


def make_pair(config, seed=3):
    torch.manual_seed(seed)
    generator = StyleGAN3(z_dim=16, w_dim=16, **SIZES, **CONFIGS[config]).freeze()
    state = generator.state_dict()
    with torch.no_grad():
        for name, value in state.items():
            if name.endswith("magnitude_ema"):
                value.fill_(1.7)
            elif name.endswith(("bias", "w_avg")):
                value.add_(0.1 * torch.randn_like(value))
        state["synthesis.input.freqs"].mul_(1.5)
        state["synthesis.input.affine.bias"].copy_(torch.tensor([0.9, 0.3, 0.1, -0.2]))
    reference = ReferenceSynthesis3(
        state,
        resolution=SIZES["img_resolution"],
        num_layers=SIZES["num_layers"],
        num_critical=SIZES["num_critical"],
        base=SIZES["channel_base"],
        most=SIZES["channel_max"],
        kernel=CONFIGS[config]["conv_kernel"],
        is_radial=CONFIGS[config]["use_radial_filters"],
    )
    with torch.no_grad():
        for i in range(SIZES["num_layers"]):
            name = reference.sides(i)[2]
            for kind, kernel in zip(("up", "down"), reference.filters(i), strict=True):
                if kernel is not None:
                    state[f"{name}.{kind}_filter"].copy_(torch.from_numpy(kernel))
    return generator, reference


@pytest.mark.parametrize("config", ["t", "r"])
def test_synthesis_agrees_with_the_slow_reference(config):
    generator, reference = make_pair(config)
    ws = torch.randn(2, generator.num_ws, 16)

    with torch.no_grad():
        img = generator.synthesis(ws)

    for sample in range(2):
        expected = torch.from_numpy(reference.render(ws[sample].numpy()))
        span = float(expected.max() - expected.min())
        assert (img[sample].double() - expected).abs().max() < 1e-4 * span


OFFICIAL_NAMES = {
    "t": "L0_36_512 L1_36_512 L2_52_512 L3_52_512 L4_84_512 L5_148_512 L6_148_512 L7_276_323 "
    "L8_276_203 L9_532_128 L10_1044_81 L11_1044_51 L12_1044_32 L13_1024_32 L14_1024_3",
    "r": "L0_36_1024 L1_36_1024 L2_52_1024 L3_52_1024 L4_84_1024 L5_148_1024 L6_148_1024 "
    "L7_276_645 L8_276_406 L9_532_256 L10_1044_161 L11_1044_102 L12_1044_64 L13_1024_64 "
    "L14_1024_3",
}


@pytest.mark.parametrize("config", ["t", "r"])
def test_layer_names_are_those_of_the_official_1024_pixel_files(config):
    base, most = {"t": (32768, 512), "r": (65536, 1024)}[config]
    plan = SynthesisPlan(img_resolution=1024, channel_base=base, channel_max=most)

    names = [f"L{i}_{row.out_size}_{row.out_channels}" for i, row in enumerate(plan.layers())]

    assert names == OFFICIAL_NAMES[config].split()


def test_a_batch_renders_as_its_samples_do():
    generator, _ = make_pair("t")
    w = torch.randn(3, 16)

    with torch.no_grad():
        together = generator.synthesis(w)
        alone = torch.cat([generator.synthesis(one[None]) for one in w])

    assert (together - alone).abs().max() < 1e-5


def test_noise_modes_make_no_difference():
    generator, _ = make_pair("r")
    w = torch.randn(1, 16)

    with torch.no_grad():
        images = [generator.synthesis(w, noise_mode=mode) for mode in ("const", "random", "none")]

    assert torch.equal(images[0], images[1])
    assert torch.equal(images[0], images[2])
    assert generator.draw_noise(1) == []


def test_latents_of_another_width_are_refused():
    generator, _ = make_pair("t")

    with pytest.raises(MismatchError, match=r"16"):
        generator.synthesis(torch.randn(1, 15))
