"""Which questions a study asks, and the page that asks them."""

import itertools
import json
import re
from collections import Counter

import pytest

from mocotool.configs.compare import CompareConfig
from mocotool.errors import ConfigError, FileFormatError
from mocotool.preference.page import write_page
from mocotool.preference.study import plan_study


@pytest.fixture
def make_sides(tmp_path):
    def make(*names, num_videos=5, suffix=".mp4"):
        for name in names:
            (tmp_path / name).mkdir(parents=True)
            for number in range(num_videos):
                (tmp_path / name / f"v{number}{suffix}").write_text(f"{name} {number}")
        return [tmp_path / name for name in names]

    return make


def plan(sides, **config):
    return plan_study(sides, config=CompareConfig(**config))


def test_every_pair_of_sides_is_asked_about_equally_often(make_sides):
    study = plan(make_sides("a", "b", "c"), num_trials=31)

    counts = Counter(frozenset(trial.sides) for trial in study.trials)

    assert set(counts) == {frozenset(pair) for pair in itertools.combinations(range(3), 2)}
    assert sorted(counts.values()) == [10, 10, 11]


def test_each_side_stands_on_the_left_about_half_of_the_time(make_sides):
    study = plan(make_sides("a", "b"), num_trials=400)

    left = sum(trial.sides[0] == 0 for trial in study.trials)

    assert 160 < left < 240


@pytest.mark.parametrize("grid", [1, 2])
def test_no_video_comes_again_before_all_have_come(make_sides, grid):
    study = plan(make_sides("a", "b", num_videos=8), num_trials=20, grid=grid)

    shown = [
        video
        for trial in study.trials
        for side, videos in zip(trial.sides, trial.videos, strict=True)
        for video in videos
        if side == 0
    ]

    for start in range(0, len(shown) - 7, 8):
        assert sorted(shown[start : start + 8]) == list(range(8))


def test_a_square_never_shows_a_video_twice(make_sides):
    study = plan(make_sides("a", "b", num_videos=5), num_trials=30, grid=2)

    assert all(len(set(v)) == 4 for trial in study.trials for v in trial.videos)


def test_the_same_seed_asks_the_same(make_sides):
    sides = make_sides("a", "b")

    assert plan(sides, seed=3) == plan(sides, seed=3)
    assert plan(sides, seed=3).trials != plan(sides, seed=4).trials
    assert plan(sides, seed=3).mark != plan(sides, seed=4).mark


def test_sides_of_one_name_are_told_apart(make_sides):
    study = plan(make_sides("x/out", "y/out"))

    assert study.names == ("out", "out (2)")


def test_what_cannot_be_compared_is_a_sentence(make_sides, tmp_path):
    a, b = make_sides("a", "b", num_videos=3)
    (tmp_path / "notes").mkdir()

    with pytest.raises(ConfigError, match="expected at least 2 sides"):
        plan([a])
    with pytest.raises(ConfigError, match="3 videos, a square of 2 by 2 needs 4"):
        plan([a, b], grid=2)
    with pytest.raises(FileFormatError, match="nothing to show, expected"):
        plan([a, tmp_path / "notes"])
    with pytest.raises(FileFormatError, match="no such file or folder"):
        plan([a, tmp_path / "gone"])


def test_the_page_shows_copies_under_names_that_say_nothing(make_sides, tmp_path):
    study = plan(make_sides("ours", "theirs"), num_trials=10)

    page = write_page(study, tmp_path / "page")

    text = page.read_text(encoding="utf-8")
    record = json.loads(re.search(r'id="study">(.*?)</script>', text, re.DOTALL)[1])
    for trial, asked in zip(record["trials"], study.trials, strict=True):
        for side, videos, shown in zip(asked.sides, asked.videos, trial["shown"], strict=True):
            for video, thing in zip(videos, shown, strict=True):
                copy = tmp_path / "page" / thing["address"]
                assert copy.read_text() == f"{('ours', 'theirs')[side]} {video}"
                assert re.fullmatch(r"media/\d{5}\.mp4", thing["address"])
    assert "http" not in text.replace("http-equiv", "")
