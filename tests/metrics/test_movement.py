import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mocotool.metrics.movement import NUM_CELLS, change_maps, compare_maps, explain_changes


def _texture(seed=0, size=96):
    """Return a smooth random picture [1, 3, size, size] in [0, 1]."""
    coarse = torch.rand(1, 3, size // 4, size // 4, generator=torch.Generator().manual_seed(seed))
    return F.interpolate(coarse, (size, size), mode="bicubic").clamp(0, 1)


def _slide(offsets):
    """Return a clip of the texture seen through a window at whole-pixel offsets."""
    picture = _texture()
    return torch.stack([picture[0, :, 16 + y : 80 + y, 16 + x : 80 + x] for y, x in offsets])[None]


def test_what_slides_is_explained_by_movement():
    energy, moved, colour = explain_changes(_slide([(t, 2 * t) for t in range(5)]))

    assert moved / energy > 0.85  # blocks at the edge come from outside the frame
    assert colour / energy < 0.5


def test_what_slides_by_fractions_of_a_pixel_is_explained_too():
    large = F.interpolate(_texture(), scale_factor=4, mode="bicubic")  # four steps a pixel
    frames = [F.avg_pool2d(large[..., 64 : 64 + 256, 64 + t : 64 + t + 256], 4) for t in range(5)]

    energy, moved, _ = explain_changes(torch.stack(frames, dim=1))

    assert moved / energy > 0.85


def test_what_changes_colour_is_explained_by_colour():
    still = _slide([(0, 0)] * 5) * 0.5
    lit = still + 0.05 * torch.arange(5)[:, None, None, None]

    energy, moved, colour = explain_changes(lit)

    assert colour / energy == pytest.approx(1.0, abs=1e-4)
    assert moved / energy < 0.7


def test_noise_is_neither():
    energy, moved, colour = explain_changes(
        torch.rand(1, 5, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    )

    assert moved / energy < 0.25
    assert colour / energy < 0.03


def test_a_still_clip_has_no_changes_and_no_map():
    still = _slide([(0, 0)] * 5)

    assert [float(x) for x in explain_changes(still)] == [0, 0, 0]
    assert change_maps(still).sum() == 0


def test_the_map_says_in_which_cell_it_changes():
    video = torch.zeros(1, 4, 3, 64, 64)
    video[0, 1::2, :, 16:24, 40:48] = 1.0

    cells = change_maps(video)[0].reshape(NUM_CELLS, NUM_CELLS)

    assert cells[2, 5] == pytest.approx(1.0)
    assert np.count_nonzero(cells) == 1


def test_maps_are_alike_where_they_are_the_same_and_not_where_they_do_not_meet():
    maps = torch.eye(3)

    assert torch.equal(compare_maps(maps, maps), torch.eye(3))
