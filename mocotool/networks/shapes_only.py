"""Build a network for its shapes alone: no memory for weights, no time for random numbers."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

RANDOM = frozenset({"randn", "rand"})
IN_PLACE = frozenset({"normal_", "uniform_", "copy_", "fill_", "zero_"})
ELEMENTWISE = frozenset(
    f"{left}{name}{right}"
    for name in ("mul", "div", "truediv", "rmul", "rdiv", "rtruediv", "add", "sub", "radd", "rsub")
    for left, right in (("", ""), ("__", "__"))
)


class _NoArithmetic(TorchFunctionMode):
    """Answers arithmetic on meta tensors by its shape.

    Torch could do so itself, but imports its whole compiler the first time, which takes seconds.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        del types
        name = getattr(func, "__name__", "")
        if name in RANDOM:
            func = torch.empty
        elif name in IN_PLACE:
            return args[0] if args else (kwargs or {})["tensor"]
        elif name == "eye":
            return torch.empty(args[0], args[0])
        elif name == "outer":
            return torch.empty(len(args[0]), len(args[1]))
        elif name in ELEMENTWISE:
            shapes = [arg.shape for arg in args if isinstance(arg, Tensor)]
            return torch.empty(_broadcast(shapes))
        return func(*args, **(kwargs or {}))


def _broadcast(shapes: list[torch.Size]) -> list[int]:
    columns = itertools.zip_longest(*(reversed(shape) for shape in shapes), fillvalue=1)
    return [max(column) for column in columns][::-1]


@contextmanager
def shapes_only() -> Iterator[None]:
    """Put every tensor made in the block on the meta device, without computing its values."""
    with torch.device("meta"), _NoArithmetic():
        yield
