import contextlib
import dataclasses

import pytest
import torch

import mocotool as moco
from mocotool.configs.train_encoder import TrainEncoderConfig
from mocotool.errors import ConfigError, FileFormatError, MismatchError
from mocotool.generators.stylegan2 import StyleGAN2
from mocotool.inversion.encoder import check_encoder_fits
from mocotool.inversion.encoder_files import (
    BUNDLED_ENCODER,
    SCHEMA,
    find_encoder,
    load_encoder,
    save_encoder,
    train_encoder,
)
from mocotool.inversion.kernel_encoder import FoundPictures
from mocotool.inversion.network_encoder import NetworkEncoder
from mocotool.weights.safetensors_file import write_safetensors

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


def test_cudnn_may_choose_while_a_network_learns(toy_generator, monkeypatch):
    chosen = []

    @contextlib.contextmanager
    def note(device, precision):
        chosen.append((device.type, precision))
        yield

    monkeypatch.setattr("mocotool.inversion.network_encoder.measured_convolutions", note)
    train_encoder(
        toy_generator,
        config=TrainEncoderConfig(kind="network", num_steps=1, batch_size=2, width=2),
    )

    assert chosen == [("cpu", torch.float32)]


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

    with pytest.raises(FileFormatError, match="is not an encoder"):
        load_encoder(toy_generator_path)
    with pytest.raises(FileFormatError, match="text: not a safetensors file, or damaged"):
        load_encoder(tmp_path / "text")


@pytest.mark.parametrize("size", [10**9, 10**30, -1, 0, True, 1.5, None, "8"])
def test_an_encoder_of_another_size_than_its_tensors_is_refused(size, tmp_path):
    tensors = NetworkEncoder(latent_dim=8, img_channels=3, resolution=16, width=4).state_dict()
    arch = {"latent_dim": 8, "img_channels": 3, "resolution": 16, "width": size}
    with (tmp_path / "e.safetensors").open("wb") as file:
        write_safetensors(tensors, file, record={"schema": SCHEMA, "arch": arch})

    with pytest.raises(FileFormatError, match=r"e\.safetensors: "):
        load_encoder(tmp_path / "e.safetensors")


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


def test_a_regression_learns_from_pictures_that_were_found(toy_generator, tmp_path):
    # Pictures from elsewhere: darker than any that the generator renders.
    rng = torch.Generator().manual_seed(5)
    latents = toy_generator.mapping(torch.randn(200, 8, generator=rng))
    with torch.no_grad():
        images = 0.5 * toy_generator.synthesis(latents) - 0.4
    found = FoundPictures(images=images[:150], latents=latents[:150])
    config = TrainEncoderConfig(kind="kernel", num_pictures=100)

    plain = train_encoder(toy_generator, config=config).encoder
    taught = train_encoder(toy_generator, config=config, found=found).encoder

    errors = [(each(images[150:]) - latents[150:]).square().mean() for each in (plain, taught)]
    assert errors[1] < 0.5 * errors[0]
    save_encoder(taught, tmp_path / "e.safetensors", config=config)
    assert torch.equal(load_encoder(tmp_path / "e.safetensors")(images), taught(images))


def test_a_network_does_not_learn_from_what_was_found(toy_generator):
    found = FoundPictures(images=torch.zeros(2, 3, 16, 16), latents=torch.zeros(2, 12))

    with pytest.raises(ConfigError, match="own pictures alone"):
        train_encoder(toy_generator, config=TrainEncoderConfig(kind="network"), found=found)
    with pytest.raises(MismatchError, match=r"shape \[2, 12\]"):
        train_encoder(
            toy_generator, found=FoundPictures(images=found.images[:1], latents=found.latents)
        )


def test_wide_pictures_are_looked_at_as_squares():
    wide = StyleGAN2(
        z_dim=8, w_dim=8, img_resolution=8, channels=[8, 8], num_mapping_layers=2, first_size=[2, 3]
    ).freeze()

    for config in (
        TrainEncoderConfig(num_steps=2, batch_size=2, width=4),
        TrainEncoderConfig(kind="kernel", num_pictures=20),
    ):
        encoder = train_encoder(wide, config=config).encoder
        assert encoder(torch.zeros(2, 3, 4, 6)).shape == (2, 8)


def test_the_bundled_encoder_is_for_the_bundled_generator_alone(toy_generator):
    assert find_encoder(toy_generator) is None
    if BUNDLED_ENCODER.exists():
        generator = moco.load_generator()
        assert find_encoder(generator) is not None
        record = dataclasses.replace(generator.origin.file, sha256="0" * 64)
        generator.origin = dataclasses.replace(generator.origin, file=record)
        assert find_encoder(generator) is None
