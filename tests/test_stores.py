"""Videos, weights and latents in object stores: copied when asked, and then known by address."""

import json
import os
import shutil
import sys
import tarfile
import zipfile

import fsspec
import pytest

from mocotool import stores
from mocotool.bundled import CLIPS_FOLDER
from mocotool.cache import clear_cache, describe_cache
from mocotool.errors import FileFormatError, UnavailableError
from mocotool.fetched import fetch_clips, locate
from mocotool.latents import read_latents
from mocotool.motion.checkpoint import load_motion
from mocotool.video.listing import list_videos

CLIPS = sorted(CLIPS_FOLDER.glob("*.mp4"))[:3]
FOLDER = "memory://bucket/clips"


@pytest.fixture
def store(monkeypatch, tmp_path):
    monkeypatch.setenv("MOCO_CACHE", str(tmp_path / "cache"))
    memory = fsspec.filesystem("memory")
    memory.store.clear()
    for index, clip in enumerate(CLIPS):
        memory.pipe(f"/bucket/clips/{index}/a.mp4", clip.read_bytes())
    memory.pipe("/bucket/clips/.hidden", b"no")
    yield memory
    memory.store.clear()


def test_a_folder_of_clips_is_fetched_and_listed_by_its_address(store, run_moco):
    with pytest.raises(UnavailableError, match="not fetched yet"):
        list_videos(FOLDER)

    result = run_moco("fetch", f"{FOLDER}/", "--json")

    assert result.exit_code == 0, result.stderr
    (values,) = json.loads(result.stdout).values()
    assert values["files"] == 3
    listing = list_videos(f"{FOLDER}/")
    assert [entry.path.relative_to(listing.folder).as_posix() for entry in listing.entries] == [
        "0/a.mp4",
        "1/a.mp4",
        "2/a.mp4",
    ]
    for entry, clip in zip(listing.entries, CLIPS, strict=True):
        assert entry.path.read_bytes() == clip.read_bytes()
    store.store.clear()
    assert len(list_videos(FOLDER).entries) == 3  # the store is asked by `moco fetch` alone


def test_only_what_has_changed_is_copied_again(store):
    fetch_clips(FOLDER)
    store.pipe("/bucket/clips/1/a.mp4", CLIPS[0].read_bytes())
    store.rm("/bucket/clips/2/a.mp4")

    path, facts = fetch_clips(FOLDER)

    assert facts["copied_mb"] == round(CLIPS[0].stat().st_size / 1e6, 3)
    found = {file.relative_to(path).as_posix(): file for file in path.rglob("*.mp4")}
    assert sorted(found) == ["0/a.mp4", "1/a.mp4"]
    assert found["1/a.mp4"].read_bytes() == CLIPS[0].read_bytes()
    assert fetch_clips(FOLDER)[1]["copied_mb"] == 0


def test_a_copy_that_was_cut_short_is_not_used_and_goes_on(store, monkeypatch):
    opened = []
    copy = stores.copy_file

    def fail_once(url, target, **options):
        opened.append(options["place"])
        if len(opened) == 3:
            raise UnavailableError("the line is dead")
        copy(url, target, **options)

    monkeypatch.setattr("mocotool.fetched.copy_file", fail_once)
    monkeypatch.setattr("mocotool.fetched.MAX_THREADS", 1)
    with pytest.raises(UnavailableError, match="the line is dead"):
        fetch_clips(FOLDER)
    with pytest.raises(UnavailableError, match="not completely fetched"):
        locate(FOLDER)

    fetch_clips(FOLDER)

    assert len(opened) == 4
    assert len(list_videos(FOLDER).entries) == 3


@pytest.mark.parametrize("ending", ["tar", "zip"])
def test_an_archive_is_one_file(ending, store, run_moco, tmp_path):
    packed = tmp_path / f"set.{ending}"
    with tarfile.open(packed, "w") if ending == "tar" else zipfile.ZipFile(packed, "w") as archive:
        for clip in CLIPS:
            (archive.add if ending == "tar" else archive.write)(clip, clip.name)
    store.pipe(f"/bucket/set.{ending}", packed.read_bytes())
    address = f"memory://bucket/set.{ending}"

    assert run_moco("fetch", address).exit_code == 0

    assert locate(address).is_file()
    assert len(list_videos(address).entries) == 3
    assert describe_cache()["clips"]["files"] == 1
    clear_cache(["clips"])
    assert describe_cache()["clips"] == {"files": 0, "mb": 0}
    assert not os.listdir(tmp_path / "cache" / "clips")


