"""Choice of the number of threads: whichever renders sooner.

Several wait for the slowest of them at every layer. Where other programs have the cores, or the
pictures are small, one alone can be many times as quick.
"""

import time
from collections.abc import Callable

import torch

ROUNDS = 3


def settle_threads(render: Callable[[], object]) -> bool:
    """Let this process render with all of its threads or with one, whichever is quicker now.

    Args:
        render: Renders something anew at each call.

    Returns:
        Whether it is one from now on, where several were allowed.
    """
    most = torch.get_num_threads()
    if most == 1:
        return False
    seconds = {}
    for num_threads in (most, 1):
        torch.set_num_threads(num_threads)
        render()  # warms up
        seconds[num_threads] = min(_time(render) for _ in range(ROUNDS))
    chosen = min(seconds, key=lambda num_threads: seconds[num_threads])
    torch.set_num_threads(chosen)
    return chosen == 1


def _time(render: Callable[[], object]) -> float:
    began = time.perf_counter()
    render()
    return time.perf_counter() - began
