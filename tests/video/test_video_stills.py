import numpy as np
import pytest
from reference.archive_files import make_tar, make_zip

from mocotool.errors import ConfigError, FileFormatError
from mocotool.video import cutting
from mocotool.video.comparison import draw_comparison
from mocotool.video.pictures import encode_png, write_png
from mocotool.video.stills import find_stills
from mocotool.video.writing import write_video


def picture(height=20, width=30, value=None):
    rng = np.random.default_rng(0)
    if value is not None:
        return np.full((height, width, 3), value, np.uint8)
    return rng.integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture
def image_path(tmp_path):
    write_png(tmp_path / "photo.png", picture())
    return tmp_path / "photo.png"


@pytest.fixture
def video_path(tmp_path):
    frames = np.stack([picture(16, 16, value) for value in (0, 60, 120, 180, 240)])
    write_video(tmp_path / "clip.mkv", iter([frames]), fps=10.0)
    return tmp_path / "clip.mkv"


def test_an_image_is_cut_to_its_centre_and_resized(image_path):
    stills = find_stills([image_path])

    found = stills.read(20)

    np.testing.assert_array_equal(found[0], picture()[:, 5:25].transpose(2, 0, 1))
    assert stills.read(8).shape == (1, 3, 8, 8)
    assert not stills.is_video


def test_what_is_cut_and_resized_is_said(image_path):
    stills = find_stills([image_path, image_path])

    assert stills.describe_cuts(8) == [f"{image_path} and 1 more: 30x20 -> the centre 20x20 -> 8x8"]
    assert stills.describe_cuts(20) == [f"{image_path} and 1 more: 30x20 -> the centre 20x20"]


def test_a_square_of_the_right_size_needs_no_word(tmp_path):
    write_png(tmp_path / "a.png", picture(16, 16))

    assert find_stills([tmp_path / "a.png"]).describe_cuts(16) == []


def test_a_folder_is_its_images_in_numerical_order(tmp_path):
    for number in (10, 2):
        write_png(tmp_path / f"{number}.png", picture(16, 16, number))

    stills = find_stills([tmp_path])

    assert stills.read(16)[:, 0, 0, 0].tolist() == [2, 10]
    assert not stills.is_video


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_an_archive_is_its_images_wherever_they_lie(tmp_path, make):
    files = {f"00000/{n}.png": encode_png(picture(16, 16, n)) for n in (10, 2)}
    archive = make(tmp_path / "set", files | {"dataset.json": b"{}"})

    stills = find_stills([archive])

    assert stills.read(16)[:, 0, 0, 0].tolist() == [2, 10]
    assert stills.names == (f"{archive}/00000/2.png", f"{archive}/00000/10.png")
    assert not stills.is_video


def test_a_video_alone_in_an_archive_is_its_frames(tmp_path, video_path):
    stills = find_stills([make_zip(tmp_path / "a.zip", {"clip.mkv": video_path.read_bytes()})])

    assert (
        stills.read(16)[:, 0, 0, 0].tolist()
        == find_stills([video_path]).read(16)[:, 0, 0, 0].tolist()
    )
    assert stills.is_video
    with pytest.raises(FileFormatError, match="no images and no video in this archive"):
        find_stills([make_zip(tmp_path / "b.zip", {"notes.txt": b"x"})])


def test_a_video_is_all_its_frames(video_path):
    stills = find_stills([video_path])

    assert stills.is_video
    assert stills.fps == 10.0
    assert stills.names[:2] == (f"{video_path}#0", f"{video_path}#1")
    assert np.diff(stills.read(16)[:, 0, 8, 8].astype(int)).min() > 40


def test_chosen_frames_of_a_video(video_path):
    every_second = find_stills([video_path], frame_idxs=[4, 0, 2])
    uneven = find_stills([video_path], frame_idxs=[0, 1, 4])

    assert every_second.frame_idxs == (0, 2, 4)
    assert every_second.fps == 5.0
    assert uneven.fps is None
    assert len(every_second.read(16)) == 3


def test_images_can_be_the_frames_of_a_video(image_path):
    assert find_stills([image_path, image_path], as_video=True).is_video


def test_the_content_decides_what_is_an_image(image_path):
    other = image_path.rename(image_path.with_name("photo.data"))

    assert find_stills([other]).read(8).shape == (1, 3, 8, 8)


def test_what_is_neither_image_nor_video_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")

    with pytest.raises(FileFormatError, match=r"notes\.txt: neither an image nor a video"):
        find_stills([tmp_path / "notes.txt"])


def test_a_text_that_is_called_an_image_is_refused(tmp_path):
    (tmp_path / "photo.png").write_text("no picture")

    with pytest.raises(FileFormatError, match=r"photo\.png: not an image"):
        find_stills([tmp_path / "photo.png"])


def test_a_one_pixel_image_is_refused(tmp_path):
    write_png(tmp_path / "dot.png", picture(1, 1))

    with pytest.raises(FileFormatError, match=r"dot\.png: 1x1 pixels, expected at least 8x8"):
        find_stills([tmp_path / "dot.png"])


def test_a_video_where_an_image_is_meant_is_refused(image_path, video_path):
    with pytest.raises(ConfigError, match=r"clip\.mkv: a video of 5 frames, expected an image"):
        find_stills([image_path, video_path])


def test_frames_of_an_image_are_refused(image_path):
    with pytest.raises(ConfigError, match="an image has no frames"):
        find_stills([image_path], frame_idxs=[0])


def test_a_frame_beyond_the_end_is_refused(video_path):
    with pytest.raises(ConfigError, match="there is no frame 5, it has 5") as caught:
        find_stills([video_path], frame_idxs=[5])

    assert caught.value.hint == "--frames 0-4"


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(FileFormatError, match="no images in this folder"):
        find_stills([tmp_path])


# The sheet


def test_the_sheet_has_target_reconstruction_and_difference():
    wanted, found = picture(4, 4, 100)[None], picture(4, 4, 110)[None]

    sheet = draw_comparison(wanted, found)

    assert sheet.shape == (4, 12, 3)
    assert [sheet[0, x, 0] for x in (0, 4, 8)] == [100, 110, 40]


def test_a_large_difference_is_white_and_does_not_wrap():
    sheet = draw_comparison(picture(4, 4, 0)[None], picture(4, 4, 255)[None])

    assert sheet[0, 8, 0] == 255


def test_a_sheet_of_many_shows_64():
    pictures = np.zeros((100, 4, 4, 3), np.uint8)

    assert draw_comparison(pictures, pictures).shape == (8 * 4, 8 * 3 * 4, 3)


@pytest.mark.parametrize("align", ["center", "none", "face"])
def test_large_frames_are_made_squares_one_by_one(align, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (5, 24, 40, 3), np.uint8)
    write_video(tmp_path / "clip.mkv", [frames], fps=5.0, codec="ffv1")
    stills, looked = find_stills([tmp_path / "clip.mkv"]), []

    def find(frame):
        looked.append(frame)
        return np.linspace(0.0, 20.0, 136).reshape(68, 2)

    together = stills.read(8, align=align, landmarks=find)
    monkeypatch.setattr(cutting, "CHUNK_BYTES", 2 * frames[0].nbytes + 1)
    parted = stills.read(8, align=align, landmarks=find)

    sizes = [len(chunk) for chunk in cutting.iter_chunks(stills.entries[0])]
    assert sizes == [2, 2, 1]
    np.testing.assert_array_equal(together, parted)
    assert together.shape == (5, 3, 8, 8)
    assert [(frame == frames[0]).all() for frame in looked] == [True] * 2 * (align == "face")