def test_weights_and_latents_are_files(
    store, run_moco, toy_generator_path, toy_motion_path, toy_latents_path, tmp_path
):
    for name, path in (
        ("g.safetensors", toy_generator_path),
        ("m.safetensors", toy_motion_path),
        ("walk.npz", toy_latents_path),
    ):
        store.pipe(f"/b/{name}", path.read_bytes())
        assert run_moco("fetch", f"memory://b/{name}").exit_code == 0

    result = run_moco(
        *("sample", "memory://b/m.safetensors", "--generator", "memory://b/g.safetensors"),
        *("-o", tmp_path / "drawn.npz", "--num-frames", 2),
    )

    assert result.exit_code == 0, result.stderr
    meta = read_latents(tmp_path / "drawn.npz").meta
    assert meta.generator.path == "memory://b/g.safetensors"
    assert meta.motion.path == "memory://b/m.safetensors"
    assert (
        load_motion("memory://b/m.safetensors").num_frames
        == load_motion(toy_motion_path).num_frames
    )
    told = run_moco("interpolate", "memory://b/walk.npz", "-o", tmp_path / "long.npz")
    assert told.exit_code == 0, told.stderr
    shown = read_latents("memory://b/walk.npz")
    assert shown.meta == read_latents(toy_latents_path).meta


def test_a_missing_package_is_named(monkeypatch, run_moco, tmp_path):
    monkeypatch.setenv("MOCO_CACHE", str(tmp_path))
    for address, package in (
        ("s3://bucket/clips/", "pip install s3fs"),
        ("gs://bucket/g.pkl", "pip install gcsfs"),
        ("sftp://host/clips.tar", "paramiko"),
    ):
        monkeypatch.setitem(sys.modules, package.split()[-1], None)
        result = run_moco("fetch", address)
        assert result.exit_code == 5, result.stderr
        assert package in result.stderr


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("memory://bucket/none/", 5),
        ("memory://bucket/none.safetensors", 5),
        ("memory://bucket/none.tar", 5),
        ("s3://me:secret@bucket/clips/", 2),
        ("ftp://host/clips.tar", 2),
        ("file:///etc/passwd", 2),
    ],
)
def test_what_cannot_be_fetched_is_a_sentence(address, code, store, run_moco):
    result = run_moco("fetch", address)

    assert (result.exit_code, "Traceback" in result.stderr) == (code, False), result.stderr
    assert "moco: error: " in result.stderr


def test_a_copy_is_bounded(store, monkeypatch, tmp_path):
    monkeypatch.setenv("MOCO_CACHE_GB", "1e-6")
    with pytest.raises(UnavailableError, match="the cache may hold 1e-06 GB of clips"):
        fetch_clips(FOLDER)
    assert not list(tmp_path.rglob("*.mp4"))
    monkeypatch.setenv("MOCO_CACHE_GB", "1")
    with pytest.raises(UnavailableError, match="sends more than 9 bytes"):
        stores.copy_file(FOLDER, tmp_path / "x", place="/bucket/clips/0/a.mp4", limit_bytes=9)
    assert (tmp_path / "x").stat().st_size == 0
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 95, 5))
    with pytest.raises(UnavailableError, match="GB to spare"):
        fetch_clips(FOLDER)


@pytest.mark.parametrize("name", ["../x.mp4", "a/../../x.mp4", "a\\b.mp4", "a\nb.mp4", "a//b.mp4"])
def test_a_name_that_leads_out_of_the_folder_is_refused(name, monkeypatch):
    class Store:
        def find(self, root, detail):
            return {f"{root}/{name}": {"size": 1, "type": "file"}}

    monkeypatch.setattr(stores, "_open_store", lambda _: (Store(), "/bucket/clips"))

    with pytest.raises(FileFormatError, match="holds a file called"):
        stores.list_files(FOLDER)
