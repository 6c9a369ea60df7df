"""Blocks are followed to where they went, and histograms say which way and how fast."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from clip_array import ClipArray
from reference import tracks as plain
from toy_videos import draw_videos

from mocotool.configs.evaluate import ExtractionConfig, VideoProtocol
from mocotool.errors import MismatchError
from mocotool.metrics.detectors import load_video_detector
from mocotool.metrics.distances import compute_fvd
from mocotool.metrics.extraction import FeatureExtractor
from mocotool.metrics.tracks import direction_histograms, track_blocks, track_features

RIGHT, LEFT = 0, 4  # of eight directions


def draw_texture(*, size, seed=0):
    """Return colours without an edge and without a flat place, [3, size, size] in [0, 1]."""
    noise = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(seed))
    smooth = F.avg_pool2d(noise, 9, stride=1, padding=4)[0]
    return (0.5 + 0.15 * (smooth - smooth.mean()) / smooth.std()).clamp(0, 1)


def pan(velocity, *, num_frames=6, size=64):
    """Return a window that a texture passes by, [1, t, 3, size, size]; it moves right and down."""
    texture = draw_texture(size=3 * size)
    frames = []
    for i in range(num_frames):
        x, y = (size - step * i for step in velocity)
        frames.append(texture[:, y : y + size, x : x + size])
    return torch.stack(frames)[None]


def speeds(video):
    """Return velocities' and accelerations' lengths by direction, each [8]."""
    velocity, acceleration = track_features(video)[0].view(2, 4, 8).mean(dim=1)
    return velocity.tolist(), acceleration.tolist()


def test_features_are_those_of_plain_loops():
    clip = torch.from_numpy(draw_videos(1, seed=3, num_frames=4, size=32)).movedim(-1, 2) / 255.0
    clip[0, :, :, 16:, 16:] = pan((1, -2), num_frames=4, size=16)[0]

    found = track_features(clip)[0].double().numpy()

    expected = plain.features(clip[0].double().numpy())
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)
    assert expected[:32].max() > 0.2


def test_a_still_clip_has_no_motion_at_all():
    assert track_features(pan((0, 0))).abs().max() == 0.0


@pytest.mark.parametrize("velocity", [(1, 0), (2, 1), (-1, 2)])
def test_blocks_go_where_the_picture_goes(velocity):
    places = track_blocks(pan(velocity, num_frames=4))[:, :, 2:-2, 2:-2]

    gone = (places[:, -1] - places[:, 0]) / 3
    torch.testing.assert_close(
        gone, torch.tensor(velocity).float().expand_as(gone), rtol=0, atol=0.05
    )


def test_doubled_speed_doubles_velocities_and_reversed_time_turns_them():
    clip = pan((1, 0), num_frames=9)
    once, _ = speeds(clip[:, :5])
    twice, _ = speeds(clip[:, ::2])
    back, _ = speeds(clip[:, :5].flip(1))

    assert once[RIGHT] == pytest.approx(1.0, abs=0.08)
    assert twice[RIGHT] == pytest.approx(2 * once[RIGHT], rel=0.1)
    assert back[LEFT] == pytest.approx(once[RIGHT], rel=0.05)
    assert max(once[LEFT], back[RIGHT]) < 0.05


def test_a_turn_is_an_acceleration_and_a_steady_pan_is_none():
    there = pan((1, 0), num_frames=4)
    turning = torch.cat([there, there.flip(1)[:, 1:]], dim=1)

    steady, turned = speeds(pan((1, 0), num_frames=7))[1], speeds(turning)[1]

    assert sum(steady) < 0.1
    # one of five accelerations is by two pixels to the left
    assert turned[LEFT] == pytest.approx(2 / 5, abs=0.1)
    assert turned[LEFT] > 5 * turned[RIGHT]


def test_a_mirrored_clip_has_mirrored_features():
    clip = pan((1, 2), num_frames=4)

    features = track_features(clip).view(2, 2, 2, 8)  # kind, row, column, direction
    mirrored = track_features(clip.flip(-1)).view(2, 2, 2, 8)

    swapped = features.flip(2)[..., [4, 3, 2, 1, 0, 7, 6, 5]]
    torch.testing.assert_close(mirrored, swapped, rtol=0, atol=2e-3)


def test_noise_on_a_plain_wall_moves_nothing():
    rng = torch.Generator().manual_seed(0)
    wall = 0.5 + torch.randn(1, 4, 3, 64, 64, generator=rng) / 255.0

    assert track_features(wall)[:, :32].sum() / 4 < 0.2


def test_directions_share_what_lies_between_them():
    vectors = torch.zeros(1, 1, 2, 2, 2)
    vectors[0, 0, 0, 0] = torch.tensor([0.0, 3.0])  # down
    vectors[0, 0, 1, 1] = 2 * torch.tensor([np.cos(np.pi / 8), -np.sin(np.pi / 8)])

    found = direction_histograms(vectors).view(2, 2, 8)

    assert found[0, 0].tolist() == pytest.approx([0, 0, 3, 0, 0, 0, 0, 0], abs=1e-5)
    assert found[1, 1].tolist() == pytest.approx([1, 0, 0, 0, 0, 0, 0, 1], abs=1e-5)
    assert found[0, 1].abs().max() == 0.0


def test_two_frames_have_no_acceleration():
    with pytest.raises(MismatchError, match="at least 3"):
        track_features(torch.zeros(1, 2, 3, 64, 64))


def test_it_is_a_detector_under_its_own_name():
    detector = load_video_detector("tracks", protocol=VideoProtocol(num_frames=4))
    real, other, fast = (
        ClipArray(draw_videos(6, seed=seed, num_frames=4, size=64, speed=speed))
        for seed, speed in ((0, 1.0), (1, 1.0), (2, 4.0))
    )

    floor, far = (
        compute_fvd(
            real,
            fake,
            protocol=VideoProtocol(num_frames=4, real_clips="first"),
            detector=detector,
            extractor=FeatureExtractor(config=ExtractionConfig(use_cache=False)),
        )
        for fake in (other, fast)
    )

    assert floor.metric == "frechet distance (tracked motion)"
    assert far.value > 2 * floor.value
