"""Fill the parts of the pages that are made from the code, and write the public names' types.

    python docs/generate.py            writes them
    python docs/generate.py --check    names the pages that are out of date, and exits 1

A generated part stands between `<!-- NAME:begin -->` and `<!-- NAME:end -->`. NAME is `help` (the
help of the command that the page is named after), `commands` (the list of commands), `equations`,
`sources` (where the code names the paper), `deviations` (where it means to differ), `presets`
and `script PRESET` (the paper's experiments, from docs/experiments.py) or `library` (the public
names).
"""

import ast
import dataclasses
import functools
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "mocotool"
STUB = PACKAGE / "__init__.pyi"
PREFIXES = ("Paper", "Official code", "Follows", "Adapted from", "Deviation")
EQUATION = re.compile(r"\bEqs?\.\s*(\d+)")
BLOCK = re.compile(r"<!-- ([\w -]+):begin -->\n(.*?)<!-- \1:end -->", re.DOTALL)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Described:
    """A function, class or module whose docstring names its source."""

    path: str
    """File inside the package, such as "motion/losses.py"."""
    name: str
    """Qualified name; empty for the module itself."""
    summary: str
    """First line of the docstring."""
    sources: dict[str, str]
    """Prefix ("Paper", ...) -> what follows it, on one line."""

    @property
    def equations(self) -> list[int]:
        """Numbers of the paper's equations that it claims to compute."""
        return [int(number) for number in EQUATION.findall(self.sources.get("Paper", ""))]


def parse_sources(docstring: str) -> dict[str, str]:
    """Return the entries of a docstring's Source section, each on one line."""
    _, found, section = docstring.partition("\nSource:\n")
    entries: dict[str, str] = {}
    current = None
    for line in section.splitlines() if found else []:
        if line and not line.startswith(" "):
            break
        prefix, colon, rest = line.strip().partition(":")
        if colon and prefix in PREFIXES:
            current = prefix
            entries[current] = rest.strip()
        elif current is not None:
            entries[current] = f"{entries[current]} {line.strip()}".strip()
    return entries


def walk_definitions(tree: ast.AST, outer: str = "") -> Iterator[tuple[str, ast.AST]]:
    """Yield every function and class of a syntax tree with its qualified name."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{outer}{node.name}"
            yield name, node
            yield from walk_definitions(node, f"{name}.")
        else:
            yield from walk_definitions(node, outer)


@functools.cache
def collect_described() -> list[Described]:
    """Return everything in the package whose docstring has a Source section."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for name, node in [("", tree), *walk_definitions(tree)]:
            assert isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef)
            docstring = ast.get_docstring(node) or ""
            sources = parse_sources(docstring)
            if sources:
                found.append(
                    Described(
                        path=path.relative_to(PACKAGE).as_posix(),
                        name=name,
                        summary=docstring.splitlines()[0].rstrip("."),
                        sources=sources,
                    )
                )
    return found


def render_equations() -> str:
    """Return the table of equations and the function that computes each."""
    rows = [(number, found) for found in collect_described() for number in found.equations]
    rows.sort(key=lambda row: (row[0], row[1].path, row[1].name))
    return render_table(
        ("eq.", "function", "what it does"),
        [(str(number), render_place(found), found.summary) for number, found in rows],
    )


def render_sources() -> str:
    """Return the table of everything in the code that names where it comes from."""
    return render_table(
        ("where", "paper", "official code", "follows"),
        [
            (
                render_place(found),
                found.sources.get("Paper", ""),
                found.sources.get("Official code", ""),
                " ".join(
                    filter(None, (found.sources.get("Follows"), found.sources.get("Adapted from")))
                ),
            )
            for found in collect_described()
        ],
    )


def render_deviations() -> str:
    """Return the table of everything that differs from its source on purpose."""
    return render_table(
        ("where", "what differs, and why"),
        [
            (render_place(found), found.sources["Deviation"])
            for found in collect_described()
            if "Deviation" in found.sources
        ],
    )


def render_presets() -> str:
    """Return the table of the presets for the paper's experiments."""
    from experiments import list_preset_rows

    head = ("preset", "domain", "clips per step", "frame size", "frame stride", "feature weight")
    return render_table((*head, "epochs in the script", "generator"), list_preset_rows())


def render_exhibits() -> str:
    """Return the commands behind each table and figure of the paper."""
    from experiments import render_exhibits

    return render_exhibits()


def render_experiment(name: str) -> str:
    """Return the script of one of the paper's experiments."""
    from experiments import render_script

    return render_script(name)


def render_place(found: Described) -> str:
    """Return a link to a file and the name in it."""
    link = f"[{found.path}](../mocotool/{found.path})"
    return f"{link} `{found.name}`" if found.name else link


def render_table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for row in rows:
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |")
    return "\n".join(lines)


