import json

import pytest
from page_reader import PageReader, find_linked


@pytest.fixture
def results(tmp_path):
    """A folder of results with awkward names."""
    folder = tmp_path / "my results"
    (folder / "deep #1").mkdir(parents=True)
    names = ("walk-0000.mp4", "walk-0001.mp4", "strip.png", "deep #1/100%.gif", "walk.npz")
    for name in names:
        (folder / name).write_bytes(b"x")
    return folder


def list_shown(folder):
    endings = (".mp4", ".png", ".gif")
    return sorted(path.resolve() for path in folder.rglob("*") if path.suffix in endings)


def test_the_page_goes_into_the_folder_and_shows_all_of_it(run_moco, results):
    result = run_moco("gallery", results, "--json")

    assert result.exit_code == 0, result.stderr
    page = results / "index.html"
    assert json.loads(result.stdout) == {"page": str(page), "sections": 3, "files": 4}
    assert find_linked(page) == list_shown(results)


def test_the_page_can_be_elsewhere_and_have_a_name(run_moco, results, tmp_path, monkeypatch):
    (tmp_path / "pages").mkdir()
    monkeypatch.chdir(tmp_path)

    result = run_moco("gallery", "my results", "-o", "pages/a.html", "--title", "5 < 6", "-q")

    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    page = tmp_path / "pages" / "a.html"
    assert find_linked(page) == list_shown(results)
    assert all(address.startswith("../my%20results/") for address in PageReader(page).addresses)
    assert "<h1>5 &lt; 6</h1>" in page.read_text()


def test_an_existing_page_stays_unless_forced(run_moco, results):
    page = results / "index.html"
    page.write_text("mine")

    refused = run_moco("gallery", results)
    assert refused.exit_code == 2
    assert "already exists" in refused.stderr
    assert page.read_text() == "mine"

    assert run_moco("gallery", results, "--force").exit_code == 0
    assert len(find_linked(page)) == 4


@pytest.mark.parametrize(
    ("args", "exit_code", "said"),
    [
        (["gone"], 3, "gone: no such folder"),
        (["empty"], 3, "empty: nothing to show"),
        (["my results", "-o", "gone/page.html"], 2, "there is no folder gone"),
        (["my results", "-o", "empty"], 2, "empty: is a folder"),
    ],
)
def test_what_goes_wrong_is_said_in_a_sentence(
    run_moco, results, tmp_path, monkeypatch, args, exit_code, said
):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)

    result = run_moco("gallery", *args)

    assert result.exit_code == exit_code
    assert said in result.stderr
    assert list(tmp_path.rglob("*.html")) == []
