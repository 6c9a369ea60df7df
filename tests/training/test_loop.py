"""The loop that every training shares, around a training that only counts."""

import json
from dataclasses import dataclass

import pytest

from mocotool.errors import DivergedError, StoppedError
from mocotool.training.budget import Deadline
from mocotool.training.loop import Alarms, Training, run_training
from mocotool.training.run_folder import RunFolder
from mocotool.training.stopping import StopRequest


@dataclass(frozen=True)
class Schedule:
    num_steps: int = 7
    save_every: int = 3
    log_every: int = 2


class Counter:
    """A trainer whose weights are its number of steps."""

    def __init__(self, config):
        self.config = config
        self.step_idx = 0
        self.is_broken = False

    def check_weights(self):
        if self.is_broken:
            raise DivergedError("broken")


class Counting(Training):
    preview_every = 5

    def __init__(self, run, config):
        self.run = run
        self.trainer = Counter(config)
        self.done = []
        self.over_at = None

    def step(self):
        self.trainer.step_idx += 1
        return {"loss": 1 / self.trainer.step_idx}

    def measure(self, warn):
        self._note("measured")
        return {"figure": float(self.trainer.step_idx)}

    def save_preview(self):
        self._note("preview")

    def save(self):
        self._note("saved")
        self.run.save_state({"step_idx": self.trainer.step_idx})

    @property
    def is_over(self):
        return self.trainer.step_idx == self.over_at

    def _note(self, what):
        self.done.append((what, self.trainer.step_idx))


@pytest.fixture
def start(tmp_path):
    def make(folder="run", config=Schedule()):
        run = RunFolder(tmp_path / folder)
        run.path.mkdir(exist_ok=True)
        return Counting(run, config)

    return make


def train(training, *, stop_at=None, break_at=None):
    stop = StopRequest()

    def on_step(step, values):
        stop.signal = 2 if step == stop_at else None
        training.trainer.is_broken = step == break_at

    run_training(training, training.run, on_step=on_step, warn=pytest.fail, stop=stop)


def read_log(training):
    return (training.run.path / "metrics.jsonl").read_text().splitlines()


def test_what_is_due_is_done_and_everything_at_the_last_step(start):
    training = start()

    train(training)

    assert training.done == [
        ("measured", 3),
        ("saved", 3),
        ("preview", 5),
        ("measured", 6),
        ("saved", 6),
        ("measured", 7),
        ("preview", 7),
        ("saved", 7),
    ]


def test_a_step_has_one_line_with_losses_and_figures(start):
    training = start()

    train(training)

    rows = [json.loads(line) for line in read_log(training)]
    assert [row["step"] for row in rows] == [2, 3, 4, 6, 7]
    assert [row.get("figure") for row in rows] == [None, 3.0, None, 6.0, 7.0]
    assert all(row["loss"] == 1 / row["step"] for row in rows)


@pytest.mark.parametrize("stop_at", range(1, 7))
def test_a_run_that_was_stopped_logs_what_an_uninterrupted_one_does(start, stop_at):
    whole, parts = start("whole"), start("parts")
    train(whole)

    with pytest.raises(StoppedError, match=f"saved after {stop_at} steps"):
        train(parts, stop_at=stop_at)
    state = parts.run.load_state(warn=pytest.fail)
    parts.trainer.step_idx = state["step_idx"]
    parts.run.drop_log_after(state["step_idx"])
    train(parts)

    assert read_log(parts) == read_log(whole)
    assert [what for what in parts.done if what[0] == "measured"] == [
        what for what in whole.done if what[0] == "measured"
    ]


def test_a_run_that_is_asked_to_stop_at_its_last_step_has_ended(start):
    training = start()

    train(training, stop_at=7)

    assert training.done[-1] == ("saved", 7)


def test_broken_weights_are_neither_measured_nor_shown_nor_saved(start):
    training = start(config=Schedule(save_every=5))

    with pytest.raises(DivergedError):
        train(training, break_at=5)

    assert training.done == []


def test_a_training_may_end_before_its_last_step(start):
    training = start()
    training.over_at = 3

    train(training)

    assert training.done == [("measured", 3), ("saved", 3)]


def test_an_alarm_is_told_once_and_again_after_it_was_right():
    alarms = Alarms()

    told = [alarms.find_new(now) for now in ({"a": "A"}, {"a": "A", "b": "B"}, {"b": "B"})]

    assert told == [["A"], ["B"], []]
    assert alarms.find_new({"a": "A", "b": "B"}) == ["A"]


def test_a_run_out_of_time_is_saved_and_measures_nothing(start):
    ticks = iter(range(100))
    training = start()
    deadline = Deadline(6, clock=lambda: next(ticks))  # a second a step

    run_training(
        training, training.run, on_step=lambda *_: None, warn=lambda _: None, deadline=deadline
    )

    assert deadline.has_cut
    assert training.trainer.step_idx == 5
    assert training.done == [("measured", 3), ("saved", 3), ("preview", 5), ("saved", 5)]


def test_a_run_that_ends_in_time_was_not_cut(start):
    ticks = iter(range(100))
    training = start()
    deadline = Deadline(60, clock=lambda: next(ticks))

    run_training(
        training, training.run, on_step=lambda *_: None, warn=lambda _: None, deadline=deadline
    )

    assert not deadline.has_cut
    assert training.trainer.step_idx == 7


def test_the_newest_figures_are_told_beside_every_step(start):
    training, told = start(), []

    run_training(
        training,
        training.run,
        on_step=lambda step, values: told.append(values.get("figure")),
        warn=lambda _: None,
    )

    assert told == [None, None, None, 3.0, 3.0, 3.0, 6.0]
