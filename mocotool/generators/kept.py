"""What follows from weights that do not change, computed once and kept.

A generator that does not learn is asked for pictures thousands of times, and its weights in half
precision, their sums of squares and their gains are the same each time. On a GPU each of them is
one more kernel to launch at every layer of every call.
"""

import weakref
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Generic, Self, TypeVar

import torch
from torch import Tensor, nn

T = TypeVar("T")


class Kept(nn.Module, Generic[T]):
    """The last value that was made of frozen tensors, for as long as they stay what they are.

    It is a part of the layer that it belongs to, so that `layer.to(...)` drops it. It is in no
    file, and a copy of the layer begins without. Whatever changes weights in place is seen by the
    count that torch keeps of such changes, `load_state_dict`, optimisers and averages among them;
    what goes past that count, as `weight.data.add_` does, is not. So do fused optimisers, for which
    `training.optimizers` counts.
    """

    def __init__(self) -> None:
        super().__init__()
        self._slot: tuple[Hashable, tuple[weakref.ref[Tensor], ...], T] | None = None

    def get(self, make: Callable[[], T], *, sources: Sequence[Tensor], given: Hashable = None) -> T:
        """Return what `make` returns, from before where nothing has changed.

        Where one of the sources learns, or a compiler looks on, it is made at each call.

        Args:
            make: Computes the value from `sources` and `given` alone.
            sources: Weights.
            given: What else it depends on, such as a dtype.
        """
        if torch.compiler.is_compiling() or torch._C._is_tracing():
            return make()
        if any(source.requires_grad or source.is_inference() for source in sources):
            return make()
        stamp = (given, *((x._version, x.dtype, x.device) for x in sources))
        slot = self._slot
        if slot is not None and slot[0] == stamp and _are_same(slot[1], sources):
            return slot[2]

        # Also a gradient may have to pass what was first asked for without.
        with torch.inference_mode(False), torch.no_grad():
            value = make()
        self._slot = (stamp, tuple(weakref.ref(source) for source in sources), value)
        return value

    def drop(self) -> None:
        """Forget what is kept."""
        self._slot = None

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> Self:
        self.drop()
        moved: Self = super()._apply(fn, recurse)
        return moved

    def __deepcopy__(self, memo: dict[int, Any]) -> "Kept[T]":
        return Kept()

    def __reduce__(self) -> tuple[type["Kept[T]"], tuple[()]]:
        return Kept, ()


def _are_same(references: Sequence[weakref.ref[Tensor]], sources: Sequence[Tensor]) -> bool:
    return all(ref() is source for ref, source in zip(references, sources, strict=True))
