import os
from pathlib import Path

import numpy as np
import pytest

from mocotool.errors import ConfigError
from mocotool.video.numbered import (
    check_numbered_output,
    drop_earlier_sets,
    find_frames,
    is_numbered,
    name_frame,
    name_sets,
    write_numbered,
)
from mocotool.video.pictures import read_image

FRAMES = np.random.default_rng(0).integers(0, 256, (5, 6, 8, 3), np.uint8)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("frames/%05d.png", True),
        ("f_%d.PNG", True),
        ("%03d.jpg", False),
        ("sheet.png", False),
        ("100%.png", False),
        ("%d-%d.png", False),
    ],
)
def test_names_with_a_place_for_a_number_stand_for_frames(name, expected):
    assert is_numbered(Path(name)) is expected


def test_names_are_those_that_printf_gives():
    for pattern in ("%05d.png", "a%d.png", "x_%03d_y.png"):
        assert [name_frame(Path("f", pattern), n).name for n in (0, 41, 123_456)] == [
            pattern % n for n in (0, 41, 123_456)
        ]
    assert name_sets(Path("f/%d.png"), num_videos=2) == [
        Path("f/0000/%d.png"),
        Path("f/0001/%d.png"),
    ]


@pytest.mark.parametrize("is_there", [False, True])
def test_frames_come_back_bit_for_bit(tmp_path, is_there):
    folder = tmp_path / "frames"
    if is_there:
        folder.mkdir()

    count = write_numbered(folder / "%05d.png", [FRAMES[:2], FRAMES[2:]])

    assert count == 5
    assert sorted(os.listdir(folder)) == [f"{n:05d}.png" for n in range(5)]
    for n, path in enumerate(find_frames(folder / "%05d.png")):
        np.testing.assert_array_equal(read_image(path), FRAMES[n])
    assert os.listdir(tmp_path) == ["frames"]


@pytest.mark.parametrize("is_there", [False, True])
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_interrupted_run_leaves_no_half_set(tmp_path, is_there, error):
    folder = tmp_path / "frames"
    if is_there:
        write_numbered(folder / "%05d.png", [FRAMES[:1]])

    def broken():
        yield FRAMES[1:3]
        raise error("stopped")

    with pytest.raises(error):
        write_numbered(folder / "%05d.png", broken())

    assert [path.name for path in find_frames(folder / "%05d.png")] == ["00000.png"] * is_there
    assert os.listdir(tmp_path) == ["frames"] * is_there
    if is_there:
        assert os.listdir(folder) == ["00000.png"]
        np.testing.assert_array_equal(read_image(folder / "00000.png"), FRAMES[0])


def test_a_shorter_set_leaves_nothing_of_the_longer_one_and_all_else(tmp_path):
    pattern = tmp_path / "%02d.png"
    write_numbered(pattern, [FRAMES])
    (tmp_path / "notes.txt").write_text("mine")

    write_numbered(pattern, [FRAMES[:2]])

    assert sorted(os.listdir(tmp_path)) == ["00.png", "01.png", "notes.txt"]
    with pytest.raises(ConfigError, match=r"00\.png and 1 more: already exists"):
        check_numbered_output(pattern, force=False)
    check_numbered_output(pattern, force=True)


def test_folders_of_earlier_videos_go_if_nothing_else_is_in_them(tmp_path):
    pattern = tmp_path / "%d.png"
    for own in name_sets(pattern, num_videos=4):
        write_numbered(own, [FRAMES])
    (tmp_path / "0003" / "notes.txt").write_text("mine")

    drop_earlier_sets(pattern, num_videos=2)

    assert sorted(os.listdir(tmp_path)) == ["0000", "0001", "0003"]


def test_a_place_that_cannot_be_written_is_said_before_anything_is_rendered(tmp_path):
    (tmp_path / "file").write_text("x")
    for pattern, said in (
        ("no/such/%d.png", "there is no folder"),
        ("file/%d.png", "already exists"),
        ("%d/%d.png", "belongs in the file"),
    ):
        with pytest.raises(ConfigError, match=said):
            check_numbered_output(tmp_path / pattern, force=False)
