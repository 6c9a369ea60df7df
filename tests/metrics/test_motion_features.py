"""Motion features see how a clip moves and not what it shows."""

import pytest
import torch
from toy_videos import draw_videos, to_video

from mocotool.errors import MismatchError
from mocotool.metrics.motion_features import FLOOR, motion_features


@pytest.fixture(scope="module")
def video():
    return to_video(draw_videos(6, seed=0, num_frames=8))


def test_a_still_clip_has_no_energy_and_no_place(video):
    still = video[:, :1].expand(-1, 8, -1, -1, -1)

    features = motion_features(still)

    floor = torch.log10(torch.tensor(FLOOR))
    torch.testing.assert_close(features[:, 0], floor.expand(6))
    assert features[:, 14:32].abs().max() < 1e-4  # shares of the grid, width and wandering


def test_brightness_added_to_every_frame_changes_nothing(video):
    darker = video * 0.5

    torch.testing.assert_close(
        motion_features(darker + 0.3), motion_features(darker), rtol=0, atol=2e-3
    )


def test_the_grid_says_where_it_moves():
    video = torch.zeros(1, 8, 3, 64, 64)
    video[0, ::2, :, :16, 48:] = 1.0  # flickers in the upper right corner

    shares = motion_features(video)[0, 14:30].view(4, 4)

    assert shares[0, 3] == pytest.approx(4.0, abs=1e-3)
    assert shares.sum() == pytest.approx(4.0, abs=1e-3)


def test_flicker_has_its_power_in_the_fast_bands_and_drift_in_the_slow():
    time = torch.arange(16.0)
    slow = torch.sin(2 * torch.pi * time / 16)
    fast = torch.cos(torch.pi * time)
    clips = torch.stack([slow, fast])[:, :, None, None, None].expand(-1, -1, 3, 64, 64)

    bands = motion_features(0.5 + 0.4 * clips)[:, 2:8]

    assert bands[0, 0] > bands[0, -1] + 1.0
    assert bands[1, -1] > bands[1, 0] + 1.0


def test_clips_of_any_length_have_features_of_one_size():
    features = [motion_features(torch.rand(1, t, 3, 64, 64)) for t in (5, 8, 16, 33)]

    assert {x.shape for x in features} == {(1, 43)}
    assert all(x.isfinite().all() for x in features)


def test_each_clip_is_described_on_its_own(video):
    together = motion_features(video)

    apart = torch.cat([motion_features(clip[None]) for clip in video])

    torch.testing.assert_close(together, apart, rtol=1e-5, atol=1e-5)


def test_four_frames_are_too_few():  # their three steps have no four quarters
    with pytest.raises(MismatchError, match="motion features need at least 5"):
        motion_features(torch.zeros(1, 4, 3, 64, 64))
