import dataclasses
import json

import numpy as np
import pytest

from mocotool.latents import read_latents, write_latents
from mocotool.provenance import FileRecord
from mocotool.video.opening import open_video
from mocotool.video.pictures import read_image


def rewritten(path, **meta):
    trajectory = read_latents(path)
    changed = dataclasses.replace(trajectory, meta=dataclasses.replace(trajectory.meta, **meta))
    with path.open("wb") as file:
        write_latents(changed, file)
    return path


def test_latents_find_their_generator_by_themselves(run_moco, toy_latents_path, tmp_path):
    result = run_moco("render", toy_latents_path, "-o", tmp_path / "clip.mp4")

    assert result.exit_code == 0, result.stderr
    for number in range(3):
        assert open_video(tmp_path / f"clip-000{number}.mp4").num_frames == 5


def test_latents_come_from_stdin(run_moco, toy_latents_path, tmp_path):
    data = toy_latents_path.read_bytes()

    result = run_moco("render", "-", "-o", tmp_path / "sheet.png", input=data)

    assert result.exit_code == 0, result.stderr
    assert read_image(tmp_path / "sheet.png").shape == (48, 80, 3)


def test_a_pipe_gets_mp4(run_moco, toy_latents_path):
    result = run_moco("render", toy_latents_path)

    assert result.stdout_bytes[4:8] == b"ftyp"


@pytest.mark.parametrize(
    ("format", "magic"),
    [
        ("webm", b"\x1aE\xdf\xa3"),
        ("mkv", b"\x1aE\xdf\xa3"),
        ("gif", b"GIF89a"),
        ("png", b"\x89PNG"),
    ],
)
def test_a_pipe_gets_the_format_asked_for(run_moco, toy_latents_path, format, magic):
    result = run_moco("render", toy_latents_path, "-o", "-", "--format", format)

    assert result.stdout_bytes.startswith(magic)


def test_the_format_can_differ_from_the_ending(run_moco, toy_latents_path, tmp_path):
    run_moco("render", toy_latents_path, "-o", tmp_path / "a.movie", "--format", "gif", "--grid")

    assert (tmp_path / "a.movie").read_bytes().startswith(b"GIF89a")


def test_the_rate_can_be_chosen(run_moco, toy_latents_path, tmp_path):
    result = run_moco(
        *("render", toy_latents_path, "--fps", 8, "--grid", "--json"),
        *("-o", tmp_path / "clip.mp4"),
    )

    assert json.loads(result.stdout)["fps"] == 8.0
    assert float(open_video(tmp_path / "clip.mp4").fps) == 8.0


def test_a_gif_says_how_fast_it_plays(run_moco, toy_latents_path, tmp_path):
    result = run_moco(
        *("render", toy_latents_path, "--fps", 60, "--grid", "--json"),
        *("-o", tmp_path / "clip.gif"),
    )

    assert json.loads(result.stdout)["fps"] == 50.0 == open_video(tmp_path / "clip.gif").fps
    assert "GIF plays at most 50 frames per second, not 60" in result.stderr


def test_numbered_frames_at_a_size_of_ones_own(run_moco, toy_latents_path, tmp_path):
    args = ("render", toy_latents_path, "-o", tmp_path / "frames" / "%03d.png", "--size", "24x20")

    made, again, forced = run_moco(*args), run_moco(*args), run_moco(*args, "--force")

    assert (made.exit_code, again.exit_code, forced.exit_code) == (0, 2, 0), made.stderr
    assert "000.png and 14 more: already exists" in again.stderr
    names = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png"))
    assert names == [f"frames/000{video}/00{t}.png" for video in range(3) for t in range(5)]
    video = open_video(tmp_path / "frames" / "0001")
    assert (video.num_frames, video.width, video.height) == (5, 24, 20)


def test_prores_goes_into_mov(run_moco, toy_latents_path, tmp_path):
    out = tmp_path / "grid.mov"

    made = run_moco("render", toy_latents_path, "--grid", "--codec", "prores", "-o", out)
    refused = run_moco("render", toy_latents_path, "--codec", "prores", "-o", tmp_path / "a.webm")

    assert made.exit_code == 0, made.stderr
    assert open_video(out).num_frames == 5
    assert refused.exit_code == 2
    assert "--codec prores goes into .mov or .mkv, not .webm" in refused.stderr


