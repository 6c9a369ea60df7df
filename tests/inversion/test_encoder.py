import pytest
import torch

from mocotool.configs.train_encoder import TrainEncoderConfig
from mocotool.errors import ConfigError, FileFormatError, MismatchError
from mocotool.generators.stylegan2 import StyleGAN2
from mocotool.inversion.encoder import (
    check_encoder_fits,
    load_encoder,
    save_encoder,
    train_encoder,
)

QUICK = TrainEncoderConfig(num_steps=150, batch_size=16, width=8, learning_rate=3e-3)


@pytest.fixture(scope="module")
def fit(toy_generator):
    return train_encoder(toy_generator, config=QUICK)


def test_an_encoder_learns_to_read_latents_back(fit, toy_generator):
    untrained = train_encoder(
        toy_generator, config=TrainEncoderConfig(num_steps=1, batch_size=16, width=8)
    )

    assert untrained.error > 0.9  # the mean latent has an error of one
    assert fit.error < 0.6
    assert fit.psnr > untrained.psnr + 1


def test_the_same_seed_gives_the_same_encoder(fit, toy_generator, tmp_path):
    again = train_encoder(toy_generator, config=QUICK)
    save_encoder(fit.encoder, tmp_path / "a.safetensors")
    save_encoder(again.encoder, tmp_path / "b.safetensors")

    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_a_saved_encoder_guesses_the_same(fit, toy_generator, tmp_path):
    save_encoder(fit.encoder, tmp_path / "e.safetensors", config=QUICK)
    img = torch.rand(2, 3, 16, 16) * 2 - 1

    loaded = load_encoder(tmp_path / "e.safetensors")

    assert torch.equal(loaded(img), fit.encoder(img))
    assert check_encoder_fits(loaded, toy_generator) is None


def test_pictures_of_other_sizes_are_resized(fit):
    img = torch.rand(2, 3, 4, 4).repeat_interleave(4, 2).repeat_interleave(4, 3)
    large = img.repeat_interleave(2, 2).repeat_interleave(2, 3)

    assert fit.encoder(large).shape == fit.encoder(img).shape


def test_an_encoder_of_another_generator_is_refused(fit):
    other = StyleGAN2(z_dim=8, w_dim=8, img_resolution=16, channels=[8, 8, 8], num_mapping_layers=2)

    with pytest.raises(MismatchError, match="12 dimensions and pictures of 16 px"):
        check_encoder_fits(fit.encoder, other)


def test_what_is_not_an_encoder_is_a_sentence(toy_generator_path, tmp_path):
    (tmp_path / "text").write_text("no")

    for path in (toy_generator_path, tmp_path / "text"):
        with pytest.raises(FileFormatError, match="is not an encoder"):
            load_encoder(path)


def test_a_generator_with_classes_is_refused():
    classes = StyleGAN2(
        z_dim=8, w_dim=8, c_dim=3, img_resolution=16, channels=[8, 8, 8], num_mapping_layers=2
    )

    with pytest.raises(ConfigError, match="without classes"):
        train_encoder(classes, config=QUICK)


def test_settings_out_of_range_are_refused():
    with pytest.raises(ConfigError):
        TrainEncoderConfig(num_steps=0)
    with pytest.raises(ConfigError, match="learning_rate"):
        TrainEncoderConfig(learning_rate=0)
