"""The pickle opcodes that supported formats use, as functions on the machine's state."""

import struct
from collections.abc import Callable
from typing import Any

from mocotool.errors import FileFormatError
from mocotool.weights.pickle_state import TRUNCATED, PickleState
from mocotool.weights.refusals import explain_global, shown

MAX_OPEN_MARKS = 64
MAX_INTEGER_BYTES = 32
MAX_KEY_BYTES = 256
MAX_INTEGER_KEY = 1 << 32  # larger ones can be made to share one hash
KEY_TYPES = (str, int, float, bool, bytes, type(None))

U8, U16, I32, U32, U64 = (struct.Struct(layout) for layout in ("<B", "<H", "<i", "<I", "<Q"))
F64 = struct.Struct(">d")

Handler = Callable[[PickleState], None]
HANDLERS: dict[int, Handler] = {}


def opcode(*codes: int | str) -> Callable[[Handler], Handler]:
    """Register a function in the table of opcodes."""

    def enter(handler: Handler) -> Handler:
        for code in codes:
            HANDLERS[ord(code) if isinstance(code, str) else code] = handler
        return handler

    return enter


@opcode(0x80)
def _proto(m: PickleState) -> None:
    protocol = m.number(U8)
    if protocol > 5:
        raise FileFormatError(f"the pickle claims protocol {protocol}, the newest known is 5")


@opcode(0x95)
def _frame(m: PickleState) -> None:
    if m.number(U64) > len(m.data) - m.position:
        raise FileFormatError(TRUNCATED)


@opcode("(")
def _mark(m: PickleState) -> None:
    if len(m.marks) >= MAX_OPEN_MARKS:
        raise FileFormatError(f"the pickle nests its objects more than {MAX_OPEN_MARKS} deep")
    m.marks.append(m.stack)
    m.stack = []


@opcode("0")
def _pop(m: PickleState) -> None:
    if m.stack:
        m.stack.pop()
    else:
        m.pop_mark()


@opcode("1")
def _pop_mark(m: PickleState) -> None:
    m.pop_mark()


@opcode("2")
def _dup(m: PickleState) -> None:
    m.stack.append(m.stack[-1])


def _constant(code: int | str, value: Any) -> None:
    opcode(code)(lambda m: m.stack.append(value))


def _numeric(code: int | str, layout: struct.Struct) -> None:
    opcode(code)(lambda m: m.stack.append(m.number(layout)))


def _fresh(code: int | str, kind: type) -> None:
    opcode(code)(lambda m: m.stack.append(kind()))


_constant("N", None)
_constant(0x88, True)
_constant(0x89, False)
_constant(")", ())
_numeric("K", U8)
_numeric("M", U16)
_numeric("J", I32)
_numeric("G", F64)
_fresh("]", list)
_fresh("}", dict)
_fresh(0x8F, set)


def _long(m: PickleState, size: int) -> None:
    if size > MAX_INTEGER_BYTES:
        raise FileFormatError(f"the pickle holds a whole number of {size} bytes")
    m.stack.append(int.from_bytes(m.take(size), "little", signed=True))


opcode(0x8A)(lambda m: _long(m, m.number(U8)))
opcode(0x8B)(lambda m: _long(m, m.number(U32)))


@opcode("I")
def _int_text(m: PickleState) -> None:
    text = m.line()
    m.stack.append({"00": False, "01": True}[text] if text in ("00", "01") else int(text))


opcode("L")(lambda m: m.stack.append(int(m.line().removesuffix("L"))))
opcode("F")(lambda m: m.stack.append(float(m.line())))
opcode("S", "V")(lambda m: m.stack.append(m.line().strip("'\"")))


def _text(code: int | str, layout: struct.Struct, encoding: str = "utf-8") -> None:
    opcode(code)(lambda m: m.stack.append(str(m.take(m.number(layout)), encoding, "surrogatepass")))


def _blob(code: int | str, layout: struct.Struct) -> None:
    # Views, not copies: the bulk of a file is bytes that may never be needed.
    opcode(code)(lambda m: m.stack.append(m.take(m.number(layout))))


_text("X", U32)
_text(0x8C, U8)
_text(0x8D, U64)
_text("U", U8, "latin-1")
_text("T", U32, "latin-1")
_blob("B", U32)
_blob("C", U8)
_blob(0x8E, U64)
_blob(0x96, U64)


@opcode("a")
def _append(m: PickleState) -> None:
    value = m.stack.pop()
    _list_on_top(m).append(value)


@opcode("e")
def _appends(m: PickleState) -> None:
    items = m.pop_mark()
    _list_on_top(m).extend(items)


