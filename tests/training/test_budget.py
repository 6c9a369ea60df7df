"""What fits into a span of time, and when a run has to end."""

import json

import pytest

from mocotool.configs.running import parse_duration
from mocotool.errors import ConfigError
from mocotool.training import budget
from mocotool.training.budget import Deadline, choose_within


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("45m", 2700), ("1h30m", 5400), ("90s", 90), ("1.5h", 5400), ("1h1m1s", 3661)],
)
def test_spans_of_time_are_read(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "45", "m", "45m3", "-3m", "0s", "1d", "45 m"])
def test_what_is_no_span_of_time_is_refused(text):
    with pytest.raises(ConfigError, match="expected a span of time such as 45m"):
        parse_duration(text)


def test_the_end_is_near_when_a_step_and_a_save_may_not_fit():
    clock = Clock()
    deadline = Deadline(100, clock=clock)
    near = []
    for now in (10, 20, 50, 60, 70):  # 30 seconds were the longest
        clock.now = now
        near.append(deadline.is_near())

    assert near == [False, False, False, True, True]
    assert deadline.left == 30
    assert not Deadline(None).is_near()


def test_the_first_choice_of_which_enough_fits_is_taken():
    clock = Clock()
    deadline = Deadline(1000, clock=clock)

    def measure(seconds):
        clock.now += 10
        return seconds

    chosen = choose_within([10, 4, 1], deadline, wanted=lambda _: 150, measure=measure)
    small = choose_within([10, 4], deadline, wanted=lambda _: 10**9, measure=measure)

    assert chosen == (4, int(budget.SHARE * 980 / 4))
    assert small[0] == 4


def test_a_run_plans_for_its_time_and_keeps_what_was_asked_for(
    run_moco, toy_generator_path, toy_pca_path, real_clips_folder, tmp_path, monkeypatch
):
    monkeypatch.setattr(budget, "SHARE", 0.01)
    words = [
        *("train-motion", "--videos", real_clips_folder, "--generator", toy_generator_path),
        *("--pca", toy_pca_path, "-o", tmp_path / "run", "--batch-size", 2, "--num-frames", 4),
        *("--hidden-dim", 8, "--noise-dim", 4, "--video-width", 2, "--pair-width", 2),
        *("--num-g-steps", 1, "--device", "cpu", "--json", "--budget", "30s"),
    ]

    planned, trained = run_moco(*words, "--dry-run"), run_moco(*words)

    plan = json.loads(planned.stdout)
    assert plan["clips_per_step"] == 2
    assert plan["frame_size"] == 16
    assert 0 < plan["steps"] < 5000
    config = json.loads((tmp_path / "run" / "config.json").read_text())["config"]
    steps = json.loads(trained.stdout)["steps"]
    assert steps == config["num_steps"]
    assert config["save_every"] == max(1, steps // 8)
    assert "0.5 minutes:" in trained.stderr


def test_without_a_word_a_processor_gets_an_hour(
    run_moco, real_clips_folder, tmp_path, monkeypatch
):
    asked = []
    monkeypatch.setattr(
        "mocotool.runs.train_motion.plan_motion_run",
        lambda *_, config, **__: asked.append(config) or {},
    )
    words = ("train-motion", "--videos", real_clips_folder, "-o", tmp_path / "run", "--dry-run")

    for more in ((), ("--num-steps", 5), ("--preset", "sky")):
        assert run_moco(*words, "--device", "cpu", *more).exit_code == 0

    assert [config.budget for config in asked] == [3600, None, None]
