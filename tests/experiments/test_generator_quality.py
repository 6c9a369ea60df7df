"""The table of a generator's quality puts clips before people, and people before noise."""

import re

import pytest
from experiments.generator_quality import main

from mocotool.bundled import CLIPS_FOLDER


@pytest.fixture
def halves(tmp_path):
    clips = sorted(CLIPS_FOLDER.glob("*.mp4"))
    folders = tmp_path / "unseen", tmp_path / "seen"
    for folder, part in zip(folders, (clips[::2], clips[1::2]), strict=True):
        folder.mkdir()
        for clip in part:
            (folder / clip.name).symlink_to(clip)
    return folders


def test_the_table_orders_generators_as_they_deserve(toy_generator_path, halves, capsys):
    args = [toy_generator_path, *halves, "--num-samples", 12, "--frames-per-clip", 2]

    main([*map(str, args), "--old", "bundled:people.safetensors"])

    lines = [line for line in capsys.readouterr().out.splitlines() if "±" in line]
    rows = [[float(n) for n in re.findall(r"-?\d+\.\d+", line)] for line in lines]
    kid, accuracy, pixels = ([row[i] for row in rows] for i in (0, 2, 6))
    assert [len(row) for row in rows] == [7, 7, 7, 7]
    assert kid[0] < kid[1] < kid[3]
    assert kid[2] < kid[3]
    assert accuracy[3] == 1.0
    assert accuracy[0] < 0.9
    assert pixels[0] < pixels[3]
