"""An interpreter for pickles that can only build plain values and inert records.

Python's own unpickler calls whatever a file names. This one reads the same opcodes but has nothing
to call except a table of our own functions, keyed by exact (module, name). It does not import, look
up attributes, or hand control to anything outside `mocotool.weights`. Opcodes that the supported
formats never use are refused by name.
"""

import dataclasses
import struct
from collections.abc import Callable, Mapping
from typing import Any

from mocotool.errors import FileFormatError
from mocotool.weights.pickle_opcodes import HANDLERS, STOP, TRUNCATED, describe_opcode
from mocotool.weights.refusals import explain_global

Inert = Callable[[tuple[Any, ...]], Any]
Table = Mapping[tuple[str, str], Inert]

MAX_OPCODES = 500_000
MAX_DEPTH = 100
MAX_NAME_BYTES = 256


@dataclasses.dataclass(slots=True)
class Budget:
    """How much work one file may still cause; shared by the pickles nested in it."""

    opcodes: int = MAX_OPCODES


@dataclasses.dataclass(slots=True, eq=False)
class Allowed:
    """An entry of the table, as it lies on the machine's stack."""

    name: str
    call: Inert


class PickleMachine:
    """Interprets one pickle.

    Args:
        data: The bytes; what lies after the pickle's end is left alone.
        table: (module, name) -> our own function, which gets the arguments as one tuple.
        persistent: What to make of a persistent id; `None` refuses them.
        budget: The work that is left.
        start: Where the pickle begins.
    """

    def __init__(
        self,
        data: memoryview,
        *,
        table: Table,
        persistent: Inert | None = None,
        budget: Budget,
        start: int = 0,
    ) -> None:
        self.data = data
        self.table = table
        self.persistent = persistent
        self.budget = budget
        self.position = start
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        """Interpret the pickle up to its end and return its object.

        Raises:
            FileFormatError: The pickle is damaged, too large, or asks for something refused.
        """
        try:
            return self._run()
        except (IndexError, struct.error):
            raise FileFormatError(TRUNCATED) from None
        except (KeyError, ValueError, TypeError):
            raise FileFormatError("the pickle is damaged") from None

    def _run(self) -> Any:
        data, handlers, budget = self.data, HANDLERS, self.budget
        while True:
            code = data[self.position]
            self.position += 1
            budget.opcodes -= 1
            if budget.opcodes < 0:
                raise FileFormatError(f"the pickle has more than {MAX_OPCODES:,} opcodes")
            if code == STOP:
                result = self.stack.pop()
                check_depth(result)
                return result
            handler = handlers.get(code)
            if handler is None:
                raise FileFormatError(f"the pickle uses {describe_opcode(code)}, which is refused")
            handler(self)

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
        self.stack.append(function.call(args))


def check_depth(root: Any) -> None:
    """Check that a pickle's object is not nested absurdly deep.

    Raises:
        FileFormatError: It is.
    """
    seen: set[int] = set()
    level = [root]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for item in level:
            children = child_values(item)
            if children and id(item) not in seen:
                seen.add(id(item))
                below.extend(children)
        if not below:
            return
        level = below
    raise FileFormatError(f"the pickle nests its objects more than {MAX_DEPTH} deep")


def child_values(item: Any) -> list[Any] | tuple[Any, ...]:
    """Return what a container holds, nothing for anything else."""
    if isinstance(item, list | tuple):
        return item
    if isinstance(item, dict):
        return list(item.values())
    state = getattr(item, "state", None)
    return list(state.values()) if isinstance(state, dict) else ()
