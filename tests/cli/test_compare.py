import json

import pytest


@pytest.fixture
def sides(tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        for number in range(2):
            (tmp_path / name / f"{number}.mp4").write_bytes(b"x")
    return [tmp_path / name for name in ("a", "b", "c")]


def write_votes(path, voter, chosen, sides=("a", "b")):
    votes = [
        {"trial": i, "left": i % 2, "right": 1 - i % 2, "chosen": one}
        for i, one in enumerate(chosen)
    ]
    record = {"schema": "moco.votes/1", "study": "s", "question": "q", "sides": list(sides)}
    path.write_text(json.dumps(record | {"voter": voter, "votes": votes}))
    return path


def test_sides_without_a_command_make_a_page(run_moco, sides, tmp_path):
    short = run_moco("compare", *sides, "-o", tmp_path / "p", "--num-trials", 6, "--json")
    long = run_moco("compare", "page", *sides, "-o", tmp_path / "q", "--num-trials", 6, "--json")

    values = json.loads(short.stdout)
    assert values["sides"] == ["a", "b", "c"]
    assert values["trials"] == 6
    assert values["study"] == json.loads(long.stdout)["study"]
    pages = [(tmp_path / name / "index.html").read_bytes() for name in ("p", "q")]
    assert pages[0] == pages[1]


def test_a_folder_that_holds_something_is_not_written_into(run_moco, sides):
    result = run_moco("compare", *sides, "-o", sides[0])

    assert result.exit_code == 2
    assert "is not empty" in result.stderr


def test_one_side_is_too_few(run_moco, sides, tmp_path):
    result = run_moco("compare", sides[0], "-o", tmp_path / "p")

    assert result.exit_code == 2
    assert "expected at least 2 sides" in result.stderr


def test_votes_become_a_table(run_moco, tmp_path):
    one = write_votes(tmp_path / "1.json", "x", ["left", "right", "left"])  # all for a
    two = write_votes(tmp_path / "2.json", "y", ["right"])  # for b

    result = run_moco("compare", "tally", one, two)

    assert result.exit_code == 0, result.stderr
    (row,) = [line for line in result.stdout.splitlines() if line.startswith("a over b")]
    assert "75.0% (19.4% to 99.4%), 3 of 4" in row


def test_votes_that_are_none_are_a_sentence(run_moco, tmp_path):
    (tmp_path / "v.json").write_text("{}")

    result = run_moco("compare", "tally", tmp_path / "v.json")

    assert result.exit_code == 3
    assert "not votes of a page" in result.stderr
