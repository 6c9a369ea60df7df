"""Stopping a run from outside: Ctrl-C and SIGTERM ask, the run saves first."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


class StopRequest:
    """Set once the user or the system has asked the run to stop.

    Args:
        also: Another one to ask; true where the run shall stop.
    """

    def __init__(self, also: Callable[[], bool] | None = None) -> None:
        self.signal: signal.Signals | None = None
        self._also = also

    def __bool__(self) -> bool:
        return self.signal is not None or (self._also is not None and self._also())


@contextlib.contextmanager
def catch_stop_signals(also: Callable[[], bool] | None = None) -> Iterator[StopRequest]:
    """Note Ctrl-C and SIGTERM instead of dying; a second one ends the process at once.

    Under `torchrun` one Ctrl-C arrives twice, from the terminal and from `torchrun`, which itself
    kills what has not ended after a while. There a second one changes nothing.
    """
    request = StopRequest(also)
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def note(number: int, _frame: FrameType | None) -> None:
        request.signal = signal.Signals(number)
        if "TORCHELASTIC_RUN_ID" not in os.environ:
            signal.signal(number, previous[request.signal])

    wanted = (signal.SIGINT, signal.SIGTERM)
    previous = {number: signal.getsignal(number) or signal.SIG_DFL for number in wanted}
    for number in wanted:
        signal.signal(number, note)
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
