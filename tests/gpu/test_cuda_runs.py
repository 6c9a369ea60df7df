"""Whole runs on a GPU: precisions, resuming, two processes, and memory that runs out."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from same_runs import assert_same_run

from mocotool.generators.loading import load_generator
from mocotool.generators.stylegan2 import StyleGAN2
from mocotool.video.writing import write_video

pytestmark = pytest.mark.gpu

CUDA = torch.device("cuda", 0)
ROOT = Path(__file__).parents[2]
SMALL = (
    *("--batch-size", 2, "--num-frames", 4, "--frame-size", 16, "--hidden-dim", 10),
    *("--noise-dim", 6, "--num-components", 8, "--video-width", 2, "--image-width", 2),
    *("--pair-width", 2, "--bank-size", 8, "--num-g-steps", 1, "--save-every", 1),
    *("--log-every", 1, "--preview-every", 2, "--device", "cuda", "--precision", "fp32"),
)


@pytest.fixture
def clips(tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    rng = torch.Generator().manual_seed(0)
    for i in range(4):
        frames = torch.randint(256, (8, 32, 32, 3), dtype=torch.uint8, generator=rng)
        write_video(folder / f"{i}.mkv", [frames.numpy()], fps=6.0)
    return folder


@pytest.fixture
def train(run_moco, clips, toy_generator_path, toy_pca_path, tmp_path):
    def run(*args, out):
        inputs = ("--videos", clips, "--generator", toy_generator_path, "--pca", toy_pca_path)
        result = run_moco("train-motion", *inputs, "-o", tmp_path / out, *SMALL, *args)
        assert result.exit_code == 0, result.stderr
        return tmp_path / out

    return run


def test_a_resumed_run_is_the_uninterrupted_one(train):
    # What is not named here goes to its default, and that of `enabled` is off.
    with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
        whole = train("--num-steps", 4, out="whole")
        train("--num-steps", 2, out="halves")
        halves = train("--num-steps", 4, "--resume", out="halves")

    assert_same_run(whole, halves)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="NCCL wants a GPU for each process")
def test_two_processes_over_nccl(clips, toy_generator_path, toy_pca_path, tmp_path):
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
        *("-m", "mocotool", "train-motion", "--videos", clips, "--generator", toy_generator_path),
        *("--pca", toy_pca_path, "-o", tmp_path / "run", *SMALL, "--num-steps", 2),
    ]

    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "motion.safetensors").exists()


@pytest.mark.parametrize("precision", [torch.float16, torch.bfloat16])
def test_half_precision_renders_nearly_the_same(precision):
    generator = load_generator(device=CUDA)
    z = torch.randn(4, generator.z_dim, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        w = generator.mapping(z.to(CUDA))
        full = generator.synthesis(w)
        half = generator.set_precision(precision).synthesis(w)

    assert (full - half).abs().mean() < 0.03


def test_memory_that_runs_out_is_said(toy_generator_path, run_moco, tmp_path):
    torch.manual_seed(0)
    from mocotool.generators.loading import save_generator

    large = StyleGAN2(z_dim=8, w_dim=8, img_resolution=1024, channels=[64] * 9)
    save_generator(large.freeze(), tmp_path / "large.safetensors")
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(0.02)
    try:
        result = run_moco(
            *("path", "seed:0", "seed:1", "--generator", tmp_path / "large.safetensors"),
            *("--num-frames", 64, "--chunk-size", 64, "--device", "cuda"),
            *("-o", tmp_path / "clip.mp4"),
        )
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)

    assert result.exit_code in (0, 5), result.stderr  # a small GPU has no room for one picture
    assert "out of memory" in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("bench_render.py", "--resolution", "128", "--num-frames", "32"),
        ("bench_train_motion.py", "--no-plain", "--num-g-steps", "1"),
        ("bench_train_image.py", "--no-plain"),
        ("bench_invert.py",),
        ("bench_pca.py",),
    ],
    ids=lambda words: words[0],
)
def test_a_bench_runs(words):
    name, *args = words
    env = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}

    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "bench" / name, *args, "--device", "cuda"],
        capture_output=True,
        text=True,
        env=env,
    )

    assert done.returncode == 0, done.stderr
    print(done.stdout)