@opcode("l")
def _list_of(m: PickleState) -> None:
    items = m.pop_mark()  # first: it brings back the stack to append to
    m.stack.append(items)


def _list_on_top(m: PickleState) -> list[Any]:
    target = m.stack[-1]
    if type(target) is not list:
        raise FileFormatError("the pickle appends to something that is not a list")
    return target


@opcode("s")
def _setitem(m: PickleState) -> None:
    value = m.stack.pop()
    key = m.stack.pop()
    _set_items(m.stack[-1], [key, value])


@opcode("u")
def _setitems(m: PickleState) -> None:
    items = m.pop_mark()
    _set_items(m.stack[-1], items)


@opcode("d")
def _dict_of(m: PickleState) -> None:
    table: dict[Any, Any] = {}
    _set_items(table, m.pop_mark())
    m.stack.append(table)


def _set_items(target: Any, items: list[Any]) -> None:
    if type(target) is not dict or len(items) % 2:
        raise FileFormatError("the pickle sets an item of something that is not a table")
    for key, value in zip(items[::2], items[1::2], strict=True):
        target[_checked_key(key)] = value


def _checked_key(key: Any) -> Any:
    # Tuples would be hashed element by element, which nesting can make endless.
    if type(key) is memoryview and len(key) <= MAX_KEY_BYTES:
        return bytes(key)
    if type(key) not in KEY_TYPES:
        raise FileFormatError(f"the pickle uses a {type(key).__name__} as a key")
    if type(key) is int and not -MAX_INTEGER_KEY < key < MAX_INTEGER_KEY:
        raise FileFormatError("the pickle uses a huge whole number as a key")
    return key


@opcode(0x90)
def _additems(m: PickleState) -> None:
    items = m.pop_mark()
    target = m.stack[-1]
    if type(target) is not set:
        raise FileFormatError("the pickle adds to something that is not a set")
    target.update(map(_checked_key, items))


@opcode(0x91)
def _frozenset(m: PickleState) -> None:
    items = m.pop_mark()
    m.stack.append(set(map(_checked_key, items)))


@opcode("t")
def _tuple_of(m: PickleState) -> None:
    items = m.pop_mark()
    m.stack.append(tuple(items))


def _tuple(code: int, size: int) -> None:
    def build(m: PickleState) -> None:
        if len(m.stack) < size:
            raise FileFormatError(TRUNCATED)
        m.stack[-size:] = [tuple(m.stack[-size:])]

    opcode(code)(build)


_tuple(0x85, 1)
_tuple(0x86, 2)
_tuple(0x87, 3)


def _put(m: PickleState, index: int) -> None:
    m.memo[index] = m.stack[-1]


def _get(m: PickleState, index: int) -> None:
    m.stack.append(m.memo[index])


opcode(0x94)(lambda m: _put(m, len(m.memo)))
opcode("q")(lambda m: _put(m, m.number(U8)))
opcode("r")(lambda m: _put(m, m.number(U32)))
opcode("p")(lambda m: _put(m, int(m.line())))
opcode("h")(lambda m: _get(m, m.number(U8)))
opcode("j")(lambda m: _get(m, m.number(U32)))
opcode("g")(lambda m: _get(m, int(m.line())))


@opcode("c")
def _global(m: PickleState) -> None:
    module = m.line()
    m.find_global(module, m.line())


@opcode(0x93)
def _stack_global(m: PickleState) -> None:
    name = m.stack.pop()
    m.find_global(m.stack.pop(), name)


@opcode("i")
def _inst(m: PickleState) -> None:
    module = m.line()
    raise explain_global(module, m.line())


@opcode("R", 0x81)
def _reduce(m: PickleState) -> None:
    args = m.stack.pop()
    m.call(m.stack.pop(), args)


@opcode("Q")
def _persistent(m: PickleState) -> None:
    value = m.stack.pop()
    if m.persistent is None:
        raise FileFormatError("the pickle uses a persistent id, which is refused here")
    if not isinstance(value, tuple):
        raise FileFormatError(f"the pickle uses the persistent id {shown(value)}, which is refused")
    m.stack.append(m.persistent(value))


@opcode("b")
def _build(m: PickleState) -> None:
    state = m.stack.pop()
    target = m.stack[-1]
    m.charge((state,))
    if type(target) is dict:
        # torch hangs the versions of its layers on a state dict: nothing we need.
        if state is not None and type(state) is not dict:
            raise FileFormatError("the pickle gives a table a state that is not a table")
        return
    build = getattr(target, "build", None)
    if build is None:
        raise FileFormatError(f"the pickle sets the state of a {type(target).__name__}")
    build(state)
