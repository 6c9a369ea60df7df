"""What holds for every command: help, options, defaults, its files, and what it may load."""

import ast
import json
import re
import subprocess
import sys

import pytest
from survey import COMMAND_FILES, COMMANDS, GENERATE, HEAVY, PACKAGE, ROOT

every_command = pytest.mark.parametrize("words", COMMANDS)
every_command_file = pytest.mark.parametrize("name", COMMAND_FILES)


def test_help_and_usage_errors_load_nothing_heavy():
    calls = [[], ["--help"], ["--version"], ["no-such-command"]]
    calls += [[*words.split(), "--help"] for words in COMMANDS]
    calls += [[*words.split(), "--no-such-option"] for words in COMMANDS]
    script = (
        "import json, sys\n"
        "from typer.testing import CliRunner\n"
        "from mocotool.cli.app import app\n"
        "from mocotool.cli.narrow import narrow\n"
        "import mocotool.__main__\n"
        "run = lambda argv: CliRunner().invoke(narrow(app, argv), argv).exit_code\n"
        f"codes = [run(argv) for argv in {calls!r}]\n"
        f"heavy = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "print(json.dumps([codes, heavy]))\n"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    codes, heavy = json.loads(done.stdout)

    assert heavy == []
    assert [
        (call, code) for call, code in zip(calls, codes, strict=True) if code not in (0, 2)
    ] == []
    assert all(code == 2 for code in codes[-len(COMMANDS) :])


@every_command
def test_every_command_has_help_with_an_example(words):
    help_text = COMMANDS[words].help or ""

    summary, *_, example = help_text.split("\n\n")

    assert summary.endswith((".", "?"))
    assert len(summary) <= 80
    assert example.startswith("Example: ")
    assert f"moco {words}" in example


@every_command
def test_every_option_has_a_sentence(words):
    silent = [
        parameter.name
        for parameter in COMMANDS[words].params
        if parameter.name != "help" and not (getattr(parameter, "help", None) or "").endswith(".")
    ]

    assert silent == []


@every_command
def test_every_command_takes_json_and_quiet(words):
    options = {option for parameter in COMMANDS[words].params for option in parameter.opts}

    assert {"--json", "--quiet", "-q"} <= options


@every_command
def test_short_options_are_only_the_four_of_the_house(words):
    options = {option for parameter in COMMANDS[words].params for option in parameter.opts}

    assert {o for o in options if re.fullmatch(r"-\w", o)} <= {"-o", "-q", "-v", "-h"}


@every_command
def test_help_ends_with_output_and_computing(words):
    panels = [
        getattr(parameter, "rich_help_panel", None)
        for parameter in COMMANDS[words].params
        if parameter.name != "help"
    ]
    order = [panel for panel in dict.fromkeys(panels) if panel in ("Output", "Computing")]

    assert order in (["Output", "Computing"], ["Output"])
    assert [panel for panel in dict.fromkeys(panels) if panel][-len(order) :] == order


@pytest.mark.parametrize("words", [*COMMANDS, "eval"])
def test_every_command_has_a_page(words):
    page = GENERATE.find_page(words)
    text = page.read_text(encoding="utf-8")
    headings = ["## Example", "## Options", "## In Python"]
    if not page.name.startswith("eval-"):  # a metric's files and exit codes are those of its group
        headings += ["## Files", "## Exit codes"]

    assert text.startswith((f"# `moco {words}`", f"# `moco {words.split()[0]}`"))
    assert "<!-- help:begin -->" in text
    assert [heading for heading in headings if heading not in text] == []


@every_command_file
def test_every_command_has_a_test_file(name):
    stem = name.replace("-", "_")

    assert list((ROOT / "tests" / "cli").glob(f"test_{stem}*.py"))


@every_command_file
def test_every_command_has_a_file_of_its_own(name):
    assert list((PACKAGE / "cli").glob(f"cmd_{name.replace('-', '_')}*.py"))


def test_no_command_writes_a_number_where_a_configuration_should_say_it():
    numbers = []
    for path in sorted((PACKAGE / "cli").glob("cmd_*.py")):
        for _, node in GENERATE.walk_definitions(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef):
                continue
            for default in (*node.args.defaults, *node.args.kw_defaults):
                value = getattr(default, "value", None)
                if isinstance(value, int | float) and not isinstance(value, bool):
                    numbers.append(f"{path.name}:{default.lineno} {value}")

    assert numbers == []
