"""Ctrl-C and SIGTERM ask first and insist second."""

import os
import signal
import threading

import pytest

from mocotool.training.distributed import Processes
from mocotool.training.stopping import Agreement, catch_stop_signals


@pytest.fixture
def ctrl_c_interrupts():
    """Python's own handler: a shell starts background jobs with Ctrl-C switched off."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_noted_and_the_handlers_come_back(number):
    before = signal.getsignal(number)

    with catch_stop_signals() as stop:
        assert not stop
        signal.raise_signal(number)

        assert stop
        assert stop.signal == number

    assert signal.getsignal(number) == before


def test_a_second_ctrl_c_interrupts_at_once(ctrl_c_interrupts):
    with catch_stop_signals() as stop:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)

        assert stop


def test_under_torchrun_the_second_arrival_of_one_ctrl_c_changes_nothing(monkeypatch):
    monkeypatch.setitem(os.environ, "TORCHELASTIC_RUN_ID", "none")

    with catch_stop_signals() as stop:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

        assert stop


def test_handlers_come_back_after_an_error():
    before = signal.getsignal(signal.SIGINT)

    with pytest.raises(ZeroDivisionError), catch_stop_signals():
        raise ZeroDivisionError

    assert signal.getsignal(signal.SIGINT) == before


def test_another_thread_may_train_too():
    seen = []

    def train():
        with catch_stop_signals() as stop:
            seen.append(bool(stop))

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()

    assert seen == [False]


class TogetherWith:
    """A process of two; what the other says is given."""

    world_size = 2

    def __init__(self, other):
        self.other = other
        self.num_asked = 0

    def find_largest(self, values):
        self.num_asked += 1
        return [max(pair) for pair in zip(values, self.other, strict=True)]


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize(
    ("step_seconds", "of_the_other", "num_asked"),
    [(0.1, 0.0, 20), (0.1, 0.25, 25), (0.1, 0.5, 50), (0.1, 30.0, 100), (5.0, 0.0, 100)],
)
def test_processes_ask_each_other_once_a_second_or_in_five_steps(
    step_seconds, of_the_other, num_asked
):
    clock, processes = Clock(), TogetherWith([False, of_the_other])
    agreement = Agreement(processes, clock=clock)

    for _ in range(100):
        clock.now += step_seconds
        assert agreement.find_any(False) == [False]

    assert processes.num_asked == pytest.approx(num_asked, abs=2)


def test_what_any_process_wants_is_what_all_are_told():
    processes = TogetherWith([True, False, 0.0])
    assert Agreement(processes).find_any(False, True) == [True, True]
    assert Agreement(processes).find_any(False, False) == [True, False]


def test_a_process_alone_is_told_at_once():
    agreement = Agreement(Processes(), clock=lambda: 0.0)
    assert [agreement.find_any(flag)[0] for flag in (False, True, False)] == [False, True, False]
