"""Frames that are decoded while batches are read already: the same ones, and sooner."""

import threading

import numpy as np
import pytest
import torch
from reference.video_files import encode_clip, numbered_frames

from mocotool.video import decoded
from mocotool.video.decoded import decode_all, decode_beside
from mocotool.video.listing import list_videos
from mocotool.video.loading import load_clips, load_images

NUM_VIDEOS = 8
BATCH = 2


@pytest.fixture(scope="module")
def listing(tmp_path_factory):
    """Eight videos, of which one ends in the middle of a frame."""
    folder = tmp_path_factory.mktemp("videos")
    for index in range(NUM_VIDEOS):
        frames = numbered_frames(8 + index, 16, 16)
        frames[..., 1] = index * 20
        encode_clip(folder / f"{index}.mkv", "ffv1", frames=frames, pix_fmt="bgr0", g="1")
    found = list_videos(folder)
    path = folder / "5.mkv"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    return found


@pytest.fixture(autouse=True)
def however_few(monkeypatch):
    """Few frames are decoded beside as many are."""
    monkeypatch.setattr(decoded, "MIN_SHARED_BYTES", 0)


@pytest.fixture
def gate(monkeypatch):
    """Each video is decoded once the test lets it."""
    gates = {}
    iter_squares = decoded.iter_squares

    def wait(entry, size):
        gates.setdefault(entry.path.stem, threading.Event()).wait(20)
        return iter_squares(entry, size)

    monkeypatch.setattr(decoded, "iter_squares", wait)
    for index in range(NUM_VIDEOS):
        gates[str(index)] = threading.Event()
    return gates


def load(listing, **options):
    return load_clips(listing, num_frames=4, size=16, batch_size=BATCH, **options)


def take(loader, num_batches):
    return torch.stack([next(loader) for _ in range(num_batches)])


def test_batches_are_those_of_what_is_decoded_first(listing):
    for _ in range(3):  # threads are not as fast each time
        troubles = [], []
        first, beside = (
            load(listing, beside=is_beside, warn=told.append)
            for is_beside, told in zip((False, True), troubles, strict=True)
        )

        torch.testing.assert_close(take(beside, 12), take(first, 12), rtol=0, atol=0)

        assert troubles[0] == troubles[1] != []  # the damaged video is replaced alike
        beside.close()


def test_frames_of_images_are_the_same_too(listing):
    first, beside = (
        load_images(listing, resolution=8, batch_size=5, beside=is_beside)
        for is_beside in (False, True)
    )

    torch.testing.assert_close(take(beside, 9), take(first, 9), rtol=0, atol=0)


def test_a_batch_waits_for_its_own_videos_alone(listing, gate):
    loader = load(listing, beside=True)
    wanted = {str(loader.dataset.item(position)) for position in range(BATCH)}
    for name in (*wanted, *(str(index) for index in range(NUM_VIDEOS // 2))):
        gate[name].set()  # the first are taken before anything is wanted

    next(loader)

    assert loader.is_decoding
    for event in gate.values():
        event.set()
    take(loader, 8)
    assert not loader.is_decoding
    loader.close()


def test_what_is_wanted_is_decoded_next():
    decoding = decoded.Decoding(6)
    taken = [decoding.take()]

    decoding.want([4, 0, 3])
    taken += [decoding.take() for _ in range(6)]

    assert taken == [0, 4, 3, 1, 2, 5, None]


def test_a_run_that_ends_before_leaves_nothing_half_decoded(listing, gate, tmp_path):
    frames = decode_beside(listing.entries, size=16, memory_bytes=0, folder=tmp_path)
    assert frames.is_decoding

    closing = threading.Thread(target=frames.close)
    closing.start()
    for event in gate.values():
        event.set()
    closing.join(20)

    assert not closing.is_alive()
    assert [path for path in tmp_path.iterdir() if path.is_file()] == []


def test_the_next_run_finds_what_was_decoded(listing, tmp_path, monkeypatch):
    kept = {"size": 16, "memory_bytes": 0, "folder": tmp_path}
    frames = decode_beside(listing.entries, **kept)
    frames.work.result(20)

    monkeypatch.setattr(decoded, "iter_squares", None)  # whoever decodes again fails
    again = decode_all(listing.entries, **kept)

    np.testing.assert_array_equal(again.array, frames.array)
    assert decode_beside(listing.entries, **kept).is_decoding is False


def test_what_goes_wrong_in_a_thread_is_told_to_whoever_reads(listing, monkeypatch):
    def fail(*_):
        raise MemoryError("no room for a frame")

    monkeypatch.setattr(decoded, "iter_squares", fail)
    loader = load(listing, beside=True)

    with pytest.raises(MemoryError, match="no room for a frame"):
        next(loader)
    loader.close()
