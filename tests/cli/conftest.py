"""Training commands as real processes, for the tests that kill them."""

import shutil
from pathlib import Path

import pytest
from real_runs import Launcher

CLIP = Path(__file__).parent.parent / "golden" / "people-1.mp4"
SMALL = (
    *("--batch-size", 2, "--num-frames", 4, "--frame-size", 16, "--hidden-dim", 8),
    *("--noise-dim", 6, "--num-components", 8, "--video-width", 2, "--image-width", 2),
    *("--pair-width", 2, "--bank-size", 16, "--num-g-steps", 2, "--num-steps", 30),
    *("--save-every", 4, "--log-every", 1, "--preview-every", 15, "--device", "cpu"),
)


@pytest.fixture
def start(warm_moco, toy_generator_path, toy_pca_path, tmp_path):
    """Start the real command in a process; whatever still runs at the end of the test is killed."""
    launcher, videos = Launcher(warm_moco), tmp_path / "videos"
    videos.mkdir()
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        shutil.copy(CLIP, videos / name)

    def run(out, *args, **options):
        inputs = ("--videos", videos, "--generator", toy_generator_path, "--pca", toy_pca_path)
        return launcher.start("train-motion", *inputs, "-o", out, *SMALL, *args, **options)

    yield run
    launcher.close()
