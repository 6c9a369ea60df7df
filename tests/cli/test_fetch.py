"""`moco fetch` lists what there is, and says what to do without a network."""

import json

import pytest

from mocotool import downloads
from mocotool.cli.app import app
from mocotool.configs.train_motion import PRESETS


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("MOCO_CACHE", str(tmp_path / "cache"))


def test_without_a_name_everything_is_listed(run_moco, tmp_path):
    values = json.loads(run_moco("fetch", "--json").stdout)

    assert set(values) == set(downloads.PUBLISHED)
    assert values["vgg16"]["path"].startswith(str(tmp_path / "cache"))
    assert values["vgg16"]["is_here"] is False


def complete(words, monkeypatch, capsys):
    """Return what the shell is offered for the last of some words."""
    monkeypatch.setenv("_MOCO_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", " ".join(words))
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    with pytest.raises(SystemExit):
        app(prog_name="moco")
    return capsys.readouterr().out.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["moco", "fetch", "i3"], ["i3d", "i3d-torchscript"]),
        (["moco", "train-motion", "--preset", "u"], [name for name in PRESETS if name[0] == "u"]),
        (["moco", "eval", "fv"], ["fvd"]),
        (["moco", "train-motion", "--recipe", "p"], ["paper"]),
    ],
)
def test_names_complete_in_the_shell(words, offered, monkeypatch, capsys):
    assert complete(words, monkeypatch, capsys) == offered


def test_an_unknown_name_is_a_usage_error(run_moco):
    result = run_moco("fetch", "i3")

    assert result.exit_code == 2
    assert "no weights are called 'i3'" in result.stderr


def test_no_network_is_exit_code_5_and_says_where_to_put_the_file(run_moco, monkeypatch):
    weights = downloads.PublishedWeights(
        name="toy", file_name="toy.bin", url="http://127.0.0.1:1/toy.bin", purpose="a test"
    )
    monkeypatch.setitem(downloads.PUBLISHED, "toy", weights)

    result = run_moco("fetch", "toy")

    assert result.exit_code == 5
    assert "http://127.0.0.1:1/toy.bin" in result.stderr
    assert str(downloads.cached_path("toy")) in result.stderr


def test_what_is_here_already_is_not_fetched_again(run_moco, monkeypatch):
    weights = downloads.PublishedWeights(
        name="toy", file_name="toy.bin", url="http://127.0.0.1:1/toy.bin", purpose="a test"
    )
    monkeypatch.setitem(downloads.PUBLISHED, "toy", weights)
    path = downloads.cached_path("toy")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"weights")

    result = run_moco("fetch", "toy", "--json")

    assert result.exit_code == 0
    assert json.loads(result.stdout)["toy"]["is_here"] is True
