"""The habits of the house: what holds for every source file."""

import ast
import re
import subprocess
import sys
from collections import Counter

import pytest
from survey import GENERATE, HEAVY, PACKAGE, ROOT, SOURCES, parse

import mocotool

# A module imports only from its left.
IMPORT_ORDER = (
    "errors",
    "arrays",
    "boundary",
    "bundled",
    "files",
    "memory",
    "configs",
    "layouts",
    "similarity",
    "provenance",
    "devices",
    "npz",
    "plots",
    "addresses",
    "stores",
    "downloads",
    "cache",
    "fetched",
    "weights",
    "networks",
    "training",
    "generators",
    "image_training",
    "frames",
    "bare_latents",
    "latents",
    "interpolation",
    "inversion",
    "basis",
    "pca_parts",
    "pca",
    "steering",
    "motion",
    "onnx_graphs",
    "trajectory",
    "video",
    "export",
    "metrics",
    "merging",
    "runs",
    "info",
    "gallery",
    "preference",
    "explore",
    "cli",
    "__main__",
)
FORBIDDEN_NAMES = {"utils", "helpers", "common", "misc", "core", "manager"}
EQUATIONS = range(1, 9)
MAX_FILE_LINES = 460


def _imported_modules(path):
    """Yield the modules of the package that a file imports, wherever in it."""
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.ImportFrom) and node.module == "mocotool":
            yield from (alias.name for alias in node.names if not alias.name.startswith("__"))
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mocotool."):
            yield node.module.split(".")[1]
        elif isinstance(node, ast.Import):
            yield from (
                alias.name.split(".")[1]
                for alias in node.names
                if alias.name.startswith("mocotool.")
            )


# The code


def test_modules_import_only_from_their_left():
    rank = {name: place for place, name in enumerate(IMPORT_ORDER)}
    wrong = []
    for path in SOURCES:
        own = path.relative_to(PACKAGE).with_suffix("").parts[0]
        wrong += [
            f"{path.relative_to(ROOT)} imports {imported}"
            for imported in _imported_modules(path)
            if own != "__init__" and imported != own and rank[imported] >= rank[own]
        ]

    assert wrong == []


def _module_name(path):
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _find_imports(path, names):
    """Yield the modules of the package that a file imports to run, wherever in it."""
    only_types = {
        inner
        for node in ast.walk(parse(path))
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for inner in ast.walk(node)
    }
    for node in ast.walk(parse(path)):
        if node in only_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in names)
        elif isinstance(node, ast.ImportFrom) and node.module in names:
            submodules = {f"{node.module}.{alias.name}" for alias in node.names} & names
            yield from submodules
            if len(submodules) < len(node.names):
                yield node.module


def test_no_module_imports_itself_round_a_corner():
    paths = {_module_name(path): path for path in SOURCES}
    graph = {name: set(_find_imports(path, paths.keys())) for name, path in paths.items()}
    # What imports nothing that is left belongs to no circle.
    while free := [name for name, imported in graph.items() if not imported & graph.keys()]:
        for name in free:
            del graph[name]

    assert sorted(graph) == []


def test_a_folder_begins_with_a_map_of_its_modules():
    """So that who opens the folder finds the file; modules of a command need no entry."""
    missing = []
    commands = {path.stem.removeprefix("cmd_") for path in PACKAGE.glob("cli/cmd_*.py")}
    for folder in {path.parent for path in SOURCES} - {PACKAGE}:
        names = {path.stem for path in folder.glob("*.py")} - {"__init__"}
        if folder.name in {"cli", "configs"}:
            names = {name for name in names if name.removeprefix("cmd_") not in commands}
        shown = ast.get_docstring(parse(folder / "__init__.py")) or ""
        missing += [f"{folder.name}/{name}" for name in names if f"`{name}`" not in shown]

    assert sorted(missing) == []


def test_the_architecture_names_every_module():
    text = (ROOT / "docs" / "architecture.md").read_text()

    assert [name for name in IMPORT_ORDER if not re.search(rf"\b{name}\b", text)] == []


def test_every_module_has_its_place_in_the_order():
    modules = {path.relative_to(PACKAGE).with_suffix("").parts[0] for path in SOURCES}

    assert modules - {"__init__"} <= set(IMPORT_ORDER)


def test_nothing_has_a_name_that_says_nothing():
    names = {part for path in SOURCES for part in path.relative_to(ROOT).with_suffix("").parts}

    assert names.isdisjoint(FORBIDDEN_NAMES)


