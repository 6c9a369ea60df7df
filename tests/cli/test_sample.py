import functools
import io
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from mocotool import trajectory
from mocotool.generators import recorded
from mocotool.latents import LatentsMeta, Trajectory, read_latents, write_latents
from mocotool.video.opening import open_video


def unpack(result):
    assert result.exit_code == 0, result.stderr
    return read_latents(io.BytesIO(result.stdout_bytes), "<pipe>")


def test_a_pipe_gets_latents_with_their_record(run_moco, toy_motion_path, toy_generator):
    trajectory = unpack(run_moco("sample", toy_motion_path))

    assert trajectory.latents.shape == (1, 16, 12)
    assert trajectory.meta.generator == toy_generator.origin.file
    assert trajectory.meta.motion.path == str(toy_motion_path)
    assert len(trajectory.meta.history) == 1


def test_content_and_motion_seeds_are_apart(run_moco, toy_motion_path):
    trajectory = unpack(
        run_moco("sample", toy_motion_path, "--seeds", 5, "--motion-seeds", "0-2,7")
    )

    assert trajectory.meta.seeds == [5, 5, 5, 5]
    assert trajectory.meta.motion_seeds == [0, 1, 2, 7]


def test_frames_beyond_the_training_length(run_moco, toy_motion_path):
    trajectory = unpack(run_moco("sample", toy_motion_path, "--num-frames", 64))

    assert trajectory.num_frames == 64


def test_a_start_from_a_file_and_from_stdin(run_moco, toy_motion_path, toy_latents_path):
    from_file = run_moco("sample", toy_motion_path, "--start", toy_latents_path)
    from_pipe = run_moco(
        "sample", toy_motion_path, "--start", "-", input=toy_latents_path.read_bytes()
    )

    starts = read_latents(toy_latents_path).latents[:, -1]
    for result in (from_file, from_pipe):
        np.testing.assert_array_equal(unpack(result).latents[:, 0], starts)


def test_a_bare_array_as_the_start_loads_each_model_once(
    run_moco, toy_motion_path, tmp_path, monkeypatch
):
    loads = Counter()

    def count(load, *args, **options):
        loads[load.__name__] += 1
        return load(*args, **options)

    for module, name in ((trajectory, "load_motion"), (recorded, "load_generator")):
        load = getattr(module, name)
        monkeypatch.setattr(module, name, functools.partial(count, load))
    np.save(tmp_path / "start.npy", np.ones((1, 12), np.float32))

    result = run_moco("sample", toy_motion_path, "--start", tmp_path / "start.npy")

    assert unpack(result).num_videos == 1
    assert loads == {"load_motion": 1, "load_generator": 1}


def test_projected_w_is_a_start(run_moco, toy_motion_path, toy_generator_path, tmp_path):
    np.savez(tmp_path / "projected_w.npz", w=np.ones((1, 6, 12), np.float32))

    trajectory = unpack(
        run_moco("sample", toy_motion_path, "--start", tmp_path / "projected_w.npz")
    )

    assert trajectory.latents.shape == (1, 16, 6, 12)
    assert trajectory.meta.space == "w+"


def test_the_ending_decides_what_is_written(run_moco, toy_motion_path, tmp_path):
    for name, files in [
        ("a.npz", ["a.npz"]),
        ("b.mp4", ["b-0000.mp4", "b-0001.mp4"]),
        ("c.png", ["c.png"]),
    ]:
        folder = tmp_path / name
        folder.mkdir()

        result = run_moco(
            "sample", toy_motion_path, "--num-videos", 2, "--num-frames", 3, "-o", folder / name
        )

        assert result.exit_code == 0, result.stderr
        assert sorted(path.name for path in folder.iterdir()) == files


def test_json_is_one_object(run_moco, toy_motion_path, tmp_path):
    result = run_moco("sample", toy_motion_path, "-o", tmp_path / "a.npz", "--json")

    values = json.loads(result.stdout)
    assert values["wrote"] == [str(tmp_path / "a.npz")]
    assert (values["videos"], values["frames"]) == (1, 16)


def test_a_grid_is_one_file(run_moco, toy_motion_path, tmp_path):
    run_moco(
        *("sample", toy_motion_path, "--num-videos", 4, "--num-frames", 3, "--grid"),
        *("-o", tmp_path / "grid.mp4", "--fps", 5),
    )

    video = open_video(tmp_path / "grid.mp4")
    assert (video.num_frames, video.width, float(video.fps)) == (3, 32, 5.0)


