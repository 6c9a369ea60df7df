"""What both real and generated images pass before the discriminator."""

import pytest
import torch
from torch.testing import assert_close

from mocotool.image_training.augment import (
    MAX_PROBABILITY,
    TRANSLATION,
    AdaptiveProbability,
    augment_images,
    flip_half,
)


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def img():
    return torch.rand(16, 3, 16, 16, generator=rng(9)) * 2 - 1


def test_probability_zero_changes_nothing(img):
    assert augment_images(img, 0.0, rng=rng(), rows=slice(0, 16)) is img


def test_probability_one_changes_every_image(img):
    out = augment_images(img, 1.0, rng=rng(), rows=slice(0, 16))

    assert out.shape == img.shape
    assert bool(((out - img).abs().amax(dim=(1, 2, 3)) > 0.05).all())


def test_about_the_share_p_of_images_gets_each_operation():
    # Brightness is one of five operations; a grey image shows nothing else but the cut square.
    img = torch.zeros(4000, 3, 8, 8)

    out = augment_images(img, 0.3, rng=rng(), rows=slice(0, 4000))

    changed = (out.flatten(1).abs().amax(dim=1) > 0).float().mean()
    assert abs(float(changed) - 0.3) < 0.03


def test_processes_augment_their_rows_as_one_process_would(img):
    whole = augment_images(img, 0.7, rng=rng(4), rows=slice(0, 16))
    parts = [
        augment_images(img[rows], 0.7, rng=rng(4), rows=rows)
        for rows in (slice(0, 8), slice(8, 16))
    ]

    assert_close(torch.cat(parts), whole)


def test_the_gradient_reaches_the_images(img):
    img.requires_grad_(True)

    augment_images(img, 1.0, rng=rng(), rows=slice(0, 16)).sum().backward()

    assert bool((img.grad.abs().sum(dim=(1, 2, 3)) > 0).all())


def test_shifts_are_whole_pixels_within_reach_and_repeat_the_border():
    # A ramp to the right tells how far each row was moved.
    from mocotool.image_training.augment import _translate

    ramp = torch.arange(16.0).expand(64, 1, 16, 16).clone()
    out = _translate(ramp, torch.ones(64, dtype=torch.bool), torch.rand(64, 2, generator=rng()))

    shift = ramp[:, 0, 8, 8] - out[:, 0, 8, 8]
    assert torch.equal(shift, shift.round())
    assert float(shift.abs().max()) == 16 * TRANSLATION
    expected = (torch.arange(16.0) - shift[:, None]).clamp(0, 15)
    assert_close(out[:, 0, 8], expected)


def test_half_of_the_images_are_mirrored():
    img = torch.arange(8.0).expand(2000, 3, 4, 8)

    out = flip_half(img, rng=rng(), rows=slice(0, 2000))

    mirrored = (out == img.flip(3)).all(dim=(1, 2, 3))
    assert bool((mirrored | (out == img).all(dim=(1, 2, 3))).all())
    assert abs(float(mirrored.float().mean()) - 0.5) < 0.04


def test_processes_mirror_their_rows_as_one_process_would(img):
    whole = flip_half(img, rng=rng(2), rows=slice(0, 16))
    parts = [flip_half(img[r], rng=rng(2), rows=r) for r in (slice(0, 8), slice(8, 16))]

    assert torch.equal(torch.cat(parts), whole)


def test_p_rises_while_the_discriminator_is_too_sure_and_falls_again():
    augment = AdaptiveProbability(target=0.6, num_images=1000)

    for _ in range(10):
        augment.update(0.9, batch_size=10)
    assert augment.p == pytest.approx(0.1)
    for _ in range(4):
        augment.update(0.5, batch_size=10)
    assert augment.p == pytest.approx(0.06)


def test_p_stays_where_the_generator_does_not_learn_the_augmentations():
    augment = AdaptiveProbability(num_images=10)

    augment.update(1.0, batch_size=100)
    assert augment.p == MAX_PROBABILITY
    augment.update(-1.0, batch_size=100)
    assert augment.p == 0.0
