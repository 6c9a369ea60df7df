"""Batched changes of pictures against the loop over pixels."""

import pytest
import torch
from reference import motion_augment as slow
from torch.testing import assert_close

from mocotool.motion.augment import augment, draw_augmentation


def draw(n, augment_set, size=16):
    return draw_augmentation(
        n, size=size, augment_set=augment_set, rng=torch.Generator().manual_seed(3)
    )


@pytest.mark.parametrize("augment_set", ["reference", "paper"])
def test_a_batch_is_changed_like_one_picture_after_the_other(augment_set):
    img = torch.rand(6, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    augmentation = draw(6, augment_set)

    assert_close(augment(img, augmentation), slow.augment(img, augmentation), rtol=0, atol=2e-5)


def test_changes_are_differentiable_through_the_picture():
    img = torch.rand(4, 3, 16, 16, requires_grad=True)

    augment(img, draw(4, "paper")).square().sum().backward()

    assert img.grad.abs().sum() > 0


def test_the_reference_set_makes_a_hole_and_one_more_change():
    augmentation = draw(4000, "reference", size=64)
    is_shifted = augmentation.shift.abs().sum(1) > 0

    top, bottom, left, right = augmentation.cutout.unbind(1)
    assert bool((bottom > top).all())
    assert bool((right > left).all())
    assert float(is_shifted.float().mean()) == pytest.approx(1 / 3, abs=0.03)
    assert float(augmentation.is_affine.float().mean()) == pytest.approx(1 / 3, abs=0.03)
    assert float(augmentation.flip.float().mean()) == pytest.approx(1 / 6, abs=0.03)
    assert not bool((is_shifted & augmentation.is_affine).any())


def test_the_reference_holes_leave_the_middle_alone_and_stay_inside():
    top, bottom, left, right = draw(4000, "reference", size=64).cutout.unbind(1)

    in_band = (bottom <= 16) | (top >= 47) | (right <= 16) | (left >= 47)
    assert bool(in_band.all())
    assert int(torch.stack([top, left]).min()) == 0
    assert int(torch.stack([bottom, right]).max()) == 63  # the last row is never reached
    assert int((bottom - top).max()) <= 16
    assert int((bottom - top).min()) >= 7


def test_the_papers_set_makes_every_change():
    augmentation = draw(4000, "paper", size=64)
    top, bottom, _, _ = augmentation.cutout.unbind(1)

    assert bool(augmentation.is_affine.all())
    assert float(augmentation.flip.float().mean()) == pytest.approx(0.5, abs=0.03)
    assert int((bottom - top).max()) == 15  # a quarter of 64, never quite reached
    # brightness on all three channels, colour on one of them
    assert float(augmentation.shift.abs().max()) <= 1.0
    assert bool((augmentation.shift.abs().sum(1) > 0).all())


def test_a_slice_of_the_changes_is_the_change_of_a_slice():
    img = torch.rand(6, 3, 16, 16)
    augmentation = draw(6, "paper")

    part = augment(img[2:4], augmentation.rows(slice(2, 4)))

    assert_close(part, augment(img, augmentation)[2:4])
