import pytest
import torch

from mocotool.metrics.identity import find_own, identity_distance, identity_features


def _plain(*colours):
    """Return one-coloured frames [n, 3, 8, 8]."""
    return torch.tensor(colours)[:, :, None, None].expand(-1, -1, 8, 8)


def test_features_have_length_one_and_do_not_care_where_colours_are():
    img = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))

    features = identity_features(img)

    assert features.norm(dim=1).tolist() == pytest.approx([1.0, 1.0], abs=1e-5)
    torch.testing.assert_close(identity_features(img.flip(3)), features)


def test_colours_that_share_no_bin_are_at_distance_one():
    black, white = identity_features(_plain([0.0, 0, 0], [1.0, 1, 1]))

    distance = identity_distance(black[None], torch.stack([black, white]))

    assert distance[0].tolist() == pytest.approx([0.0, 1.0], abs=1e-6)


def test_own_is_who_is_nearest_to_their_own_first_frame():
    first = identity_features(_plain([0.0, 0, 0], [1.0, 1, 1], [1.0, 0, 0]))
    later = identity_features(_plain([0.1, 0, 0], [1.0, 0.9, 1], [1.0, 0.9, 1]))

    assert find_own(later, first).tolist() == [True, True, False]


def test_one_face_for_all_is_nobodys_own():
    first = identity_features(_plain([0.5, 0.5, 0.5], [0.5, 0.5, 0.5]))

    assert not find_own(first, first).any()
