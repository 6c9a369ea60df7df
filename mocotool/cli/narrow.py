"""Selection of the called command: to build all of them takes 60 to 90 ms per start."""

import copy
from collections.abc import Sequence
from typing import Any

import typer


def narrow(program: typer.Typer, words: Sequence[str]) -> typer.Typer:
    """Return a program with only the command that is called; typer builds all that it is given.

    Args:
        program: All commands.
        words: The command line without the program's name.

    Returns:
        A copy with one command, or one group, narrowed as well; `program` itself if the first word
        is not the name of any.
    """
    name = words[0] if words else ""
    commands = [info for info in program.registered_commands if _name_command(info) == name]
    groups = [
        _narrow_group(info, words[1:])
        for info in program.registered_groups
        if info.typer_instance and name in (info.name, info.typer_instance.info.name)
    ]
    if not commands and not groups:
        return program
    narrowed = copy.copy(program)
    narrowed.registered_commands, narrowed.registered_groups = commands, groups
    return narrowed


def _name_command(info: Any) -> str:
    name: str = info.name or info.callback.__name__.replace("_", "-")
    return name


def _narrow_group(info: Any, words: Sequence[str]) -> Any:
    narrowed = copy.copy(info)
    narrowed.typer_instance = narrow(info.typer_instance, words)
    return narrowed
