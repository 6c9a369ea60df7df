import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from reference.video_files import (
    NUM_FRAMES,
    decode_from_start,
    decode_some,
    encode_clip,
    numbered_frames,
    set_display_matrix,
)

from mocotool.errors import FileFormatError, MismatchError
from mocotool.video.opening import natural_key, open_video
from mocotool.video.pictures import write_png
from mocotool.video.reading import read_frames

GOLDEN = Path(__file__).parent.parent / "golden" / "people-1.mp4"
CLIPS = Path(__file__).parents[2].parent / "shared" / "data" / "clips"

KINDS = {
    "h264_reordered.mp4": ("libx264", {"bf": "3", "g": "9"}),
    "h264_open_gop.mp4": ("libx264", {"x264-params": "open-gop=1:keyint=9:bframes=3"}),
    "h264_short_gop.mp4": ("libx264", {"bf": "2", "g": "2", "sc_threshold": "0"}),
    "h264_one_gop.mov": ("libx264", {"bf": "3", "g": "99"}),
    "h264.mkv": ("libx264", {"bf": "3", "g": "9"}),
    "h264.avi": ("libx264", {"bf": "3", "g": "9"}),
    "h264.ts": ("libx264", {"bf": "3", "g": "9"}),
    "h264.flv": ("libx264", {"bf": "3", "g": "9"}),
    "raw.h264": ("libx264", {"bf": "3", "g": "9"}),
    "mpeg4.avi": ("mpeg4", {"bf": "0", "g": "9"}),
    "mpeg4_reordered.avi": ("mpeg4", {"bf": "2", "g": "9"}),
    "mpeg4.mp4": ("mpeg4", {"bf": "2", "g": "9"}),
    "mpeg2.mpg": ("mpeg2video", {"bf": "2", "g": "9"}),
    "wmv2.wmv": ("wmv2", {"g": "9"}),
    "vp8.webm": ("libvpx", {"auto-alt-ref": "1", "lag-in-frames": "16", "g": "9"}),
    "vp9.webm": ("libvpx-vp9", {"auto-alt-ref": "1", "lag-in-frames": "16", "g": "9"}),
    "ffv1.mkv": ("ffv1", {"g": "9"}),
    "mjpeg.avi": ("mjpeg", {"pix_fmt": "yuvj420p"}),
    "colours.gif": ("gif", {"pix_fmt": "rgb8"}),
    "colours.apng": ("apng", {"pix_fmt": "rgb24"}),
    "ten_bit.mp4": ("libx264", {"pix_fmt": "yuv420p10le", "g": "9"}),
    "full_chroma.mp4": ("libx264", {"pix_fmt": "yuv444p", "g": "9"}),
    "grey.mkv": ("ffv1", {"pix_fmt": "gray", "g": "9"}),
    "grey_ten_bit.mkv": ("ffv1", {"pix_fmt": "gray10le", "g": "9"}),
}


@pytest.mark.parametrize("name", KINDS)
def test_any_frame_is_the_one_sequential_decoding_gives(tmp_path, name):
    codec, options = KINDS[name]
    path = encode_clip(tmp_path / name, codec, **options)
    expected = decode_from_start(path)
    wanted = np.random.default_rng(0).integers(0, NUM_FRAMES, (6, 5))

    entry = open_video(path)

    assert entry.num_frames == len(expected) == NUM_FRAMES
    assert (entry.width, entry.height) == (64, 48)
    assert entry.fps == pytest.approx(24, rel=0.05)  # a raw stream does not say, and counts as 25
    for indices in wanted:
        np.testing.assert_array_equal(read_frames(entry, indices), expected[indices])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["carphone_pristine.mp4", "bikes.mp4", "box.mp4", "cup.mp4"])
