"""Folders as they are found: odd clips are read, others named once, and links followed once."""

import os
import resource
import struct
import time
from fractions import Fraction

import av
import numpy as np
import pytest
from reference.ugly_clips import READABLE, UNREADABLE, make_ugly_clips, write_clip

from mocotool import boundary
from mocotool.errors import ConfigError, FileFormatError
from mocotool.video.limits import VARIABLE
from mocotool.video.listing import list_videos
from mocotool.video.loading import load_clips
from mocotool.video.opening import open_video
from mocotool.video.pictures import encode_png, read_image
from mocotool.video.reading import iter_frames, read_frames
from mocotool.video.stills import find_stills


@pytest.fixture(scope="module")
def ugly(tmp_path_factory):
    return make_ugly_clips(tmp_path_factory.mktemp("ugly"))


def test_odd_clips_are_read_and_the_others_named_once(ugly):
    warnings = []

    listing = list_videos(ugly, warn=warnings.append)

    lengths = {entry.path.name: entry.num_frames for entry in listing.entries}
    assert lengths == READABLE | {"torn-tail.mkv": lengths["torn-tail.mkv"]}
    assert 10 <= lengths["torn-tail.mkv"] < 30
    assert sorted(path.name for path, _ in listing.unreadable) == sorted(UNREADABLE)
    assert len(warnings) == len(UNREADABLE) + 1
    assert warnings[-1] == f"{ugly}: {len(UNREADABLE)} unreadable videos skipped"
    assert sum("codec is unknown" in warning for warning in warnings) == 2


def test_every_frame_of_them_can_be_read(ugly):
    for entry in list_videos(ugly).entries:
        frames = read_frames(entry, range(entry.num_frames))
        means = frames[..., 1].mean(axis=(1, 2))
        assert (np.diff(means) != 0).all(), entry.path  # the maker's frames differ in brightness


def test_a_training_goes_on_among_them(ugly):
    listing = list_videos(ugly, min_frames=4)

    with load_clips(listing, num_frames=4, frame_stride=1, size=16, batch_size=8) as batches:
        batch = next(batches)

    assert batch.shape == (8, 4, 3, 16, 16)


def test_a_folder_that_links_to_itself_is_searched_once(tmp_path):
    folder = tmp_path / "videos"
    (folder / "deep" / "deeper").mkdir(parents=True)
    write_clip(folder / "deep" / "clip.mkv", codec="ffv1", pix_fmt="bgr0")
    for index in range(6):
        (folder / f"again{index}").symlink_to(folder)
        (folder / "deep" / f"up{index}").symlink_to("..")
        (folder / "deep" / "deeper" / f"clip{index}.mkv").symlink_to("../clip.mkv")

    listing = list_videos(folder)

    assert [entry.path.name for entry in listing.entries] == ["clip.mkv"]


