"""Stopping a run from outside: Ctrl-C and SIGTERM ask, the run saves first.

Processes that train together stop at the same step, which they have to agree on.
"""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType

from mocotool.training.distributed import Processes

# How far apart processes ask each other; a run of few short steps would end before it is asked.
AGREE_SECONDS, AGREE_STEPS = 1.0, 5


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


class Agreement:
    """Lets processes agree on the step at which they stop, without communicating at each.

    Args:
        processes: Those that train together.
        clock: Tells seconds.
    """

    def __init__(
        self, processes: Processes, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._processes = processes
        self._clock = clock
        self._asked_at = clock()
        self._wait, self._waited = 1, 0  # steps

    def find_any(self, *flags: bool) -> list[bool]:
        """Return which flags are set in any process; to be called after each step.

        Between two times that processes ask each other, a second or five steps apart, none is. A
        process alone is told at once.
        """
        if self._processes.world_size == 1:
            return list(flags)
        self._waited += 1
        if self._waited < self._wait:
            return [False] * len(flags)

        # The slowest says when to ask again, so that all do at the same step
        now = self._clock()
        seconds = (now - self._asked_at) / self._wait
        *found, slowest = self._processes.find_largest([*map(float, flags), seconds])
        self._asked_at = now
        fitting = int(AGREE_SECONDS / max(slowest, 1e-3))
        self._wait, self._waited = min(max(1, fitting), AGREE_STEPS), 0
        return [bool(flag) for flag in found]


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
