"""Every command that computes, on a pretend accelerator: no tensor of the CPU gets among others."""

import json
import math
import wave

import numpy as np
import pytest
import torch
from pretend import pretend_device

from mocotool.configs.explore import ExploreView
from mocotool.explore.opening import load_explorer
from mocotool.latents import LatentsMeta, Trajectory, write_latents
from mocotool.layouts import to_frames_u8
from mocotool.trajectory import draw_latents
from mocotool.video.pictures import write_png
from mocotool.video.writing import write_video

pytestmark = pytest.mark.slow

SMALL = ("--batch-size", 2, "--num-frames", 4, "--frame-size", 16, "--hidden-dim", 10)
NARROW = ("--noise-dim", 6, "--num-components", 8, "--video-width", 2, "--image-width", 2)
SHORT = ("--pair-width", 2, "--bank-size", 8, "--num-g-steps", 2, "--save-every", 1)


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("MOCO_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def moco(run_moco):
    """Run a command on the pretend device; return its result."""

    def run(*args):
        with pretend_device():
            result = run_moco(*args, "--device", "pretend")
        assert result.exit_code == 0, result.stderr
        return result

    return run


@pytest.fixture(scope="session")
def pictures(toy_generator):
    """Eight pictures of the toy generator, uint8 [8, 16, 16, 3]."""
    with torch.no_grad():
        w = toy_generator.mapping(torch.randn(8, 8, generator=torch.Generator().manual_seed(5)))
        return to_frames_u8(toy_generator.synthesis(w)).numpy()


@pytest.fixture(scope="session")
def clips(pictures, tmp_path_factory):
    """A folder of four clips of eight frames."""
    folder = tmp_path_factory.mktemp("clips")
    for i in range(4):
        large = np.roll(pictures, i, axis=0).repeat(2, axis=1).repeat(2, axis=2)  # 32 pixels
        write_video(folder / f"{i}.mkv", [large], fps=6.0)
    return folder


@pytest.fixture(scope="session")
def walks_path(toy_generator, tmp_path_factory):
    """Latents of six short clips that drift."""
    first = draw_latents(toy_generator, list(range(6))).numpy()[:, None]
    steps = np.random.default_rng(0).normal(size=(6, 8, first.shape[-1])) * 0.1
    latents = (first + steps.cumsum(axis=1)).astype(np.float32)
    meta = LatentsMeta(space="w", fps=6.0, generator=toy_generator.origin.file)
    path = tmp_path_factory.mktemp("walks") / "walks.npz"
    with path.open("wb") as file:
        write_latents(Trajectory(latents=latents, meta=meta), file)
    return path


# Drawing and rendering


def test_the_basis_is_that_of_the_cpu(moco, run_moco, toy_generator_path, tmp_path):
    given = ("pca", toy_generator_path, "--num-samples", 200, "-o")

    moco(*given, tmp_path / "there.npz")
    run_moco(*given, tmp_path / "here.npz", "--device", "cpu")

    there, here = (np.load(tmp_path / name)["stdev"] for name in ("there.npz", "here.npz"))
    np.testing.assert_allclose(there, here, rtol=1e-5)


@pytest.mark.parametrize(
    "args",
    [
        ("sample", "{motion}", "--num-frames", 4),
        ("sample", "{motion}", "--num-frames", 4, "--start", "{walks}"),
        ("sample", "{motion}", "--num-frames", 4, "--loop"),
        ("interpolate", "{walks}", "--factor", 2),
        ("render", "{walks}"),
        ("loop", "{walks}"),
        ("path", "seed:1", "seed:2", "--generator", "{generator}", "--num-frames", 4),
        ("traverse", "{generator}", "--pca", "{pca}", "--num-components", 2),
        ("mix", "{walks}", "{walks}", "--layers", "2-5"),
        ("edit", "{walks}", "--pca", "{pca}", "--direction", "0:2", "--truncation-psi", "0.7"),
    ],
    ids=lambda args: " ".join(map(str, args)),
)
def test_what_makes_video(
    args, moco, toy_generator_path, toy_pca_path, toy_motion_path, walks_path, tmp_path
):
    places = {
        "generator": toy_generator_path,
        "pca": toy_pca_path,
        "motion": toy_motion_path,
        "walks": walks_path,
    }
    filled = [arg.format(**places) if isinstance(arg, str) else arg for arg in args]

    moco(*filled, "-o", tmp_path / "clip.mp4", "--grid")

    assert (tmp_path / "clip.mp4").exists()


def test_what_follows_a_sound(moco, toy_pca_path, walks_path, tmp_path):
    song = tmp_path / "song.wav"
    samples = np.random.default_rng(0).integers(-9000, 9000, 22_050, np.int16)
    with wave.open(str(song), "wb") as file:
        file.setparams((1, 2, 22_050, 0, "NONE", ""))
        file.writeframes(samples.tobytes())

    moco(
        *("react", song, walks_path, "--pca", toy_pca_path, "--direction", "0:1@bass"),
        *("--grid", "-o", tmp_path / "clip.mp4"),
    )

    assert (tmp_path / "clip.mp4").exists()


def test_what_is_explored(toy_motion_path, toy_pca_path):
    with pretend_device():
        explorer = load_explorer(toy_motion_path, pca=toy_pca_path, device="pretend")
        view = ExploreView(num_frames=3, directions=(1.0,), truncation_psi=0.7, loop=False)
        frames = dict(explorer.frames(view))

    assert len(set(frames.values())) == 3


# Inversion


@pytest.mark.parametrize("space", ["w", "w+", "z"])
def test_invert(space, moco, pictures, toy_generator_path, tmp_path):
    write_png(tmp_path / "photo.png", pictures[0])
    quick = ("--num-steps", 10, "--num-starts", 8, "--num-polish-steps", 1)
    quick += ("--perceptual", "none")

    moco(
        *("invert", tmp_path / "photo.png", "--generator", toy_generator_path, *quick),
        *("--space", space, "-o", tmp_path / "found.npz"),
    )

    assert (tmp_path / "found.npz").exists()


def test_invert_clips_with_an_encoder(moco, clips, toy_generator_path, tmp_path):
    encoder = tmp_path / "encoder.safetensors"
    moco(
        *("train-encoder", toy_generator_path, "-o", encoder, "--num-steps", 2),
        *("--batch-size", 4, "--width", 4),
    )

    two = (clips / "0.mkv", clips / "1.mkv")
    moco(
        *("invert", *two, "--generator", toy_generator_path, "--encoder", encoder),
        *("--num-frames", 4, "--num-axes", 6, "-o", tmp_path / "walks.npz"),
    )

    assert (tmp_path / "walks.npz").exists()


# Training


@pytest.fixture
def train_motion(moco, clips, toy_generator_path, toy_pca_path, tmp_path):
    def run(*args):
        return moco(
            *("train-motion", "--videos", clips, "--generator", toy_generator_path),
            *("--pca", toy_pca_path, "-o", tmp_path / "run", *SMALL, *NARROW, *SHORT, *args),
        )

    return run


@pytest.mark.parametrize(
    "recipe",
    [
        ("--recipe", "reference"),
        ("--recipe", "paper"),
        ("--cross-domain", "--step-size", 0.2),  # how it is measured is the same for all
    ],
)
def test_train_motion_goes_on_where_it_stopped(recipe, train_motion, tmp_path):
    train_motion(*recipe, "--num-steps", 1)

    train_motion(*recipe, "--num-steps", 2, "--resume", "--preview-every", 2)

    rows = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(row)["step"] for row in rows] == [1, 2]