def test_no_file_has_two_subjects():
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in SOURCES
    }

    too_long = {name: n for name, n in lengths.items() if n > MAX_FILE_LINES}

    assert too_long == {}


def test_nothing_outside_the_command_line_prints_or_knows_a_terminal():
    wrong = []
    for path in SOURCES:
        if path.is_relative_to(PACKAGE / "cli"):
            continue
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "print":
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} print")
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [getattr(node, "module", None) or "", *(a.name for a in node.names)]
                wrong += [
                    f"{path.relative_to(ROOT)}:{node.lineno} {name}"
                    for name in names
                    if name.split(".")[0] in ("typer", "rich")
                ]

    assert wrong == []


def test_nothing_imports_click():
    for path in SOURCES:
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.Import):
                assert "click" not in [alias.name.split(".")[0] for alias in node.names], path
            if isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] != "click", path


def test_no_library_code_swallows_every_exception_or_runs_what_a_file_holds():
    wrong = []
    for path in SOURCES:
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.ExceptHandler) and (
                node.type is None or ast.unparse(node.type) == "BaseException"
            ):
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} broad except")
            if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                "eval",
                "exec",
                "pickle.load",
                "pickle.loads",
            ):
                wrong.append(f"{path.relative_to(ROOT)}:{node.lineno} {ast.unparse(node.func)}")
            if isinstance(node, ast.keyword) and (node.arg, ast.unparse(node.value)) in (
                ("weights_only", "False"),
                ("allow_pickle", "True"),
            ):
                wrong.append(f"{path.relative_to(ROOT)}:{node.value.lineno} {node.arg}")

    assert wrong == []


def test_every_module_says_what_it_answers():
    empty = [
        path.relative_to(ROOT).as_posix() for path in SOURCES if not ast.get_docstring(parse(path))
    ]

    assert empty == []


def test_test_files_have_names_of_their_own():
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))

    assert [name for name, count in names.items() if count > 1] == []


# The paper


@pytest.mark.parametrize("number", EQUATIONS)
def test_each_equation_is_claimed_by_exactly_one_function(number):
    claims = [
        f"{found.path} {found.name}"
        for found in GENERATE.collect_described()
        if number in found.equations
    ]

    assert len(claims) == 1


def test_no_equation_is_named_outside_the_docstring_of_its_function():
    places = [
        f"{path.relative_to(PACKAGE).as_posix()}: {line.strip()}"
        for path in SOURCES
        for line in path.read_text(encoding="utf-8").splitlines()
        if GENERATE.EQUATION.search(line)
    ]
    claims = sum(len(found.equations) for found in GENERATE.collect_described())

    assert len(places) == claims, places


def test_source_sections_use_the_prefixes_that_tools_read():
    entry = re.compile(r"^    (?! )([A-Z][\w ]*):", re.MULTILINE)
    wrong = []
    for path in SOURCES:
        tree = parse(path)
        for name, node in [("", tree), *GENERATE.walk_definitions(tree)]:
            _, _, section = (ast.get_docstring(node) or "").partition("\nSource:\n")
            wrong += [
                f"{path.relative_to(ROOT)} {name}: {prefix}"
                for prefix in entry.findall(section)
                if prefix not in GENERATE.PREFIXES
            ]

    assert wrong == []


# The library


def test_public_names_exist_and_say_what_they_do():
    for name, module in GENERATE.read_public_names().items():
        _, node = GENERATE.find_definition(name, module)

        assert ast.get_docstring(node), name


def test_importing_the_package_is_light():
    script = f"import sys, mocotool\nprint([m for m in {HEAVY!r} if m in sys.modules])"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert done.stdout.strip() == "[]"


def test_an_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        mocotool.no_such_name  # noqa: B018


def test_layouts_and_ranges_of_pictures_are_converted_in_one_module():
    """What turns bytes into model units, or moves the channels of frames, is defined once."""
    spelled_out = re.compile(
        r"(div_?\(127\.5\)|mul_?\(127\.5\)|movedim\(-1, 1\)|movedim\(1, -1\)"
        r"|[a-z]\.transpose\(0, (2, 3, 1|3, 1, 2)\))"
    )
    found = [
        f"{path.relative_to(PACKAGE)}:{number}"
        for path in SOURCES
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if spelled_out.search(line) and path.name != "layouts.py"
    ]
    assert found == []
