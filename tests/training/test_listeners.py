"""Who hears what a run tells, where several processes train together."""

from mocotool.training.distributed import Processes
from mocotool.training.listeners import Listeners, ignore


def test_what_one_process_alone_sees_is_told_by_any():
    told = []
    heard = Listeners(progress=ignore, note=told.append, warn=told.append)

    first, second = (heard.only_of(Processes(rank, 2)) for rank in range(2))
    for listener in (first, second):
        listener.note("a note")
        listener.warn("a warning")
        (listener.warn_each or listener.warn)("a clip")

    assert told == ["a note", "a warning", "a clip", "a clip"]
