"""Only the command that is called is built."""

import pytest
import typer.main
from survey import COMMANDS

from mocotool.cli.app import app
from mocotool.cli.narrow import narrow


def list_built(command, outer=""):
    """Return the words of every command of a built program."""
    inner = getattr(command, "commands", None)
    if inner is None:
        return [outer.strip()]
    return [words for name in inner for words in list_built(inner[name], f"{outer}{name} ")]


@pytest.mark.parametrize("words", COMMANDS)
def test_a_call_of_a_command_builds_it_alone(words):
    narrowed = narrow(app, [*words.split(), "--help"])

    assert list_built(typer.main.get_command(narrowed)) == [words]


@pytest.mark.parametrize(
    "words", [[], ["--help"], ["--version"], ["help", "pca"], ["no-such-command"], ["-h", "pca"]]
)
def test_everything_else_is_for_the_whole_program(words):
    assert narrow(app, words) is app


@pytest.mark.parametrize("words", [["eval"], ["eval", "--help"], ["eval", "no-such-metric"]])
def test_a_group_without_one_of_its_commands_is_built_whole(words):
    built = list_built(typer.main.get_command(narrow(app, words)))

    assert built == [name for name in COMMANDS if name.startswith("eval ")]


def test_the_program_itself_stays_whole():
    narrow(app, ["eval", "fvd"])

    assert sorted(list_built(typer.main.get_command(app))) == sorted(COMMANDS)