def test_real_clips_read_exactly(name):
    if not CLIPS.is_dir():
        pytest.skip(f"no {CLIPS}")
    path = CLIPS / name
    entry = open_video(path)
    indices = [entry.num_frames - 1, 0, 17, entry.num_frames // 2]

    frames = read_frames(entry, indices)

    expected = {index: frame for index, frame in decode_some(path, indices)}
    for index, frame in zip(indices, frames, strict=True):
        np.testing.assert_array_equal(frame, expected[index], err_msg=f"frame {index}")


def test_frames_reordered_without_saying_so_are_found(tmp_path):
    # As in OpenCV's sample box.mp4: B-frames, but every packet is stamped in decoding order.
    path = encode_clip(tmp_path / "hidden.mp4", "libx264", hide_order=True, bf="3", g="9")
    expected = decode_from_start(path)

    entry = open_video(path)

    assert entry.num_frames == NUM_FRAMES
    np.testing.assert_array_equal(read_frames(entry, [25, 2, 11]), expected[[25, 2, 11]])


def test_golden_people_clip_reads_exactly():
    expected = decode_from_start(GOLDEN)
    entry = open_video(GOLDEN)

    np.testing.assert_array_equal(read_frames(entry, range(71, -1, -7)), expected[71::-7])
    assert (entry.num_frames, entry.fps, entry.width, entry.height) == (72, 24.0, 128, 128)


def test_variable_frame_rate_counts_frames_not_time(tmp_path):
    times = [index * index * 3 + index for index in range(NUM_FRAMES)]
    path = encode_clip(tmp_path / "vfr.mkv", "libx264", times_ms=times, bf="2", g="9")
    expected = decode_from_start(path)
    entry = open_video(path)

    np.testing.assert_array_equal(read_frames(entry, [20, 3, 29]), expected[[20, 3, 29]])
    assert entry.fps == pytest.approx(29 / (times[-1] / 1000), rel=0.01)


def test_odd_sizes_lose_no_row(tmp_path):
    frames = numbered_frames(height=27, width=33)
    path = encode_clip(tmp_path / "odd.mkv", "ffv1", frames=frames, pix_fmt="bgr0")

    entry = open_video(path)

    assert (entry.width, entry.height) == (33, 27)
    np.testing.assert_array_equal(read_frames(entry, [5]), frames[[5]])


def test_grey_gives_three_equal_channels(tmp_path):
    path = encode_clip(tmp_path / "grey.mkv", "ffv1", pix_fmt="gray")

    frames = read_frames(open_video(path), [3])

    np.testing.assert_array_equal(frames[..., 0], frames[..., 2])


def test_transparent_parts_are_white(tmp_path):
    frames = np.zeros((3, 8, 8, 4), np.uint8)
    frames[:, :, :4] = (200, 100, 50, 255)
    frames[:, :, 4:6] = (0, 0, 0, 128)
    path = encode_clip(tmp_path / "alpha.apng", "apng", frames=frames, pix_fmt="rgba")

    left, middle, right = read_frames(open_video(path), [1])[0, 0, [0, 4, 7]].tolist()

    assert (left, middle, right) == ([200, 100, 50], [127, 127, 127], [255, 255, 255])


@pytest.mark.parametrize(
    ("matrix", "turn"),
    [
        ((0, 1, -1, 0), lambda f: np.rot90(f, -1, axes=(1, 2))),
        ((0, -1, 1, 0), lambda f: np.rot90(f, 1, axes=(1, 2))),
        ((-1, 0, 0, -1), lambda f: f[:, ::-1, ::-1]),
        ((-1, 0, 0, 1), lambda f: f[:, :, ::-1]),
        ((1, 0, 0, -1), lambda f: f[:, ::-1]),
        ((0, 1, 1, 0), lambda f: f.swapaxes(1, 2)),
    ],
    ids=["clockwise", "counterclockwise", "half turn", "mirrored", "upside down", "transposed"],
)
def test_turned_recordings_stand_upright(tmp_path, matrix, turn):
    path = encode_clip(tmp_path / "turned.mp4", "libx264")
    expected = turn(read_frames(open_video(path), [0, 7]))
    set_display_matrix(path, matrix)

    entry = open_video(path)

    np.testing.assert_array_equal(read_frames(entry, [0, 7]), expected)
    assert (entry.height, entry.width) == expected.shape[1:3]


def test_colours_follow_the_matrix_the_file_names(tmp_path):
    frames = np.full((2, 16, 16, 3), (200, 30, 60), np.uint8)
    path = encode_clip(tmp_path / "plain.mkv", "ffv1", frames=frames, pix_fmt="yuv444p")

    pixel = read_frames(open_video(path), [0])[0, 3, 3].astype(int)

    assert np.abs(pixel - (200, 30, 60)).max() <= 2


def test_numbered_frames_are_a_video_in_numerical_order(tmp_path):
    frames = numbered_frames(12)
    for index, frame in enumerate(frames):
        write_png(tmp_path / f"{index + 1}.png", frame)
    (tmp_path / ".DS_Store").write_bytes(b"x")

    entry = open_video(tmp_path)

    assert (entry.kind, entry.num_frames, entry.fps) == ("frames", 12, None)
    np.testing.assert_array_equal(read_frames(entry, [11, 9, 1, 1]), frames[[11, 9, 1, 1]])


def test_natural_order():
    names = ["img_10.png", "img_9.png", "img_0011.png", "a2b1.png", "a2b10.png", "a2b9.png"]

    assert sorted(names, key=natural_key) == [
        *("a2b1.png", "a2b9.png", "a2b10.png", "img_9.png", "img_10.png", "img_0011.png"),
    ]


def test_a_truncated_file_keeps_the_frames_before_the_cut(tmp_path):
    path = encode_clip(tmp_path / "cut.mkv", "libx264", bf="2", g="9")
    expected = decode_from_start(path)
    os.truncate(path, path.stat().st_size * 6 // 10)

    entry = open_video(path)

    assert 5 < entry.num_frames < NUM_FRAMES
    np.testing.assert_array_equal(read_frames(entry, [0, 5]), expected[[0, 5]])


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("empty.mp4", b"", "the file is empty"),
        ("text.mp4", b"hello " * 100, "cannot be read as a video"),
        ("no_moov.mp4", GOLDEN.read_bytes()[:40], "cannot be read as a video"),
        ("text.png", b"hello " * 100, "not an image"),
    ],
)
def test_wrong_files_are_described(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(FileFormatError, match=words) as caught:
        open_video(path)

    assert str(caught.value).startswith(str(path))


def test_a_missing_file_and_an_empty_folder_are_described(tmp_path):
    with pytest.raises(FileFormatError, match="no such file"):
        open_video(tmp_path / "nothing.mp4")
    with pytest.raises(FileFormatError, match="no images in this folder"):
        open_video(tmp_path)


def test_frames_beyond_the_end_are_refused():
    entry = open_video(GOLDEN)

    with pytest.raises(MismatchError, match="no frame 72, the video has 72"):
        read_frames(entry, [3, 72])
    with pytest.raises(MismatchError, match="no frame -1"):
        read_frames(entry, [-1])


def test_a_file_damaged_after_it_was_indexed_is_named(tmp_path):
    path = Path(shutil.copy(GOLDEN, tmp_path / "later.mp4"))
    entry = open_video(path)
    path.write_bytes(b"gone")

    with pytest.raises(FileFormatError, match="later.mp4"):
        read_frames(entry, [0])


def test_network_addresses_in_a_playlist_are_not_opened(tmp_path):
    path = tmp_path / "playlist.mp4"
    path.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n")

    with pytest.raises(FileFormatError, match="playlist.mp4"):
        open_video(path)
