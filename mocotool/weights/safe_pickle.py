"""An interpreter for pickles that can only build plain values and inert records.

Python's own unpickler calls whatever a file names. This one reads the same opcodes but has nothing
to call except a table of our own functions, keyed by exact (module, name). It does not import, look
up attributes, or hand control to anything outside `mocotool.weights`. Opcodes that the supported
formats never use are refused by name. A meter bounds what a file may build.
"""

import struct
from typing import Any

from mocotool.errors import FileFormatError
from mocotool.weights.pickle_opcodes import HANDLERS
from mocotool.weights.pickle_state import TRUNCATED, PickleState
from mocotool.weights.records import check_depth

STOP = ord(".")


class PickleMachine(PickleState):
    """Interprets one pickle, from its first opcode to its last."""

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
        data, handlers, meter = self.data, HANDLERS, self.meter
        while True:
            code = data[self.position]
            self.position += 1
            meter.take_opcode()
            if code == STOP:
                result = self.stack.pop()
                check_depth(result)
                return result
            handler = handlers.get(code)
            if handler is None:
                raise FileFormatError(f"the pickle uses {describe_opcode(code)}, which is refused")
            handler(self)


def describe_opcode(code: int) -> str:
    """Name an opcode that is not interpreted."""
    names = {
        0x82: "EXT1", 0x83: "EXT2", 0x84: "EXT4", 0x92: "NEWOBJ_EX", 0x97: "NEXT_BUFFER",
        0x98: "READONLY_BUFFER", ord("P"): "PERSID", ord("o"): "OBJ",
    }  # fmt: skip
    return f"the opcode {names[code]}" if code in names else f"byte 0x{code:02x} as an opcode"