def test_another_generator_of_the_same_size_brings_a_warning(
    run_moco, toy_motion_path, tmp_path, toy_generator
):
    from mocotool.generators.loading import save_generator

    save_generator(toy_generator, tmp_path / "other.safetensors", notes={"is": "another"})

    result = run_moco(
        *("sample", toy_motion_path, "--generator", tmp_path / "other.safetensors"),
        *("-o", tmp_path / "a.npz"),
    )

    assert result.exit_code == 0
    assert "moco: warning: " in result.stderr
    assert "other.safetensors" in result.stderr
    assert "generator.safetensors" in result.stderr


@pytest.mark.parametrize(
    ("args", "exit_code", "said"),
    [
        (["gone.safetensors"], 3, "gone.safetensors: no such file"),
        (["{generator}"], 3, "is not a motion model"),
        (["{motion}", "--generator", "gone.pkl"], 3, "gone.pkl: no such file"),
        (["{motion}", "--seeds", "0-2", "--motion-seeds", "0,1"], 2, "expected 1 or 3"),
        (["{motion}", "--num-videos", "2", "--seeds", "0-2"], 2, "--seeds has 3"),
        (["{motion}", "--start", "{latents}", "--seeds", "0"], 2, "--start replaces --seeds"),
        (["{motion}", "--start", "gone.npz"], 3, "gone.npz: no such file"),
        (["{motion}", "--start", "{pca}"], 3, "no field 'latents'"),
        (["{motion}", "--start", "{narrow}"], 4, "latents of 11 dimensions"),
        (["{motion}", "--start", "{latents}", "--start-frame", "9"], 2, "no frame 9"),
        (["{motion}", "--labels", "0"], 4, "no classes"),
        (["{motion}", "-o", "clip.xyz"], 2, "clip.xyz: unknown file type"),
        (["{motion}", "-o", "walk.npz", "--grid"], 2, "--grid is for videos"),
        (["{motion}", "-o", "/nowhere/a.npz"], 2, "there is no folder"),
        (["{motion}", "-o", "no folder/a.mp4"], 2, "hint: mkdir -p 'no folder'"),
        (["{motion}", "-o", "{latents}"], 2, "already exists"),
        (["{motion}", "--fps", "0"], 2, "fps 0.0: expected more than 0"),
    ],
)
def test_what_goes_wrong_is_said_in_a_sentence(
    run_moco, toy_folder, toy_latents_path, tmp_path, args, exit_code, said
):
    narrow = Trajectory(latents=np.ones((1, 2, 11), np.float32), meta=LatentsMeta(space="w"))
    with (tmp_path / "narrow.npz").open("wb") as file:
        write_latents(narrow, file)
    names = {
        "generator": toy_folder / "generator.safetensors",
        "pca": toy_folder / "pca.npz",
        "motion": toy_folder / "motion.safetensors",
        "latents": toy_latents_path,
        "narrow": tmp_path / "narrow.npz",
    }

    result = run_moco("sample", *(arg.format(**names) for arg in args))

    assert result.exit_code == exit_code, result.stderr
    assert said in result.stderr
    assert result.stdout_bytes == b""


@pytest.mark.parametrize(
    "args", [["--seeds", "a"], ["--seeds", "3-1"], ["--num-frames", "0"], ["--format", "avi"]]
)
def test_usage_errors_have_exit_code_two(run_moco, toy_motion_path, args):
    assert run_moco("sample", toy_motion_path, *args).exit_code == 2


def test_a_motion_model_of_another_generator_is_refused(run_moco, toy_motion_path, tmp_path):
    from mocotool.generators.loading import save_generator
    from mocotool.generators.stylegan2 import StyleGAN2

    wide = StyleGAN2(
        z_dim=8, w_dim=14, img_resolution=8, channels=[4, 4], num_mapping_layers=1
    ).freeze()
    save_generator(wide, tmp_path / "wide.safetensors")

    result = run_moco("sample", toy_motion_path, "--generator", tmp_path / "wide.safetensors")

    assert result.exit_code == 4
    assert "motion.safetensors: moves latents of 12 dimensions" in result.stderr


def test_a_device_is_written_to_and_stays_one(run_moco, toy_motion_path):
    args = ["sample", toy_motion_path, "-o", "/dev/null", "--format", "npz"]

    result = run_moco(*args)

    assert result.exit_code == 0, result.stderr
    assert Path("/dev/null").is_char_device()
