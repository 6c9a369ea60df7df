"""The pages: their generated parts, links and commands are right."""

import re
import subprocess
import sys

import pytest
from fenced_blocks import find_blocks
from survey import COMMAND_FILES, COMMAND_PAGES, COMMANDS, PAGES, ROOT

import mocotool
from mocotool import errors

README_TEXT = (ROOT / "README.md").read_text(encoding="utf-8")

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def test_generated_parts_are_what_the_code_says():
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"],
        capture_output=True,
        text=True,
    )

    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_help_in_a_real_process_is_the_help_in_the_pages():
    done = subprocess.run(
        [sys.executable, "-m", "mocotool", "pca", "--help"],
        capture_output=True,
        text=True,
        env={"NO_COLOR": "1", "TERMINAL_WIDTH": "80", "COLUMNS": "80", "LANG": "C.UTF-8"},
    )
    text = "\n".join(line.rstrip() for line in done.stdout.splitlines()).strip("\n")

    assert text in (COMMAND_PAGES / "pca.md").read_text(encoding="utf-8")


def _list_errors():
    return [
        value
        for value in vars(errors).values()
        if isinstance(value, type)
        and issubclass(value, errors.MocoError)
        and value is not errors.MocoError
    ]


@pytest.mark.parametrize("error", _list_errors(), ids=lambda error: error.__name__)
def test_every_error_is_documented_with_its_exit_code(error):
    text = (COMMAND_PAGES / "index.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if f"`{error.__name__}`" in line]

    assert len(rows) == 1
    assert rows[0].startswith(f"| {error.exit_code} |")


@pages
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
    broken = [
        target for target in targets if "://" not in target and not (page.parent / target).exists()
    ]

    assert broken == []


def _find_typed_commands(text):
    """Return the `moco ...` calls of a page, each as its words."""
    text = re.sub(r"<!-- help:begin -->.*?<!-- help:end -->", "", text, flags=re.DOTALL)
    text = text.replace("\\\n", " ")
    lines = [
        line
        for block in re.findall(r"```[^\n]*\n(.*?)```", text, re.DOTALL)
        for line in block.splitlines()
    ]
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    lines += re.findall(r"`([^`\n]+)`", text)
    calls = []
    for line in lines:
        bare = line.strip().removeprefix("$ ").partition(" # ")[0]
        for part in re.split(r"\|\||&&|[|;]", bare):
            if re.match(r"\s*moco [a-z]", part):
                calls.append(part.replace("...", "").split())
    return calls


@pages
def test_commands_in_pages_exist_with_their_options(page):
    wrong = []
    for call in _find_typed_commands(page.read_text(encoding="utf-8")):
        words = " ".join(call[1:3]) if " ".join(call[1:3]) in COMMANDS else call[1].strip("`.,:")
        known = words in COMMANDS or words in (*COMMAND_FILES, "help")
        options = {
            o
            for p in getattr(COMMANDS.get(words), "params", [])
            for o in (*p.opts, *p.secondary_opts)
        }
        given = {word.partition("=")[0] for word in call if re.match(r"--?[a-z]", word)}
        unknown = given - options - {"--help", "-h"} if words in COMMANDS else set()
        if not known or unknown:
            wrong.append((" ".join(call), sorted(unknown)))

    assert wrong == []


@pages
def test_python_in_pages_uses_public_names(page):
    blocks = re.findall(r"```python[^\n]*\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    used = {name for block in blocks for name in re.findall(r"\bmoco\.(\w+)", block)}

    assert used <= set(mocotool.__all__)
    for block in blocks:
        compile(block, str(page), "exec")


@pages
def test_python_in_pages_imports_what_is_there(page):
    blocks = re.findall(r"```python[^\n]*\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    imports = [
        line
        for block in blocks
        for line in block.splitlines()
        if line.startswith(("from mocotool", "import mocotool"))
    ]

    assert [line for line in imports if not _can_run(line)] == []


def _can_run(line):
    try:
        exec(line, {})
    except ImportError:
        return False
    return True


def test_the_readme_begins_with_the_main_job_and_shows_three_more():
    installing, *_ = re.findall(r"```sh needs a clone\n(.*?)```", README_TEXT, re.DOTALL)
    first, *more = [block.text for block in find_blocks(ROOT / "README.md")]

    assert installing.rpartition("pip install . && ")[2] == first
    assert first == "moco sample | moco interpolate -o people.mp4\n"
    assert "".join(more).count("moco ") >= 3
