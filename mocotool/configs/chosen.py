"""Settings from a TOML file, from another run's config.json, and from NAME=VALUE."""

import difflib
import json
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mocotool.configs.option import Field, list_choices, list_fields
from mocotool.errors import ConfigError, FileFormatError, MismatchError
from mocotool.files import check_input_file

RUN_CONFIG_NAME = "config.json"
_BOOLS = {"true": True, "false": False, "yes": True, "no": False}


def read_settings(path: Path, config_type: type, *, run: str) -> dict[str, Any]:
    """Read settings from a TOML file or from a run.

    Args:
        path: A TOML file whose keys are the configuration's fields, or the folder or the
            config.json of a run.
        config_type: The configuration.
        run: The command whose runs it belongs to, such as "train-motion".

    Returns:
        Field -> value. Ranges are checked where the configuration is made.

    Raises:
        FileFormatError: The file is missing, or neither of the two.
        MismatchError: It is a run of another command.
        ConfigError: There is no such field, or a value is of another type.
    """
    path = check_input_file(path / RUN_CONFIG_NAME if path.is_dir() else path)
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            record = json.loads(text)
            values, made_by = dict(record["config"]), str(record["run"])
        else:
            values, made_by = tomllib.loads(text), run
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise FileFormatError(
            f"{path}: no settings: {error}",
            hint="expected TOML such as `num_steps = 2000`, or a run's config.json",
        ) from None
    if made_by != run:
        raise MismatchError(f"{path}: settings of {made_by}, expected those of {run}")
    fields = list_fields(config_type)
    return {
        name: check_value(find_field(name, fields, said=str(path)), value, said=f"{path}: {name}")
        for name, value in values.items()
    }


def parse_settings(texts: Iterable[str], config_type: type) -> dict[str, Any]:
    """Parse assignments such as "num_steps=2000".

    Raises:
        ConfigError: There is no such field, or the text is no value of it.
    """
    fields = list_fields(config_type)
    values = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise ConfigError(f"--set {text}: expected FIELD=VALUE such as num_steps=2000")
        field = find_field(name.strip(), fields, said="--set")
        values[field.name] = parse_value(field, value.strip(), said=f"--set {text}")
    return values


def find_field(name: str, fields: Any, *, said: str) -> Field:
    """Return a field by its name.

    Raises:
        ConfigError: There is none; the hint names one that is spelt nearly so.
    """
    found: Field | None = fields.get(name)
    if found is None:
        near = difflib.get_close_matches(name.replace("-", "_"), fields, n=1)
        raise ConfigError(
            f"{said}: there is no setting {name!r}",
            hint=f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(fields))}",
        )
    return found


def parse_value(field: Field, text: str, *, said: str) -> Any:
    """Parse the text of a field's value."""
    bare = field.bare_type
    if field.allows_none and text.lower() == "none":
        return None
    if field.option.parse is not None:
        return field.option.parse(text)
    try:
        if bare is bool:
            return _BOOLS[text.lower()]
        value = text if field.choices or bare is str else bare(text)
    except (KeyError, ValueError):
        raise ConfigError(f"{said}: expected {describe_type(field)}") from None
    return check_value(field, value, said=said)


def check_value(field: Field, value: Any, *, said: str) -> Any:
    """Convert a value to the type of its field.

    Raises:
        ConfigError: It is of another type, or not one of the field's choices.
    """
    bare = field.bare_type
    if value is None and field.allows_none:
        return None
    if field.option.words:
        if isinstance(value, str) and value in field.option.words:
            return value
        bare = float
    if field.choices:
        is_good = value in field.choices
    elif bare is float:
        is_good = isinstance(value, int | float) and not isinstance(value, bool)
        is_good = is_good and abs(value) <= sys.float_info.max
    elif bare in (int, str, bool):
        is_good = type(value) is bare
    else:
        is_good = True
    if not is_good:
        raise ConfigError(f"{said}: expected {describe_type(field)}")
    return float(value) if bare is float else value


def describe_type(field: Field) -> str:
    """Describe the values that a field accepts."""
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
    words = list_choices(field.choices) if field.choices else names.get(field.bare_type, "a value")
    if field.option.words:
        words = list_choices(("a number", *field.option.words))
    return f"{words}, or none" if field.allows_none else words
