"""Shared by all tests: the reference implementations are found, and toys stand in for weights."""

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
# Help pages are compared as text: no colours, one width. Typer reads these when first imported.
os.environ["NO_COLOR"] = "1"
os.environ["TERMINAL_WIDTH"] = "80"
# What tests keep is not the user's.
os.environ["MOCO_CACHE"] = tempfile.mkdtemp(prefix="moco-cache-")
atexit.register(shutil.rmtree, os.environ["MOCO_CACHE"], ignore_errors=True)
# Commands that run in a test's process leave its allocator alone (`keep_freed_memory`).
os.environ.setdefault("GLIBC_TUNABLES", "")
if "PYTEST_XDIST_WORKER" in os.environ:  # as many processes as cores: one thread each
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def toy_folder(tmp_path_factory):
    """A small StyleGAN2, its basis and an untrained motion model, as files."""
    import torch

    from mocotool.basis import write_basis
    from mocotool.configs.pca import PCAConfig
    from mocotool.generators.loading import load_generator, save_generator
    from mocotool.generators.stylegan2 import StyleGAN2
    from mocotool.generators.stylegan2_layers import SynthesisLayer
    from mocotool.motion.checkpoint import save_motion
    from mocotool.motion.generator import MotionGenerator
    from mocotool.pca import fit_pca_basis

    folder = tmp_path_factory.mktemp("toys")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = StyleGAN2(
            z_dim=8, w_dim=12, img_resolution=16, channels=[8, 8, 8], num_mapping_layers=2
        )
        for layer in network.modules():
            if isinstance(layer, SynthesisLayer):
                torch.nn.init.constant_(layer.noise_strength, 0.3)
        network.mapping.w_avg.normal_()
        save_generator(network.freeze(), folder / "generator.safetensors")
        generator = load_generator(folder / "generator.safetensors")
        basis = fit_pca_basis(generator, config=PCAConfig(num_samples=500))
        with (folder / "pca.npz").open("wb") as file:
            write_basis(basis, file)
        motion = MotionGenerator(
            latent_dim=12,
            noise_dim=6,
            hidden_dim=10,
            components=torch.from_numpy(basis.components),
            stdev=torch.from_numpy(basis.stdev),
        )
        torch.nn.init.normal_(motion.coefficient_weight)
        assert generator.origin is not None
        motion.generator_record = generator.origin.file
        save_motion(motion, folder / "motion.safetensors")
    return folder


@pytest.fixture(scope="session")
def toy_generator_path(toy_folder):
    """A StyleGAN2 of 16 px, z 8, w 12, six layers, with noise."""
    return toy_folder / "generator.safetensors"


@pytest.fixture(scope="session")
def toy_pca_path(toy_folder):
    """The toy generator's basis: all 12 components."""
    return toy_folder / "pca.npz"


@pytest.fixture(scope="session")
def toy_motion_path(toy_folder):
    """An untrained motion model of the toy generator that moves visibly, 16 frames."""
    return toy_folder / "motion.safetensors"


@pytest.fixture(scope="session")
def toy_generator(toy_generator_path):
    """The toy generator, loaded; not to be changed."""
    from mocotool.generators.loading import load_generator

    return load_generator(toy_generator_path)


@pytest.fixture(scope="session")
def toy_motion(toy_motion_path):
    """The toy motion model, loaded; not to be changed."""
    from mocotool.motion.checkpoint import load_motion

    return load_motion(toy_motion_path)


@pytest.fixture(scope="session")
def toy_trajectory(toy_motion, toy_generator):
    """Three videos of five frames."""
    from mocotool.configs.sample import SampleConfig
    from mocotool.trajectory import sample_trajectory

    config = SampleConfig(num_videos=3, num_frames=5)
    return sample_trajectory(toy_motion, toy_generator, config=config)


@pytest.fixture
def toy_latents_path(toy_trajectory, tmp_path):
    """The toy trajectory as a file of the test's own."""
    from mocotool.latents import write_latents

    path = tmp_path / "walk.npz"
    with path.open("wb") as file:
        write_latents(toy_trajectory, file)
    return path


@pytest.fixture(scope="session")
def real_clips_folder(tmp_path_factory):
    """Two copies of a short video of a person."""
    folder = tmp_path_factory.mktemp("clips")
    clip = Path(__file__).parent / "golden" / "people-1.mp4"
    for name in ("a.mp4", "b.mp4"):
        (folder / name).write_bytes(clip.read_bytes())
    return folder


@pytest.fixture(scope="session")
def warm_moco():
    """A program `moco` whose processes begin where torch is imported."""
    from warm_moco import WarmMoco

    warm = WarmMoco()
    yield warm
    warm.close()


@pytest.fixture
def run_moco():
    """Run a command in this process: `run_moco("pca", path)` gives exit_code, stdout, stderr."""
    from typer.testing import CliRunner

    from mocotool.cli.app import app
    from mocotool.cli.narrow import narrow

    def run(*args, input=None):
        words = [str(arg) for arg in args]
        result = CliRunner().invoke(narrow(app, words), words, input=input)
        unexpected = result.exception
        if unexpected is not None and not isinstance(unexpected, SystemExit):
            raise unexpected
        return result

    return run
