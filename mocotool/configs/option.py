"""The one definition of a setting: its description, range, and place in a command's help.

A field of a configuration is one line::

    num_steps: Annotated[int, Option("Iterations of the whole recipe.", min=1)] = 5000

From it come the default, the check of the range, `--num-steps` with its help, and `--set`.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from mocotool.errors import ConfigError


@dataclasses.dataclass(frozen=True, slots=True)
class Option:
    """Description of a field, next to its type.

    Args:
        help: One sentence or two, with the unit.
        min: Smallest value.
        max: Largest value.
        above: What the value has to be more than, where that itself is not allowed.
        below: What the value has to be less than.
        panel: Heading in the command's help.
        metavar: What the help shows in place of a value.
        shown: What the help shows as the default, where the field's own says too little.
        name: Name on the command line, where it is not the field's.
        parse: Turns what is typed into a value, for types that have no one spelling.
        words: What may stand in place of a number.
        typed: Whether the command has an option of its own for it; if not, Python has it, and
            `--set` of the training commands.
    """

    help: str
    _: dataclasses.KW_ONLY
    min: float | None = None
    max: float | None = None
    above: float | None = None
    below: float | None = None
    panel: str | None = None
    metavar: str | None = None
    shown: str | None = None
    name: str | None = None
    parse: Callable[[str], Any] | None = None
    words: tuple[str, ...] = ()
    typed: bool = True


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field with its type and its option."""

    name: str
    type: Any
    option: Option

    @property
    def allows_none(self) -> bool:
        """Whether it may be `None`."""
        return type(None) in get_args(self.type)

    @property
    def bare_type(self) -> Any:
        """The type without `None`."""
        return next(
            (t for t in get_args(self.type) if self.allows_none and t is not type(None)), self.type
        )

    @property
    def choices(self) -> tuple[Any, ...]:
        """The choices of a `Literal`."""
        return get_args(self.bare_type) if get_origin(self.bare_type) is Literal else ()


@functools.cache
def list_fields(config_type: type) -> Mapping[str, Field]:
    """Return the fields of a configuration that have an `Option`, by name."""
    hints = get_type_hints(config_type, include_extras=True)
    found = {}
    for field in dataclasses.fields(config_type):
        hint = hints[field.name]
        if get_origin(hint) is not Annotated:
            continue
        for extra in hint.__metadata__:
            if isinstance(extra, Option):
                found[field.name] = Field(name=field.name, type=hint.__origin__, option=extra)
    return found


def check_options(config: Any) -> None:
    """Check every field of a configuration against its range and its choices.

    Raises:
        ConfigError: A value is not one of those there are.
    """
    config_type: Any = type(config)
    for name, field in list_fields(config_type).items():
        value = getattr(config, name)
        if value is None and field.allows_none:
            continue
        if field.option.words and isinstance(value, str):
            if value not in field.option.words:
                expected = list_choices(("a number", *field.option.words))
                raise ConfigError(f"{name} {value!r}: expected {expected}")
            continue
        if field.choices and value not in field.choices:
            raise ConfigError(f"{name} {value!r}: expected {list_choices(field.choices)}")
        expected = describe_range(field.option)
        if expected and not is_in_range(value, field.option):
            raise ConfigError(f"{name} {value}: expected {expected}")


def list_changed(config: Any) -> list[str]:
    """Return the names of settings that are not their defaults."""
    return [
        field.name
        for field in dataclasses.fields(config)
        if getattr(config, field.name) != field.default
    ]


def is_in_range(value: float, option: Option) -> bool:
    """Return whether a number is in the range of its option; NaN and infinity never are."""
    # NaN fails every comparison, so each says what is good.
    return (
        (-float("inf") < value < float("inf"))
        and (option.min is None or value >= option.min)
        and (option.max is None or value <= option.max)
        and (option.above is None or value > option.above)
        and (option.below is None or value < option.below)
    )


def describe_range(option: Option) -> str:
    """Return the range in words: "at least 1", "from 0 to 1"; empty if there is none."""
    if option.min is not None and option.max is not None:
        return f"from {option.min:g} to {option.max:g}"
    bounds = (
        ("at least", option.min),
        ("more than", option.above),
        ("at most", option.max),
        ("less than", option.below),
    )
    return " and ".join(f"{words} {bound:g}" for words, bound in bounds if bound is not None)


def list_choices(choices: tuple[Any, ...]) -> str:
    """Return choices in words: "a", "a or b", "a, b or c"."""
    *others, last = map(str, choices)
    return f"{', '.join(others)} or {last}" if others else last


def parse_number_or(text: str, *, words: tuple[str, ...]) -> float | str:
    """Parse "0.5" as a number; return one of `words` unchanged.

    Raises:
        ConfigError: The text is neither, or no finite number.
    """
    if text in words:
        return text
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ConfigError(f"{text!r}: expected {list_choices(('a number', *words))}")
    return value


def parse_numbers(text: str) -> tuple[int, ...]:
    """Parse "0-3,9" as (0, 1, 2, 3, 9).

    Raises:
        ConfigError: The text is not a list of whole numbers and ranges.
    """
    numbers: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise ConfigError(f"{text!r}: expected numbers and ranges such as 0-3,9")
        start, stop = int(first), int(last or first)
        if stop < start or stop - start >= 1_000_000:
            raise ConfigError(f"{text!r}: the range {part.strip()} is empty or too long")
        numbers.extend(range(start, stop + 1))
    return tuple(numbers)


Seed = Annotated[int, Option("Random seed.", min=0)]
