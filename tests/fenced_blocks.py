"""Finds and runs the commands and the Python of a page, in the order in which a reader would.

Run are the fenced blocks in `sh`, `console` (its lines after `$ `) and `python` of a page, all in
one folder; a page's Python shares its names. A block with words after its language is not run, and
the words say why: "```sh needs the network". A comment of the form

    <!-- run
    moco sample -o walk.npz
    -->

is run where it stands, as shell: it makes what the reader is taken to have, or does in short what
the block above it does in hours. There `$CLONE` is the project's folder. One that begins with
`<!-- run as shown` prints what the console block above it shows, which is checked.
"""

import dataclasses
import os
import re
import shlex
import subprocess
import sys

LANGUAGES = ("sh", "console", "python")
BLOCK = re.compile(
    r"^```(?P<language>\w+)(?: (?P<reason>[^\n]+))?\n(?P<fenced>.*?)^```$"
    r"|^<!-- run(?P<as_shown> as shown)?\n(?P<hidden>.*?)^-->$",
    re.DOTALL | re.MULTILINE,
)


@dataclasses.dataclass(frozen=True)
class Block:
    """A block of a page that is run."""

    language: str
    text: str
    place: str
    """Page and line, for messages."""
    shown: str = ""
    """What a console block shows that stands for this one."""

    @property
    def shell(self):
        """The block as a script of bash."""
        if self.language == "sh":
            return self.text
        lines = [line.removeprefix("$ ") for line in self.text.splitlines() if line[:2] == "$ "]
        return "\n".join(lines)

    @property
    def labels(self):
        """What a console block shows in the first column of its tables."""
        return read_labels(self.text if self.language == "console" else self.shown)


def find_blocks(page):
    """Return the blocks of a page that are run, in order."""
    text = page.read_text(encoding="utf-8")
    blocks, above = [], ""
    for found in BLOCK.finditer(text):
        place = f"{page.name}:{text.count(chr(10), 0, found.start()) + 1}"
        if found["hidden"] is not None:
            shown = above if found["as_shown"] else ""
            blocks.append(Block("sh", found["hidden"], place, shown))
            continue
        above = found["fenced"]
        if found["language"] in LANGUAGES and found["reason"] is None:
            blocks.append(Block(found["language"], found["fenced"], place))
    return blocks


def read_labels(printed):
    """Return the first column of the tables that a command prints: what two spaces follow."""
    rows = [re.match(r"(?!\$ |moco: )(\S.*?) {2,}\S", line) for line in printed.splitlines()]
    return {row[1] for row in rows if row}


class Runner:
    """Runs blocks in a folder; the Python among them in this process, with names in common.

    Args:
        folder: Where a folder for the page is made.
        clone: The project's folder.
        moco: The program that stands for `moco`: by default a Python of its own for each command.
    """

    def __init__(self, folder, *, clone, moco=None):
        self.folder, self.names = folder / "page", {"__name__": "page"}
        self.folder.mkdir()
        programs = folder / "programs"
        programs.mkdir()
        own = programs / "moco"
        own.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m mocotool "$@"\n')
        own.chmod(0o755)
        if moco is not None:
            own.unlink()
            own.symlink_to(moco)
        self.environment = os.environ | {
            "CLONE": str(clone),
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(clone),
            "MOCO_CACHE": "",
            "XDG_CACHE_HOME": str(folder / "cache"),
        }

    def run(self, block):
        """Run a block in the current folder; return what a shell block wrote to stdout.

        Raises:
            AssertionError: A command of it failed; its stderr is told.
        """
        if block.language == "python":
            exec(compile(block.text, block.place, "exec"), self.names)
            return ""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block.shell],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"{block.place}: {block.shell}\n{done.stderr}"
        return done.stdout
