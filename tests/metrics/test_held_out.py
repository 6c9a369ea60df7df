"""The figure that training watches: near for what the videos show, far for noise."""

import numpy as np
import pytest
import torch
from reference.video_files import encode_clip

from mocotool.layouts import to_frames_u8
from mocotool.metrics.frame_detectors import load_frame_detector
from mocotool.metrics.held_out import HeldOutDistance
from mocotool.metrics.kernel_distance import kernel_distance
from mocotool.training.randomness import derive_rng
from mocotool.video.listing import list_videos
from mocotool.video.loading import load_images


@pytest.fixture
def render(toy_generator):
    """The pictures that the distance draws, uint8 [n, h, w, 3]."""

    def render(num_images, seed):
        z = torch.randn(num_images, 8, generator=derive_rng(seed, "held-out"))
        return to_frames_u8(toy_generator.synthesis(toy_generator.mapping(z)))

    return render


@pytest.fixture
def listing(tmp_path):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)
    encode_clip(tmp_path / "noise.mkv", "ffv1", frames=frames, pix_fmt="bgr0")
    return list_videos(tmp_path)


def test_it_is_the_kernel_distance_of_squeezenet_features(toy_generator, render, listing):
    distance = HeldOutDistance(listing, resolution=16, seed=3, num_images=8)

    value = distance(toy_generator)

    detector = load_frame_detector("squeezenet")
    images = load_images(listing, resolution=16, batch_size=6, seed=3)
    real_u8 = next(images).movedim(1, -1)
    real, fake = (
        detector.extract(detector.prepare(frames_u8)).numpy()
        for frames_u8 in (real_u8, render(8, 3))
    )
    assert value == pytest.approx(kernel_distance(real, fake).value, rel=1e-4)
    assert distance(toy_generator) == value


def test_its_own_pictures_are_nearer_than_noise(toy_generator, render, listing, tmp_path):
    (tmp_path / "own").mkdir()
    own = render(6, 1).numpy()
    encode_clip(tmp_path / "own" / "own.mkv", "ffv1", frames=own, pix_fmt="bgr0")

    near, far = (
        HeldOutDistance(videos, resolution=16, seed=0, num_images=8)(toy_generator)
        for videos in (list_videos(tmp_path / "own"), listing)
    )

    assert near < far / 4
