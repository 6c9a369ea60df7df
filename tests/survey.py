"""What the tests of the whole project look at: its source files, commands and pages."""

import ast
import functools
import importlib.util
import sys
from pathlib import Path

import typer.main

from mocotool.cli.app import app

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "mocotool"
SOURCES = sorted(PACKAGE.rglob("*.py"))
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMAND_PAGES = ROOT / "docs" / "commands"
HEAVY = ("torch", "numpy", "sklearn", "scipy", "av", "safetensors", "matplotlib", "jinja2")


@functools.cache
def parse(path):
    """Return the syntax tree of a source file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def load_generate():
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def collect_commands():
    """Return every command that does something, by its words: "pca", "eval fvd"."""
    found = {}

    def collect(group, outer):
        context = typer.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            if hasattr(command, "commands"):
                collect(command, f"{outer}{name} ")
            else:
                found[f"{outer}{name}"] = command

    collect(typer.main.get_command(app), "")
    return found


GENERATE = load_generate()
COMMANDS = collect_commands()
COMMAND_FILES = sorted({words.split()[0] for words in COMMANDS})
