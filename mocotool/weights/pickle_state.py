"""The state that pickle opcodes work on: bytes, stack, memo, table of our functions, meter.

Here is all that a pickle can reach. It can name nothing but the table's entries, call nothing but
them, and the meter bounds what they make.
"""

import dataclasses
import struct
from collections.abc import Callable, Mapping
from typing import Any

from mocotool.boundary import Meter
from mocotool.errors import FileFormatError
from mocotool.weights.refusals import explain_global

MAX_NAME_BYTES = 256
TRUNCATED = "the pickle ends in the middle: the file is truncated or damaged"

Inert = Callable[[tuple[Any, ...]], Any]
Table = Mapping[tuple[str, str], Inert]


@dataclasses.dataclass(slots=True, eq=False)
class Allowed:
    """An entry of the table, as it lies on the machine's stack."""

    name: str
    call: Inert


class PickleState:
    """Where the reading of one pickle is, and what it may do next.

    Args:
        data: The bytes; what lies after the pickle's end is left alone.
        table: (module, name) -> our own function, which gets the arguments as one tuple.
        persistent: What to make of a persistent id; `None` refuses them.
        meter: The budget that is left.
        start: Where the pickle begins.
    """

    def __init__(
        self,
        data: memoryview,
        *,
        table: Table,
        persistent: Inert | None = None,
        meter: Meter,
        start: int = 0,
    ) -> None:
        self.data = data
        self.table = table
        self.persistent = persistent
        self.meter = meter
        self.position = start
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def take(self, count: int) -> memoryview:
        """Return the next `count` bytes."""
        start, end = self.position, self.position + count
        if count < 0 or end > len(self.data):
            raise FileFormatError(TRUNCATED)
        self.position = end
        return self.data[start:end]

    def number(self, layout: struct.Struct) -> int:
        """Return the next number of a fixed layout."""
        value = layout.unpack_from(self.data, self.position)[0]
        self.position += layout.size
        return value  # type: ignore[no-any-return]

    def line(self) -> str:
        """Return the text up to the next newline."""
        window = bytes(self.data[self.position : self.position + MAX_NAME_BYTES])
        end = window.find(b"\n")
        if end < 0:
            raise FileFormatError(
                TRUNCATED if len(window) < MAX_NAME_BYTES else "a name is too long"
            )
        self.position += end + 1
        return window[:end].decode("utf-8", "backslashreplace")

    def pop_mark(self) -> list[Any]:
        """Return what was pushed since the last mark."""
        items, self.stack = self.stack, self.marks.pop()
        return items

    def find_global(self, module: Any, name: Any) -> None:
        """Push the table's entry for exactly this name."""
        call = self.table.get((module, name)) if type(module) is type(name) is str else None
        if call is None:
            raise explain_global(module, name)
        self.stack.append(Allowed(f"{module}.{name}", call))

    def call(self, function: Any, args: Any) -> None:
        """Push what one of our own functions makes of `args`."""
        if not isinstance(function, Allowed):
            raise FileFormatError("the pickle calls something that is not a function it may name")
        if not isinstance(args, tuple):
            raise FileFormatError(f"the pickle calls {function.name} without a list of arguments")
        self.charge(args)
        self.stack.append(function.call(args))

    def charge(self, values: tuple[Any, ...]) -> None:
        """Charge the meter for what our functions may make of some values.

        A value that lies in the file once can be handed over any number of times. All our
        functions take time and memory in proportion to what is counted here.

        Raises:
            FileFormatError: The meter has run out.
        """
        for value in values:
            if isinstance(value, str):
                self.meter.take_bytes(len(value))
            elif isinstance(value, list | tuple | dict):
                self.meter.take_items(len(value))
            if isinstance(value, dict):  # a module's state is inside its description
                inner = (part for part in value.values() if isinstance(part, dict | list))
                self.meter.take_items(sum(map(len, inner)))
