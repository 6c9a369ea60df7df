"""Real processes, joined by real pipes."""

import io
import os
import subprocess
import sys

import numpy as np
import pytest

from mocotool.latents import read_latents
from mocotool.video.opening import open_video
from mocotool.video.pictures import read_image

pytestmark = pytest.mark.slow

MOCO = f"{sys.executable} -m mocotool"
RSS_OF_RENDERING = """
import resource, sys
import numpy as np
from mocotool.generators.loading import load_generator
from mocotool.export import export_trajectory
from mocotool.latents import LatentsMeta, Trajectory
from pathlib import Path
generator = load_generator(sys.argv[1])
latents = np.random.default_rng(0).standard_normal((1, int(sys.argv[2]), 12)).astype(np.float32)
trajectory = Trajectory(latents=latents, meta=LatentsMeta(space="w"))
export_trajectory(generator, trajectory, Path(sys.argv[3]), format="mp4")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def shell(command, **options):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        capture_output=True,
        env=environment,
        check=False,
        **options,
    )


def test_sample_interpolate_render(toy_motion_path, tmp_path):
    result = shell(
        f"{MOCO} sample {toy_motion_path} | {MOCO} interpolate | {MOCO} render -o clip.mp4",
        cwd=tmp_path,
    )

    assert result.returncode == 0, result.stderr
    video = open_video(tmp_path / "clip.mp4")
    assert (video.num_frames, float(video.fps)) == (32, 24.0)


def test_sample_from_what_another_sample_ended_with(toy_motion_path, tmp_path):
    result = shell(
        f"{MOCO} sample {toy_motion_path} --num-frames 3"
        f" | {MOCO} sample {toy_motion_path} --start - --motion-seeds 5",
        cwd=tmp_path,
    )

    assert result.returncode == 0, result.stderr
    trajectory = read_latents(io.BytesIO(result.stdout), "<pipe>")
    assert trajectory.num_frames == 16
    assert len(trajectory.meta.history) == 2


def test_mp4_to_stdout_can_be_read(toy_motion_path, tmp_path):
    result = shell(f"{MOCO} sample {toy_motion_path} | {MOCO} render > clip.mp4", cwd=tmp_path)

    assert result.returncode == 0, result.stderr
    assert open_video(tmp_path / "clip.mp4").num_frames == 16


@pytest.mark.parametrize("reader", ["head -c 10", "true"])
def test_a_reader_that_goes_away_is_quiet(toy_motion_path, tmp_path, reader):
    for options in ("--num-frames 3000", "--num-frames 60 -o - --format mp4"):
        command = f"{MOCO} sample {toy_motion_path} {options} | {reader}"

        result = shell(command, cwd=tmp_path)

        assert result.stderr == b""


def test_an_error_at_the_start_of_a_pipe_is_named_at_both_ends(tmp_path):
    result = shell(f"{MOCO} sample gone.safetensors | {MOCO} render -o clip.mp4", cwd=tmp_path)

    assert result.returncode == 3
    assert b"gone.safetensors: no such file" in result.stderr
    assert b"the pipe is empty" in result.stderr
    assert b"Traceback" not in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_two_processes_write_what_one_does(toy_motion_path, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    sample = f"sample {toy_motion_path} --num-videos 3 --num-frames 4"

    one = shell(f"{MOCO} {sample} -o one/a.png && {MOCO} {sample} -o one/a.mkv", cwd=tmp_path)
    torchrun = f"{sys.executable} -m torch.distributed.run --standalone --nproc-per-node 2"
    run = f"{torchrun} -m mocotool {sample}"
    two = shell(f"{run} -o two/a.png --json && {run} -q -o two/a.mkv", cwd=tmp_path)

    assert one.returncode == 0, one.stderr
    assert two.returncode == 0, two.stderr
    assert two.stdout.count(b"{") == 1
    names = ["a-0000.mkv", "a-0001.mkv", "a-0002.mkv", "a.png"]
    for folder in ("one", "two"):
        assert sorted(path.name for path in (tmp_path / folder).iterdir()) == names
    first, second = (read_image(tmp_path / folder / "a.png") for folder in ("one", "two"))
    assert np.abs(first.astype(int) - second).max() <= 1


def test_ten_thousand_frames_need_no_more_memory_than_a_hundred(toy_generator_path, tmp_path):
    def rss_kib(num_frames):
        result = subprocess.run(
            [
                *(sys.executable, "-c", RSS_OF_RENDERING, str(toy_generator_path)),
                *(str(num_frames), str(tmp_path / f"{num_frames}.mp4")),
            ],
            capture_output=True,
            check=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        return int(result.stdout)

    few, many = rss_kib(100), rss_kib(10_000)

    assert open_video(tmp_path / "10000.mp4").num_frames == 10_000
    assert many < few + 20_000  # KiB; the frames themselves would be 7.5 MB, their floats 30 MB