def read_public_names() -> dict[str, str]:
    """Return public name -> module, as the package's `__init__` lists them."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_PUBLIC":
            names: dict[str, str] = ast.literal_eval(node.value)
            return names
    raise LookupError("mocotool/__init__.py has no _PUBLIC")


def find_definition(name: str, module: str) -> tuple[str, ast.FunctionDef | ast.ClassDef]:
    """Return the file (inside the package) and the definition of a public name.

    Raises:
        LookupError: The module neither defines nor imports it.
    """
    path = ROOT / Path(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
            return path.relative_to(PACKAGE).as_posix(), node
        if (
            isinstance(node, ast.ImportFrom)
            and node.module
            and name in [alias.name for alias in node.names]
        ):
            return find_definition(name, node.module)
    raise LookupError(f"{module} has no {name}")


def render_library() -> str:
    """Return the table of public names, with their arguments and first sentences."""
    rows = []
    for name, module in read_public_names().items():
        path, node = find_definition(name, module)
        summary = (ast.get_docstring(node) or "").partition("\n")[0]
        signature = f"{name}({list_arguments(node)})" if isinstance(node, ast.FunctionDef) else name
        rows.append((f"`{signature}`", summary, f"[{path}](../mocotool/{path})"))
    return render_table(("name", "what", "where"), rows)


def render_stub() -> str:
    """Return the types of the public names, which `mocotool/__init__.py` loads on first use."""
    lines = [
        '"""Types of the public names. Made by docs/generate.py from __init__.py."""',
        "",
        *(f"from {module} import {name} as {name}" for name, module in read_public_names().items()),
        "",
        "__version__: str",
    ]
    return "\n".join(lines) + "\n"


def list_arguments(function: ast.FunctionDef) -> str:
    """Return a function's argument names, separated by commas; the optional ones with "=..."."""
    arguments = function.args
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    first_default = len(names) - len(arguments.defaults)
    names = [f"{name}=..." if i >= first_default else name for i, name in enumerate(names)]
    if arguments.kwonlyargs:
        names.append("*")
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        names.append(argument.arg if default is None else f"{argument.arg}=...")
    if arguments.kwarg:
        names.append(f"**{arguments.kwarg.arg}")
    return ", ".join(names)


@functools.cache
def list_commands() -> dict[str, str]:
    """Return every command's name ("pca", "eval fvd") and the first sentence of its help."""
    import typer.main

    from mocotool.cli.app import app

    found: dict[str, str] = {}

    def collect(group: object, outer: str) -> None:
        for name, command in getattr(group, "commands", {}).items():
            paragraph = (command.help or "").partition("\n\n")[0]
            found[f"{outer}{name}"] = " ".join(paragraph.split())
            collect(command, f"{outer}{name} ")

    collect(typer.main.get_command(app), "")
    return found


def render_help(command: str) -> str:
    """Return what `moco COMMAND --help` prints, as a block of text."""
    from typer.testing import CliRunner

    from mocotool.cli.app import app
    from mocotool.cli.narrow import narrow

    words = [*command.split(), "--help"]
    result = CliRunner().invoke(narrow(app, words), words)
    if result.exit_code != 0:
        raise LookupError(f"moco {command} --help: exit code {result.exit_code}")
    lines = [line.rstrip() for line in result.stdout.splitlines()]
    return "\n".join(["```text", *"\n".join(lines).strip("\n").splitlines(), "```"])


def render_page_help(page: Path) -> str:
    """Return the help of the commands that a page is about."""
    names = [name for name in list_commands() if find_page(name) == page]
    if not names:
        raise LookupError(f"{page}: there is no command {page.stem}")
    return "\n\n".join(render_help(name) for name in names)


def find_page(command: str) -> Path:
    """Return a command's page: `eval fvd` has eval-fvd.md, `compare tally` is in compare.md."""
    folder = ROOT / "docs" / "commands"
    own = folder / f"{command.replace(' ', '-')}.md"
    return own if own.exists() else folder / f"{command.split(maxsplit=1)[0]}.md"


def render_commands(page: Path) -> str:
    """Return the list of commands, each linked to its page; the README leaves out the nested."""
    return render_table(
        ("command", "what it does"),
        [
            (f"[`moco {name}`]({os.path.relpath(find_page(name), page.parent)})", summary)
            for name, summary in list_commands().items()
            if page.name != "README.md" or " " not in name
        ],
    )


def fill_page(page: Path) -> str:
    """Return a page's text with its generated parts made anew."""
    makers = {
        "help": lambda: render_page_help(page),
        "commands": lambda: render_commands(page),
        "equations": render_equations,
        "sources": render_sources,
        "deviations": render_deviations,
        "library": render_library,
        "presets": render_presets,
        "exhibits": render_exhibits,
    }

    def fill(match: re.Match[str]) -> str:
        name = match[1]
        kind, _, which = name.partition(" ")
        body = render_experiment(which) if kind == "script" else makers[name]()
        return f"<!-- {name}:begin -->\n{body}\n<!-- {name}:end -->"

    return BLOCK.sub(fill, page.read_text(encoding="utf-8"))


def list_pages() -> list[Path]:
    """Return the pages that may have generated parts."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def main() -> int:
    """Write the generated parts, or check them."""
    check = "--check" in sys.argv[1:]
    # Typer reads the width once, when its rich module is first imported.
    os.environ.update(NO_COLOR="1", TERMINAL_WIDTH="80", COLUMNS="80")
    made = [(page, fill_page(page)) for page in list_pages()] + [(STUB, render_stub())]
    stale = []
    for page, text in made:
        if not page.exists() or text != page.read_text(encoding="utf-8"):
            stale.append(page.relative_to(ROOT).as_posix())
            if not check:
                page.write_text(text, encoding="utf-8")
    verb = "out of date" if check else "written"
    sys.stdout.writelines(f"{verb}: {page}\n" for page in stale)
    if check and stale:
        sys.stdout.write("run: python docs/generate.py\n")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
