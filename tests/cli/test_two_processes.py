"""Work that torchrun divides among two processes is what one process does alone."""

import subprocess
import sys

import numpy as np
import pytest
from real_runs import TORCHRUN

from mocotool.latents import read_latents
from mocotool.video.pictures import write_png
from mocotool.video.writing import write_video

pytestmark = pytest.mark.slow


@pytest.fixture
def moco(tmp_path):
    """Run a command in a folder, by one process or by two; return what it prints."""

    def run(*args, launcher=()):
        command = [sys.executable, *launcher, "-m", "mocotool", *map(str, args), "--device", "cpu"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def both(moco, tmp_path):
    """Run a command by one process and by two; return both files."""

    def run(*args, ending):
        paths = [tmp_path / f"{name}{ending}" for name in ("one", "two")]
        moco(*args, "-o", paths[0].name)
        printed = moco(*args, "-o", paths[1].name, "--json", launcher=TORCHRUN)
        assert printed.count('"wrote"') == 1  # the first process alone speaks
        return paths

    return run


def test_a_basis(both, toy_generator_path):
    one, two = both("pca", toy_generator_path, "--num-samples", 9000, ending=".npz")

    with np.load(one) as alone, np.load(two) as shared:
        for name in ("components", "stdev", "mean"):
            np.testing.assert_array_equal(alone[name], shared[name])


def test_a_strip_of_directions(both, toy_generator_path, toy_pca_path):
    given = ("traverse", toy_generator_path, "--pca", toy_pca_path, "--num-components", 3)

    one, two = both(*given, ending=".png")

    assert one.read_bytes() == two.read_bytes()


def test_latents_of_clips(both, toy_generator_path, tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(3):
        frames = np.repeat(rng.integers(0, 256, (1, 16, 16, 3), np.uint8), 8, axis=0)
        write_video(folder / f"{i}.mkv", iter([frames]), fps=24.0)
    quick = ("--num-frames", 4, "--frame-stride", 1)

    one, two = both("invert", folder, "--generator", toy_generator_path, *quick, ending=".npz")

    alone, shared = read_latents(one), read_latents(two)
    np.testing.assert_array_equal(alone.latents, shared.latents)
    assert alone.meta.names == shared.meta.names


def test_latents_of_images(both, moco, toy_generator_path, tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in ("ada", "bea", "cem"):
        write_png(folder / f"{name}.png", rng.integers(0, 256, (16, 16, 3), np.uint8))
    given = ("invert", folder, "--generator", toy_generator_path, "--num-steps", 10)
    given += ("--num-starts", 8, "--perceptual", "none", "--batch-size", 1)

    one, two = both(*given, ending=".npz")

    np.testing.assert_array_equal(read_latents(one).latents, read_latents(two).latents)
