"""The projected discriminator: what it looks at, what it learns, and what it costs to be wrong."""

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from mocotool.configs.train_image import TrainImageConfig
from mocotool.errors import ConfigError
from mocotool.image_training.projected_discriminator import (
    ProjectedDiscriminator,
    SpectralConv2d,
)
from mocotool.image_training.trainer import ImageTrainer

CONFIG = TrainImageConfig(
    resolution=32,
    batch_size=4,
    channel_base=256,
    channel_max=8,
    z_dim=6,
    w_dim=6,
    num_mapping_layers=2,
    discriminator="projected",
)


@pytest.fixture(scope="module")
def discriminator():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return ProjectedDiscriminator(img_resolution=32)


def draw_images(n, size=32, seed=0):
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_heads_weigh_the_same_whatever_their_number_of_places(discriminator):
    # At 32 pixels the pixels' head and those of the features have 64, 49, 49, 9 and 1 places.
    places = [64, 49, 49, 9, 1]

    shares = [part.sum() for part in discriminator.place_weight.split(places)]

    assert_close(torch.stack(shares), torch.full((5,), 0.2))


def test_losses_are_the_hinges(discriminator):
    score = torch.tensor([-2.0, 0.5, 3.0])[:, None].expand(3, len(discriminator.place_weight))

    assert_close(discriminator.real_loss(score), torch.tensor((3.0 + 0.5 + 0.0) / 3))
    assert_close(discriminator.fake_loss(score), torch.tensor((0.0 + 1.5 + 4.0) / 3))
    assert_close(discriminator.generator_loss(score), torch.tensor(-1.5 / 3))


def test_every_pixel_has_a_say(discriminator):
    img = draw_images(4).requires_grad_(True)

    discriminator.generator_loss(discriminator(img)).backward()

    assert (img.grad.abs().sum(dim=(0, 1)) > 0).all()


def test_features_and_projections_never_move():
    trainer = ImageTrainer(CONFIG)
    frozen = {
        name: value.clone()
        for name, value in trainer.discriminator.state_dict().items()
        if not name.startswith("heads.")
    }
    heads = {n: p.clone() for n, p in trainer.discriminator.heads.named_parameters()}

    for seed in range(2):
        real = ((draw_images(4, seed=seed) + 1) * 127).to(torch.uint8)
        values = trainer.step(real)

    state = trainer.discriminator.state_dict()
    assert all(torch.equal(state[name], value) for name, value in frozen.items())
    moved = dict(trainer.discriminator.heads.named_parameters())
    still = [name for name, value in heads.items() if torch.equal(moved[name], value)]
    assert all(name.endswith("out.bias") for name in still)  # the hinges' slopes may cancel there
    assert "r1" not in values


def test_spectral_norm_of_a_kernel_comes_to_one():
    torch.manual_seed(0)
    conv = SpectralConv2d(3, 5, 4, stride=2)
    with torch.no_grad():
        conv.parametrizations.weight.original.mul_(7)
    for _ in range(50):
        conv(torch.randn(1, 3, 8, 8))

    assert_close(torch.linalg.matrix_norm(conv.weight.flatten(1), 2), torch.tensor(1.0))


def test_it_sees_a_tint_that_all_images_of_one_side_have():
    loss = learn_to_tell(draw_images(16), draw_images(16, seed=1) * 0.9 + 0.1)

    assert loss < 1.5  # 2 where it knows nothing


def test_it_sees_a_lack_of_sharpness():
    sharp = draw_images(16)

    assert learn_to_tell(sharp, F.avg_pool2d(sharp, 5, stride=1, padding=2)) < 0.5


def learn_to_tell(real, fake, num_steps=30):
    """Train a new discriminator on the same images again and again; returns its last loss."""
    torch.manual_seed(0)
    discriminator = ProjectedDiscriminator(img_resolution=32)
    trained = [p for p in discriminator.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(trained, lr=2e-3, betas=(0.0, 0.99))
    for _ in range(num_steps):
        loss = discriminator.real_loss(discriminator(real))
        loss = loss + discriminator.fake_loss(discriminator(fake))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


def test_images_too_small_for_the_classifier_are_refused():
    with pytest.raises(ConfigError, match="--resolution 16: too small.*at least 32"):
        ProjectedDiscriminator(img_resolution=16)
