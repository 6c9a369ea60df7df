"""`moco cache` shows what is kept, and empties it."""

import json

import pytest

from mocotool.cache import kept_path
from mocotool.downloads import TRUSTED_NAME


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("MOCO_CACHE", str(tmp_path / "cache"))
    for kind, name in (
        ("weights", "i3d.pt"),
        ("weights", TRUSTED_NAME),
        ("frames", "frames-1.npy"),
        ("frames", "frames-1.json"),
        ("videos", "2.npz"),
    ):
        kept_path(kind, name).parent.mkdir(parents=True, exist_ok=True)
        kept_path(kind, name).write_bytes(bytes(2_000))


def show(run_moco, *args):
    return json.loads(run_moco("cache", *args, "--json").stdout)


def test_every_kind_is_counted(run_moco, tmp_path):
    values = show(run_moco)

    assert values["folder"] == str(tmp_path / "cache")
    assert values["limit_gb"] == 20
    assert values["weights"] == {"files": 2, "mb": 0.004}
    assert values["frames"] == {"files": 1, "mb": 0.004}  # with its notes
    assert values["features"] == {"files": 0, "mb": 0}


def test_what_is_asked_for_is_removed_and_nothing_else(run_moco):
    values = show(run_moco, "--clear", "frames")

    assert (values["frames"]["files"], values["removed_mb"], values["in_use"]) == (0, 0.004, 0)
    assert kept_path("videos", "2.npz").exists()


def test_hashes_that_were_trusted_outlive_the_weights(run_moco):
    values = show(run_moco, "--clear", "all")

    assert values["removed_mb"] == 0.008
    assert [path.name for path in kept_path("weights", "").iterdir()] == [TRUSTED_NAME]


def test_an_unknown_kind_is_refused_with_the_known_ones(run_moco):
    result = run_moco("cache", "--clear", "everything")

    assert result.exit_code == 2
    assert "frames" in result.stderr