def test_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    write_clip(tmp_path / "clip.mkv", codec="ffv1", pix_fmt="bgr0")
    (tmp_path / "secret").mkdir()
    scandir = os.scandir  # the tests may run as root, whom no permission stops

    def refuse(path):
        if str(path).endswith("secret"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    warnings = []

    listing = list_videos(tmp_path, warn=warnings.append)

    assert len(listing.entries) == len(warnings) == 1
    assert warnings[0] == f"{tmp_path}/secret: cannot be read: Permission denied; skipped"


def write_bomb(path, width=16_000, height=16_000, num_frames=1):
    """Write a GIF of one pixel on an enormous canvas: 58 bytes, and 24 a further frame."""
    delay = b"!\xf9\x04\x00\x0a\x00\x00\x00"
    frame = delay + b"\x2c" + struct.pack("<HHHH", 0, 0, 1, 1) + b"\x00\x02\x02\x44\x01\x00"
    canvas = struct.pack("<HH", width, height) + b"\x80\x00\x00\x00\x00\x00\xff\xff\xff"
    path.write_bytes(b"GIF89a" + canvas + frame * num_frames + b";")


def test_a_tiny_file_of_enormous_pictures_is_refused_at_once(tmp_path):
    write_bomb(tmp_path / "bomb.gif")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()

    with pytest.raises(
        FileFormatError, match=r"bomb\.gif: pictures of 16000x16000 pixels"
    ) as found:
        open_video(tmp_path / "bomb.gif")

    assert time.process_time() - start < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
    assert found.value.hint == f"if this is intended, set {VARIABLE}=256"


def test_whatever_takes_videos_names_the_limit_and_what_raises_it(tmp_path):
    write_bomb(tmp_path / "bomb.gif")

    for take in (find_stills, list_videos):
        with pytest.raises(FileFormatError, match="16000x16000 pixels, .* 64 million") as found:
            take([tmp_path / "bomb.gif"] if take is find_stills else tmp_path)
        assert found.value.hint == f"if this is intended, set {VARIABLE}=256"


def test_an_image_of_enormous_size_is_refused(tmp_path):
    data = bytearray(encode_png(np.zeros((4, 4, 3), np.uint8)))
    data[16:24] = struct.pack(">II", 16_000, 16_000)
    (tmp_path / "bomb.png").write_bytes(data)

    with pytest.raises(FileFormatError, match=r"bomb\.png: "):
        read_image(tmp_path / "bomb.png")


@pytest.mark.parametrize(
    ("codec", "pix_fmt"),
    [
        ("png", "rgb24"),
        ("bmp", "bgr24"),
        ("mjpeg", "yuvj420p"),
        ("tiff", "rgb24"),
        ("libwebp", "yuv420p"),
        ("libwebp", "bgra"),
    ],
)
def test_an_image_above_the_limit_is_refused_with_its_size(codec, pix_fmt, tmp_path, monkeypatch):
    encoder = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height, encoder.pix_fmt = 300, 200, pix_fmt
    encoder.time_base = Fraction(1, 1)
    encoder.options = {"lossless": "1"} if pix_fmt == "bgra" else {}
    frame = av.VideoFrame.from_ndarray(np.zeros((200, 300, 3), np.uint8), format="rgb24")
    packets = [*encoder.encode(frame.reformat(format=pix_fmt)), *encoder.encode(None)]
    path = tmp_path / "large.png"
    path.write_bytes(b"".join(map(bytes, packets)))
    assert read_image(path).shape == (200, 300, 3)

    monkeypatch.setenv(VARIABLE, "0.05")
    with pytest.raises(FileFormatError, match=r"large\.png: pictures of 300x200 pixels"):
        read_image(path)


def test_the_limit_can_be_raised_and_lowered(tmp_path, monkeypatch):
    write_bomb(tmp_path / "wide.gif", width=300, height=200)
    monkeypatch.setenv(VARIABLE, "0.05")
    with pytest.raises(FileFormatError, match="300x200"):
        open_video(tmp_path / "wide.gif")

    monkeypatch.setenv(VARIABLE, "0.07")
    entry = open_video(tmp_path / "wide.gif")
    with pytest.raises(FileFormatError, match="20 frames of 300x200"):
        read_frames(entry, [0] * 20)
    monkeypatch.setenv(VARIABLE, "many")
    with pytest.raises(ConfigError, match=VARIABLE):
        open_video(tmp_path / "wide.gif")


def test_a_small_file_that_keeps_the_decoder_busy_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(boundary, "SPARE_SECONDS", 0.01)
    monkeypatch.setattr(boundary, "SECONDS_PER_BYTE", 0)
    write_bomb(tmp_path / "slow.gif", width=2000, height=1000, num_frames=60)
    entry = open_video(tmp_path / "slow.gif")

    with pytest.raises(FileFormatError, match=r"slow\.gif: reading it takes far more time"):
        for _ in iter_frames(entry):
            pass


def test_time_spent_by_those_who_take_the_frames_does_not_count(tmp_path, monkeypatch):
    monkeypatch.setattr(boundary, "SPARE_SECONDS", 0.05)
    write_clip(tmp_path / "clip.mkv", codec="ffv1", pix_fmt="bgr0", num_frames=4)

    num_frames = 0
    for _ in iter_frames(open_video(tmp_path / "clip.mkv")):
        num_frames += 1
        start = time.thread_time()
        while time.thread_time() < start + 0.06:
            pass

    assert num_frames == 4
