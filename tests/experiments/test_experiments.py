"""The experiments behind the pages of figures still run, on a few bundled clips."""

import json
import sys

import pytest
from experiments import ablations, quality_sheets

from mocotool.bundled import CLIPS_FOLDER


def flatten(row):
    for name, value in row.items():
        yield name, value
        if isinstance(value, dict):
            yield from flatten(value)


def run(main, monkeypatch, *args):
    monkeypatch.setattr(sys, "argv", ["experiment", *map(str, args)])
    main()


def test_the_sheets_of_quality_are_drawn(tmp_path, monkeypatch):
    seen = tmp_path / "seen"
    seen.mkdir()
    for clip in sorted(CLIPS_FOLDER.glob("*.mp4"))[:2]:
        (seen / clip.name).symlink_to(clip)

    run(quality_sheets.main, monkeypatch, seen, "--out", tmp_path)

    assert len(list(tmp_path.glob("*.png"))) == 3


@pytest.mark.slow
def test_a_row_of_the_ablations_is_trained_measured_and_logged(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(ablations, "NUM_CLIPS", 4)
    monkeypatch.setattr(ablations, "NUM_WALKS", 64)
    monkeypatch.setattr(ablations, "ROWS", {"recipes": {"reference": ablations.REFERENCE}})
    log = tmp_path / "log.jsonl"
    args = ["--rows", "recipes", "--num-g-updates", 2, "--seeds", 1, "--log", log]

    run(ablations.main, monkeypatch, CLIPS_FOLDER, CLIPS_FOLDER, *args)

    (row,) = [json.loads(line) for line in log.read_text().splitlines()]
    assert {"distance", "recovered", "seconds"} <= set(dict(flatten(row)))
    assert "reference" in capsys.readouterr().out
