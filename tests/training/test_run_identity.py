"""A run knows its clips, and no other process trains in its folder."""

import os
import signal
import time

import numpy as np
import pytest
import torch
from reference.ugly_clips import write_clip

from mocotool.errors import ConfigError, MismatchError
from mocotool.files import atomic_path
from mocotool.training.run_lock import LOCK_NAME, RunLock
from mocotool.video.decoded import decode_all
from mocotool.video.listing import list_videos
from mocotool.video.loading import load_clips


@pytest.fixture
def clips(tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in "abc":
        write_clip(folder / f"{name}.mkv", codec="ffv1", pix_fmt="bgr0", num_frames=6)
    return folder


def load(folder):
    listing = list_videos(folder)
    return load_clips(listing, num_frames=4, frame_stride=1, size=8, batch_size=2)


def test_a_clip_exchanged_between_start_and_resume_is_named(clips):
    state = load(clips).state_dict()
    data = bytearray((clips / "b.mkv").read_bytes())
    times = os.stat(clips / "b.mkv")
    data[len(data) // 2] ^= 1  # as many frames, as many bytes
    (clips / "b.mkv").write_bytes(data)
    os.utime(clips / "b.mkv", ns=(times.st_atime_ns, times.st_mtime_ns))

    with pytest.raises(MismatchError, match=r"other videos: b\.mkv changed since"):
        load(clips).load_state_dict(state)


def test_clips_that_came_went_or_grew_are_named(clips):
    state = load(clips).state_dict()
    (clips / "a.mkv").rename(clips / "d.mkv")
    write_clip(clips / "c.mkv", codec="ffv1", pix_fmt="bgr0", num_frames=8)

    with pytest.raises(MismatchError) as found:
        load(clips).load_state_dict(state)

    assert str(found.value) == (
        "the run began with other videos: c.mkv changed since; a.mkv removed since; "
        "d.mkv added since"
    )


def test_a_run_goes_on_where_its_clips_were_moved(clips, tmp_path):
    state = load(clips).state_dict()
    clips.rename(tmp_path / "moved")
    for path in (tmp_path / "moved").iterdir():
        os.utime(path, (1, 1))

    batches = load(tmp_path / "moved")
    batches.load_state_dict(state)

    assert next(batches).shape == (2, 4, 3, 8, 8)


def test_a_state_from_before_contents_were_known_goes_on(clips):
    state = load(clips).state_dict()
    del state["contents"]

    batches = load(clips)
    batches.load_state_dict(state)

    assert next(batches).shape == (2, 4, 3, 8, 8)


def take_in_child(folder, until):
    """Take the lock in a process of its own, which then ends 0, or 2 where it is refused.

    Args:
        folder: Where to train.
        until: Both ends of a pipe; the lock is held until nobody can write into it.
    """
    child = os.fork()
    if child:
        return child
    try:
        os.close(until[1])
        lock = RunLock(folder)
        lock.take()
        os.read(until[0], 1)
        os._exit(0)
    except ConfigError:
        os._exit(2)
    finally:
        os._exit(1)


def test_of_two_at_once_one_trains_and_the_other_is_told(tmp_path):
    for _ in range(10):
        until = os.pipe()
        children = {take_in_child(tmp_path, until), take_in_child(tmp_path, until)}
        first, status = os.wait()  # the other one goes on
        (other,) = children - {first}
        for end in until:
            os.close(end)

        assert os.waitstatus_to_exitcode(status) == 2
        assert os.waitstatus_to_exitcode(os.waitpid(other, 0)[1]) == 0


def test_the_other_process_is_named_and_a_dead_one_stands_in_nobodys_way(tmp_path):
    until = os.pipe()
    child = take_in_child(tmp_path, until)
    while not (tmp_path / LOCK_NAME).exists() or not (tmp_path / LOCK_NAME).stat().st_size:
        time.sleep(0.01)
    lock = RunLock(tmp_path)

    with pytest.raises(ConfigError, match=f"process {child} on .* has been training here since"):
        lock.take()

    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    lock.take()
    lock.release()
    for end in until:
        os.close(end)


def test_damaged_decoded_frames_are_made_again(clips, tmp_path):
    entries = list_videos(clips).entries
    kept = {"size": 8, "memory_bytes": 0, "folder": tmp_path / "frames"}
    fresh = np.array(decode_all(entries, **kept).array)
    (path,) = (tmp_path / "frames").glob("*.npy")
    data = path.read_bytes()

    # One of them has a header that ends within its brackets, which numpy's reader cannot take.
    others = [data[:-10], data[:-1] + bytes([data[-1] ^ 1]), b"", data.replace(b"), }", b"(, }")]
    for damaged in others:
        path.write_bytes(damaged)
        np.testing.assert_array_equal(decode_all(entries, **kept).array, fresh)
    for notes in ("", "[]", '{"version": 0}'):
        path.with_suffix(".json").write_text(notes)
        np.testing.assert_array_equal(decode_all(entries, **kept).array, fresh)


# Files that are written whole


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path):
    child = os.fork()
    if not child:
        with atomic_path(tmp_path / "a.npz") as part:
            part.write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert len(list(tmp_path.iterdir())) == 1
    with atomic_path(tmp_path / "a.npz") as own:
        own.write_bytes(b"whole")
        with atomic_path(tmp_path / "a.npz") as other:  # what is alive is left alone
            other.write_bytes(b"x")

    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]
    assert (tmp_path / "a.npz").read_bytes() == b"whole"


def test_a_file_that_is_replaced_keeps_its_mode(tmp_path):
    path = tmp_path / "a.npz"
    path.write_bytes(b"old")
    path.chmod(0o640)

    with atomic_path(path) as part:
        part.write_bytes(b"new")

    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("name", ["x" * 251 + ".npz", "ü" * 125 + ".mp4", "." + "y" * 254])
def test_names_may_be_as_long_as_the_file_system_allows(name, tmp_path):
    with atomic_path(tmp_path / name) as part:
        part.write_bytes(b"x")

    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_full_disk_at_the_first_save_speaks_of_no_state_before(tmp_path, monkeypatch):
    from mocotool.training.run_folder import RunFolder

    def fail(_state, _part):
        raise RuntimeError("file write failed")

    monkeypatch.setattr(torch, "save", fail)

    with pytest.raises(ConfigError) as caught:
        RunFolder(tmp_path).save_state({"step": 0})

    assert "the state before" not in caught.value.hint
