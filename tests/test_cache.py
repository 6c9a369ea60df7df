"""The user's cache: bounded, shared by processes, and never in the way."""

import os
import subprocess
import sys
import time

import pytest

from mocotool import cache
from mocotool.errors import ConfigError


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("MOCO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def keep(kind, name, size_bytes, *, age_s=0.0):
    path = cache.kept_path(kind, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size_bytes))
    os.utime(path, (time.time() - age_s,) * 2)
    return path


def test_what_went_unused_longest_makes_room(monkeypatch):
    monkeypatch.setenv(cache.VARIABLE, "1e-5")  # 10,000 bytes
    weights = keep("weights", "i3d.pt", 50_000, age_s=99)
    old = keep("features", "a.npz", 4_000, age_s=9)
    notes = keep("frames", "frames-b.json", 10)
    frames = keep("frames", "frames-b.npy", 3_000, age_s=8)
    new = keep("videos", "c.npz", 2_000)

    assert cache.make_room(900)
    assert old.exists()
    assert cache.make_room(2_000)
    assert not old.exists()
    assert cache.make_room(8_000)
    assert [path.exists() for path in (frames, notes, new, weights)] == [False, False, True, True]
    assert not cache.make_room(10_001)
    assert new.exists()  # nothing goes for what will not fit


def test_what_is_in_use_stays(monkeypatch):
    monkeypatch.setenv(cache.VARIABLE, "1e-5")
    path = keep("frames", "frames-a.npy", 8_000)
    held = cache.InUse(path)

    assert not cache.make_room(5_000)
    assert cache.clear_cache(["frames"]) == {"removed_mb": 0.0, "in_use": 1}
    del held
    assert cache.make_room(5_000)
    assert not path.exists()


def test_one_process_makes_what_the_others_wait_for(tmp_path):
    script = (
        "import sys, time\n"
        "from mocotool.cache import kept_path, making\n"
        "path = kept_path('videos', 'x.npz')\n"
        "with making(path):\n"
        "    if not path.exists():\n"
        "        time.sleep(0.1)\n"
        "        path.write_text('made')\n"
        "        print('made')\n"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]

    printed = sorted(process.communicate(timeout=60)[0] for process in processes)

    assert printed == ["", "", "made\n"]
    assert os.listdir(cache.kept_path("videos", "x.npz").parent) == ["x.npz"]


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("MOCO_CACHE", str(tmp_path / "file"))

    assert not cache.make_room(1)
    with cache.making(cache.kept_path("videos", "x.npz")):
        pass
    assert cache.describe_cache()["frames"] == {"files": 0, "mb": 0}


def test_a_limit_that_is_no_number_is_refused(monkeypatch):
    monkeypatch.setenv(cache.VARIABLE, "much")

    with pytest.raises(ConfigError, match="MOCO_CACHE_GB is 'much', expected a number from 0"):
        cache.limit_bytes()
