import shutil
import string
from pathlib import Path

import numpy as np
import pytest
from reference.video_files import encode_clip, numbered_frames

from mocotool.errors import FileFormatError
from mocotool.video.listing import hold_out_clips, list_videos
from mocotool.video.pictures import write_png

GOLDEN = Path(__file__).parent.parent / "golden" / "people-1.mp4"


def write_images(folder, names, size=(4, 4)):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        write_png(folder / name, np.zeros((*size, 3), np.uint8))


@pytest.fixture
def videos(tmp_path):
    folder = tmp_path / "videos"
    (folder / "b" / "deep").mkdir(parents=True)
    shutil.copy(GOLDEN, folder / "b" / "deep" / "long.MP4")
    encode_clip(folder / "a10.mkv", "ffv1", frames=numbered_frames(10, 16, 16), pix_fmt="bgr0")
    encode_clip(folder / "a9.mkv", "ffv1", frames=numbered_frames(4, 16, 16), pix_fmt="bgr0")
    write_images(folder / "frames", [f"img_{index}.png" for index in range(8, 13)])
    (folder / "frames" / ".DS_Store").write_bytes(b"x")
    (folder / "notes.txt").write_text("x")
    (folder / ".hidden").mkdir()
    shutil.copy(GOLDEN, folder / ".hidden" / "hidden.mp4")
    return folder


def test_a_folder_is_searched_to_any_depth_in_natural_order(videos):
    listing = list_videos(videos)

    names = [str(entry.path.relative_to(videos)) for entry in listing.entries]
    assert names == ["a9.mkv", "a10.mkv", "b/deep/long.MP4", "frames"]
    assert [entry.num_frames for entry in listing.entries] == [4, 10, 72, 5]
    assert listing.entries[3].names[0] == "img_8.png"
    assert listing.num_frames == 91


def test_short_videos_are_counted_and_skipped(videos):
    warnings = []

    listing = list_videos(videos, min_frames=6, warn=warnings.append)

    assert (len(listing.entries), listing.num_short) == (2, 2)
    assert warnings == [f"{videos}: 2 videos shorter than 6 frames skipped"]


def test_each_unreadable_video_is_named_once_and_all_are_counted(videos):
    (videos / "broken.mp4").write_bytes(b"not a video")
    (videos / "empty.webm").write_bytes(b"")
    warnings = []

    listing = list_videos(videos, warn=warnings.append)

    assert len(listing.entries) == 4
    assert len(warnings) - 1 == len(listing.unreadable) == 2
    assert warnings[2] == f"{videos}: 2 unreadable videos skipped"
    assert "broken.mp4: cannot be read as a video" in warnings[0]
    assert "empty.webm: the file is empty; skipped" in warnings[1]


def test_single_images_are_videos_of_one_frame(tmp_path):
    write_images(tmp_path, ["cat.png", "dog.png", "run_1.png", "run_2.png"])

    listing = list_videos(tmp_path)

    assert sorted((e.kind, e.num_frames) for e in listing.entries) == [
        *[("frames", 2), ("image", 1), ("image", 1)]
    ]


def test_progress_is_told_of_every_video(videos):
    steps = []

    list_videos(videos, advance=steps.append)

    assert sum(steps) == 4


def test_no_usable_video_is_explained(videos, tmp_path):
    (videos / "broken.mp4").write_bytes(b"not a video")

    with pytest.raises(FileFormatError) as caught:
        list_videos(videos, min_frames=100)

    assert str(caught.value).startswith(
        f"{videos}: no usable video (4 shorter than 100 frames; 1 unreadable (the first: broken.mp4"
    )
    assert "other files: 1 .txt" in str(caught.value)


def test_an_empty_or_missing_folder_is_explained(tmp_path):
    with pytest.raises(FileFormatError, match="it is empty"):
        list_videos(tmp_path)
    with pytest.raises(FileFormatError, match="no such folder"):
        list_videos(tmp_path / "nowhere")


def test_a_single_file_will_do():
    assert [entry.num_frames for entry in list_videos(GOLDEN).entries] == [72]


def test_a_share_of_the_videos_is_put_aside_evenly(tmp_path):
    for index in range(10):
        encode_clip(
            tmp_path / f"{index}.mkv", "ffv1", frames=numbered_frames(4, 16, 16), pix_fmt="bgr0"
        )
    listing = list_videos(tmp_path)

    kept, aside = listing.hold_out(0.2, min_frames=8)

    assert [entry.path.stem for entry in aside.entries] == ["2", "7"]
    assert [entry.path.stem for entry in kept.entries] == list("01345689")
    assert listing.hold_out(0.2, min_frames=9) == (listing, None)
    assert listing.hold_out(0.0) == (listing, None)


@pytest.mark.parametrize(
    ("number", "share", "aside"), [(12, 0.1, 2), (30, 0.1, 3), (9, 0.1, 0), (9, 0.3, 2), (12, 0, 0)]
)
def test_motion_is_compared_with_two_held_out_clips_or_with_none(tmp_path, number, share, aside):
    write_images(tmp_path, [f"{letter}.png" for letter in string.ascii_letters[:number]])
    listing, notes = list_videos(tmp_path), []

    kept, held_out = hold_out_clips(listing, share, note=notes.append)

    assert len(listing.entries) == number
    assert len(kept.entries) == number - aside
    assert (0 if held_out is None else len(held_out.entries)) == aside
    assert len(notes) == (share > 0 and not aside)
