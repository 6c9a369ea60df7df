"""The commands and the Python of every page run, in the order in which a reader would run them."""

import pytest
from fenced_blocks import Runner, find_blocks, read_labels
from survey import PAGES, ROOT

README = ROOT / "README.md"


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(
            page,
            id=page.relative_to(ROOT).as_posix(),
            marks=() if page == README else pytest.mark.slow,
        )
        for page in PAGES
        if find_blocks(page)
    ],
)
def test_what_a_page_shows_runs_and_prints_what_it_shows(page, tmp_path, monkeypatch, request):
    # The README's commands start as a reader's do; to import torch for each line of 40 other pages
    # would take longer than what they compute.
    moco = None if page == README else request.getfixturevalue("warm_moco").program
    runner = Runner(tmp_path, clone=ROOT, moco=moco)
    monkeypatch.chdir(runner.folder)
    for name in ("MOCO_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, runner.environment[name])

    for block in find_blocks(page):
        printed = runner.run(block)

        assert block.labels - read_labels(printed) == set(), f"not printed: {block.place}"


def test_blocks_are_found_by_the_rule(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "```sh\nmoco a\n```\n\n```sh needs the network\nmoco b\n```\n"
        "<!-- run\nmoco c\n-->\n```text\nmoco d\n```\n```python\ne()\n```\n"
        "```console\n$ moco f\nwrote  x.npz\n```\n"
        "```console takes hours\n$ moco g\nsteps  9\n```\n<!-- run as shown\nmoco g --quick\n-->\n"
    )

    blocks = find_blocks(page)

    assert [block.text.strip() for block in blocks] == [
        "moco a",
        "moco c",
        "e()",
        "$ moco f\nwrote  x.npz",
        "moco g --quick",
    ]
    assert [block.language for block in blocks] == ["sh", "sh", "python", "console", "sh"]
    assert blocks[4].labels == {"steps"}
    assert blocks[3].shell == "moco f"
    assert blocks[3].labels == {"wrote"}
    assert blocks[1].place == "page.md:8"


def test_a_block_that_fails_is_named_with_its_error(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("Text.\n\n```sh\nmoco info missing.npz | cat\n```\n")
    (block,) = find_blocks(page)

    with pytest.raises(AssertionError, match=r"(?s)page.md:3.*missing.npz: no such file"):
        Runner(tmp_path, clone=ROOT).run(block)