def test_train_motion_plans(train_motion):
    assert json.loads(train_motion("--dry-run", "--json").stdout)["videos"] == 4


def test_train_motion_on_latents(moco, walks_path, toy_generator_path, toy_pca_path, tmp_path):
    quick = ("--num-steps", 2, "--batch-size", 4, "--num-frames", 6, "--hidden-dim", 8)
    quick += ("--set", "num_pictures=64", "--set", "long_frames=8")

    moco(
        *("train-motion", "--latents", walks_path, "--generator", toy_generator_path),
        *("--pca", toy_pca_path, "-o", tmp_path / "run", *quick),
    )

    assert (tmp_path / "run" / "motion.safetensors").exists()


@pytest.mark.parametrize("discriminator", ["stylegan2", "projected"])
def test_train_image_goes_on_where_it_stopped(discriminator, moco, clips, tmp_path):
    sizes = ("--resolution", 32, "--batch-size", 4, "--channel-base", 64, "--channel-max", 8)
    sizes += ("--z-dim", 6, "--w-dim", 6, "--num-mapping-layers", 2, "--save-every", 1)
    given = ("train-image", "--videos", clips, "-o", tmp_path / "run", *sizes)
    given += ("--discriminator", discriminator)

    moco(*given, "--dry-run")
    moco(*given, "--num-images", 4)
    moco(*given, "--num-images", 8, "--preview-every", 2, "--resume")

    assert (tmp_path / "run" / "generator.safetensors").exists()


# Metrics


def read_value(result):
    return json.loads(result.stdout)["value"]


@pytest.mark.parametrize(
    "args",
    [
        ("fid", "--detector", "pixels"),
        ("fid", "--detector", "squeezenet"),
        ("kid", "--detector", "squeezenet"),
        ("fvd", "--detector", "motion", "--num-frames", 5, "--frame-stride", 1),
        ("fvd", "--detector", "tracks", "--num-frames", 5, "--frame-stride", 1),
        ("psnr",),
        ("ssim",),
        ("lpips",),
        ("motion", "--num-frames", 5, "--real-stride", 1, "--fake-stride", 1, "--num-seeds", 1),
        ("precision-recall", "--detector", "pixels", "--num-neighbours", 2),
        ("two-sample", "--detector", "pixels"),
    ],
    ids=lambda args: " ".join(map(str, args)),
)
def test_eval(args, moco, clips):
    result = moco("eval", args[0], clips, clips, *args[1:], "--json")

    assert math.isfinite(read_value(result))


def test_eval_diversity(moco, walks_path):
    assert read_value(moco("eval", "diversity", walks_path, "--json")) > 0


def test_eval_prediction(
    moco, pictures, toy_motion_path, toy_generator_path, toy_pca_path, tmp_path
):
    quick = ("--num-steps", 10, "--num-polish-steps", 0, "--num-starts", 8, "--factor", 2)
    long = tmp_path / "long"
    long.mkdir()
    write_video(long / "0.mkv", [pictures] * 4, fps=6.0)

    result = moco(
        *("eval", "prediction", toy_motion_path, "--videos", long),
        *("--generator", toy_generator_path, *quick),
        *("--perceptual", "none", "--num-videos", 1, "--json"),
    )

    assert math.isfinite(read_value(result))


def test_eval_of_latents_renders_there(moco, clips, walks_path):
    result = moco("eval", "fid", clips, walks_path, "--detector", "pixels", "--json")

    assert read_value(result) > 0


def test_eval_of_a_motion_model_samples_there(moco, clips, toy_motion_path):
    sampled = (clips, toy_motion_path, "--num-videos", 3, "--num-repeats", 2)
    result = moco("eval", "fid", *sampled, "--detector", "pixels", "--json")

    assert read_value(result) > 0