def test_noise_is_the_same_for_the_same_seed(run_moco, toy_latents_path, tmp_path):
    command = ("render", toy_latents_path, "--noise", "random", "--seed", 3, "-o")

    for name in ("a.png", "b.png"):
        run_moco(*command, tmp_path / name)

    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), read_image(tmp_path / "b.png"))


def test_latents_can_be_copied_to_latents(run_moco, toy_latents_path, tmp_path):
    run_moco("render", toy_latents_path, "-o", tmp_path / "copy.npz")

    np.testing.assert_array_equal(
        read_latents(tmp_path / "copy.npz").latents, read_latents(toy_latents_path).latents
    )


def test_a_generator_that_is_gone_is_named(run_moco, toy_latents_path, tmp_path):
    gone = FileRecord(path="/gone/g.pkl", sha256="0" * 64, kind="stylegan2")
    rewritten(toy_latents_path, generator=gone)

    result = run_moco("render", toy_latents_path, "-o", tmp_path / "clip.mp4")

    assert result.exit_code == 3
    assert "walk.npz: was made with /gone/g.pkl" in result.stderr
    assert "--generator" in result.stderr


def test_a_generator_that_was_named_wins_with_a_warning(
    run_moco, toy_latents_path, toy_generator_path, tmp_path
):
    gone = FileRecord(path="/gone/g.pkl", sha256="0" * 64, kind="stylegan2")
    rewritten(toy_latents_path, generator=gone)

    result = run_moco(
        *("render", toy_latents_path, "--generator", toy_generator_path),
        *("-o", tmp_path / "sheet.png"),
    )

    assert result.exit_code == 0
    assert "warning" in result.stderr


def test_latents_of_unknown_origin_ask_for_a_generator(run_moco, tmp_path):
    np.savez(tmp_path / "projected_w.npz", w=np.ones((1, 6, 12), np.float32))

    result = run_moco("render", tmp_path / "projected_w.npz", "-o", tmp_path / "a.mp4")

    assert result.exit_code == 2
    assert "does not say which generator" in result.stderr


@pytest.mark.parametrize(
    ("args", "exit_code", "said"),
    [
        (["gone.npz", "-o", "a.mp4"], 3, "gone.npz: no such file"),
        (["{empty}", "-o", "a.mp4"], 3, "the file is empty"),
        (["{cut}", "-o", "a.mp4"], 3, "cut.npz: not a readable .npz"),
        (["{pca}", "-o", "a.mp4"], 3, "no field 'latents'"),
        (["{latents}", "-o", "a.avi"], 2, "a.avi: unknown file type"),
        (["{latents}", "-o", "a"], 2, "a: unknown file type"),
        (["{latents}", "-o", "{folder}"], 2, "is a folder"),
        (["{latents}", "-o", "a.mp4", "--fps", "-3"], 2, "fps -3.0: expected more than 0"),
        (["{latents}", "-o", "a.mp4", "--precision", "fp8"], 2, "--precision fp8"),
        (["{latents}", "--json"], 2, "--json and the data both need stdout"),
    ],
)
def test_what_goes_wrong_is_said_in_a_sentence(
    run_moco, toy_folder, toy_latents_path, tmp_path, monkeypatch, args, exit_code, said
):
    (tmp_path / "empty.npz").touch()
    (tmp_path / "cut.npz").write_bytes(toy_latents_path.read_bytes()[:-30])
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    names = {
        "empty": tmp_path / "empty.npz",
        "cut": tmp_path / "cut.npz",
        "folder": tmp_path,
        "pca": toy_folder / "pca.npz",
        "latents": toy_latents_path,
    }

    result = run_moco("render", *(arg.format(**names) for arg in args))

    assert result.exit_code == exit_code, result.stderr
    assert said in result.stderr
    assert list((tmp_path / "work").iterdir()) == []
