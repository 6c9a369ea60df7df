"""Ctrl-C and SIGTERM ask first and insist second."""

import os
import signal
import threading

import pytest

from mocotool.training.stopping import catch_stop_signals


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
