"""What is known of a folder's videos: found again, and never believed of a file that changed."""

import dataclasses
import os
import zipfile

import numpy as np
import pytest
from reference.ugly_clips import write_clip

from mocotool import cache
from mocotool.errors import FileFormatError
from mocotool.video import decoded, known
from mocotool.video.candidates import Candidate
from mocotool.video.decoded import decode_all
from mocotool.video.listing import list_videos
from mocotool.video.pictures import write_png


@pytest.fixture(autouse=True)
def _keeps_everything(monkeypatch, tmp_path):
    """Keep also what takes no time, of files that were made this moment."""
    monkeypatch.setenv("MOCO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(known, "MIN_SECONDS", 0.0)
    monkeypatch.setattr(known, "SETTLED_NS", -(10**18))
    monkeypatch.setattr(known, "MANY", 1)
    monkeypatch.setattr(decoded, "MIN_SHARED_BYTES", 0)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    write_clip(folder / "b.mp4", codec="libx264", pix_fmt="yuv420p", num_frames=9)
    write_clip(folder / "a.mkv", codec="ffv1", pix_fmt="bgr0", num_frames=6)
    for index in range(3):
        write_png(folder / f"walk_{index}.png", np.zeros((8, 12, 3), np.uint8))
    write_png(folder / "still.png", np.ones((10, 10, 3), np.uint8))
    with zipfile.ZipFile(folder / "more.zip", "w") as archive:
        archive.write(folder / "a.mkv", "in/a.mkv")
    return folder


@pytest.fixture
def looks(monkeypatch):
    """Count what is looked at anew."""
    looked = []
    look = Candidate.open

    def open_and_note(candidate):
        looked.append(candidate.path.name)
        return look(candidate)

    monkeypatch.setattr(Candidate, "open", open_and_note)
    return looked


def as_values(listing):
    return [dataclasses.asdict(entry) for entry in listing.entries]


def test_a_second_listing_looks_at_nothing_and_finds_the_same(folder, looks):
    first = list_videos(folder)
    assert len(looks) == len(first.entries) == 5
    looks.clear()

    second = list_videos(folder)

    assert looks == []
    assert as_values(second) == as_values(first)
    assert all(len(entry.contents) == 16 for entry in first.entries)


def test_only_what_is_new_or_has_changed_is_looked_at(folder, looks):
    list_videos(folder)
    times = os.stat(folder / "a.mkv")
    data = (folder / "a.mkv").read_bytes()
    write_clip(folder / "a.mkv", codec="ffv1", pix_fmt="bgr0", num_frames=4)
    write_clip(folder / "c.mkv", codec="ffv1", pix_fmt="bgr0", num_frames=2)
    looks.clear()

    assert [entry.num_frames for entry in list_videos(folder).entries if entry.kind == "file"] == [
        *(4, 9, 2),  # a, b, c
        6,  # in the zip
    ]
    assert sorted(looks) == ["a.mkv", "c.mkv"]

    # as long as before, and dated back
    (folder / "a.mkv").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(folder / "a.mkv", ns=(times.st_atime_ns, times.st_mtime_ns))
    looks.clear()
    list_videos(folder)
    assert looks == ["a.mkv"]


def test_what_cannot_be_read_is_looked_at_again(folder, looks):
    (folder / "broken.mp4").write_bytes(b"no video")
    list_videos(folder)
    looks.clear()
    warnings = []

    list_videos(folder, warn=warnings.append)

    assert looks == ["broken.mp4"]
    assert "broken.mp4: cannot be read as a video" in warnings[0]


def test_a_file_that_changed_this_moment_is_not_kept(folder, looks, monkeypatch):
    monkeypatch.setattr(known, "SETTLED_NS", 10**12)

    list_videos(folder)
    list_videos(folder)

    assert len(looks) == 10


@pytest.mark.parametrize("spoil", ["cut", "other reader", "no room"])
def test_a_file_of_what_is_known_that_is_no_good_is_made_again(folder, looks, spoil, monkeypatch):
    first = list_videos(folder)
    (path,) = cache.kept_path("videos", "").iterdir()
    looks.clear()
    if spoil == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif spoil == "other reader":
        monkeypatch.setenv("MOCO_MAX_MEGAPIXELS", "3")
    else:
        monkeypatch.setenv(cache.VARIABLE, "0")

    assert as_values(list_videos(folder)) == as_values(first)
    assert len(looks) == 5


def test_decoded_frames_are_found_by_the_next_run(folder, monkeypatch):
    entries = list_videos(folder).entries
    told = []
    first = decode_all(entries, size=8, shares=True, advance=told.append)
    assert sum(told) == len(first.array)

    def decode_again(*_):
        raise FileFormatError("decoded again")

    with monkeypatch.context() as patch:
        patch.setattr(decoded, "iter_squares", decode_again)
        second = decode_all(entries, size=8, shares=True, advance=told.append)
    fresh = decode_all(entries, size=8)

    np.testing.assert_array_equal(second.array, fresh.array)
    assert sum(told) == 2 * len(first.array)
    assert isinstance(second.array, np.memmap)
    assert len(list(cache.kept_path("frames", "").glob("*.npy"))) == 1


@pytest.mark.parametrize("spoil", ["flip", "cut", "notes"])
def test_damaged_shared_frames_are_made_again(folder, spoil):
    entries = list_videos(folder).entries
    fresh = np.array(decode_all(entries, size=8, shares=True).array)
    (path,) = cache.kept_path("frames", "").glob("*.npy")
    data = path.read_bytes()
    if spoil == "notes":
        path.with_suffix(".json").write_text("[]")
    else:
        path.write_bytes(data[:-9] if spoil == "cut" else data[:-1] + bytes([data[-1] ^ 1]))

    np.testing.assert_array_equal(decode_all(entries, size=8, shares=True).array, fresh)


def test_without_room_in_the_cache_frames_stay_in_memory(folder, monkeypatch):
    monkeypatch.setenv(cache.VARIABLE, "1e-6")

    frames = decode_all(list_videos(folder).entries, size=8, shares=True)

    assert not isinstance(frames.array, np.memmap)
    assert not list(cache.kept_path("frames", "").glob("*.npy"))
