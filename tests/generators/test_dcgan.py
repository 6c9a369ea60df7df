"""DCGAN: state dicts of any width and depth."""

import pytest
import torch

from mocotool.errors import FileFormatError, MismatchError
from mocotool.generators.dcgan import DCGAN
from mocotool.generators.loading import load_generator


def state_of(generator):
    return {k.removeprefix("synthesis."): v for k, v in generator.state_dict().items()}


@pytest.mark.parametrize("has_bias", [False, True])
@pytest.mark.parametrize("channels", [[8], [12, 8, 6, 4, 2]])
def test_sizes_come_from_the_shapes(tmp_path, channels, has_bias):
    torch.manual_seed(0)
    generator = DCGAN(z_dim=10, channels=channels, img_channels=1, has_bias=has_bias).freeze()
    torch.save(state_of(generator), tmp_path / "netG.pt")

    again = load_generator(tmp_path / "netG.pt")

    assert again.arch == generator.arch
    assert again.resolution == 4 * 2 ** len(channels)
    z = torch.randn(2, 10)
    assert torch.equal(again.synthesis(z), generator.synthesis(z))


def test_a_file_from_before_torch_0_4_opens(tmp_path):
    state = state_of(DCGAN(z_dim=4, channels=[4, 2]))
    state = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    torch.save(state, tmp_path / "netG.pt", _use_new_zipfile_serialization=False)

    assert load_generator(tmp_path / "netG.pt").resolution == 16


def test_truncation_scales_z():
    generator = DCGAN(z_dim=4, channels=[4])
    z = torch.randn(3, 4)

    assert torch.equal(generator.mapping(z, truncation_psi=0.5), z * 0.5)
    assert generator.latent_mean is None


def test_a_discriminator_is_refused(tmp_path):
    state = {"main.0.weight": torch.zeros(8, 3, 4, 4), "main.3.weight": torch.zeros(16, 8, 4, 4)}
    torch.save(state, tmp_path / "netD.pt")

    with pytest.raises(FileFormatError, match="discriminator"):
        load_generator(tmp_path / "netD.pt")


def test_latents_of_another_width_are_refused():
    with pytest.raises(MismatchError, match="needs"):
        DCGAN(z_dim=4, channels=[4]).synthesis(torch.zeros(1, 5))
