import io

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest

from mocotool.errors import FileFormatError, MismatchError
from mocotool.video.pictures import (
    choose_sheet_frames,
    encode_png,
    read_image,
    tile_frames,
    tile_videos,
    write_png,
)


@pytest.fixture
def picture():
    ramp = np.arange(24 * 40, dtype=np.uint32).reshape(24, 40)
    return np.stack([ramp % 256, ramp // 4 % 256, 255 - ramp % 200], -1).astype(np.uint8)


def save(path, array, **options):
    PIL.Image.fromarray(array).save(path, **options)
    return path


def test_png_comes_back_as_written(tmp_path, picture):
    write_png(tmp_path / "a.png", picture)

    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), picture)
    np.testing.assert_array_equal(np.asarray(PIL.Image.open(tmp_path / "a.png")), picture)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (1, 7)])
def test_tiny_pngs_come_back(size, tmp_path):
    picture = np.arange(size[0] * size[1] * 3, dtype=np.uint8).reshape(*size, 3)
    write_png(tmp_path / "a.png", picture)

    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), picture)


def test_png_goes_into_a_stream(picture):
    stream = io.BytesIO()
    write_png(stream, picture)

    assert stream.getvalue() == encode_png(picture)


@pytest.mark.parametrize("ending", ["png", "webp", "bmp", "tiff"])
def test_lossless_images_read_exactly(tmp_path, picture, ending):
    path = save(
        tmp_path / f"a.{ending}", picture, **({"lossless": True} if ending == "webp" else {})
    )

    np.testing.assert_array_equal(read_image(path), picture)


def test_jpeg_agrees_with_pillow(tmp_path):
    smooth = np.linspace(0, 255, 64).astype(np.uint8)
    picture = np.stack(
        [np.tile(smooth, (64, 1)), np.tile(smooth[:, None], 64), np.full((64, 64), 90)]
    )
    path = save(tmp_path / "a.jpg", picture.astype(np.uint8).transpose(1, 2, 0), quality=95)

    difference = read_image(path).astype(int) - np.asarray(PIL.Image.open(path).convert("RGB"))

    assert np.abs(difference).max() <= 4
    assert abs(difference.mean()) < 0.5


@pytest.mark.parametrize("mode", ["L", "P", "1", "LA", "RGBA", "I;16"])
def test_every_mode_becomes_rgb(tmp_path, mode):
    grey = np.tile(np.arange(0, 256, 8, dtype=np.uint8), (32, 1))
    image = PIL.Image.fromarray(grey)
    if mode == "I;16":
        image = PIL.Image.fromarray(grey.astype(np.uint16) * 257)
    else:
        image = image.convert(mode)
    image.save(tmp_path / "a.png")

    got = read_image(tmp_path / "a.png")

    expected = grey if mode == "I;16" else np.asarray(image.convert("L"))
    assert np.abs(got[..., 1].astype(int) - expected).max() <= 1


def test_transparency_shows_white(tmp_path, picture):
    alpha = np.full((*picture.shape[:2], 1), 0, np.uint8)
    path = save(tmp_path / "a.png", np.concatenate([picture, alpha], -1))

    assert (read_image(path) == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png", "webp"])
def test_exif_orientation_is_honoured(tmp_path, ending, orientation):
    blocks = np.zeros((32, 48, 3), np.uint8)
    blocks[:16, :24], blocks[:16, 24:], blocks[16:, :24] = 250, 160, 80
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / f"a.{ending}", blocks, quality=100, exif=exif)
    upright = PIL.ImageOps.exif_transpose(PIL.Image.open(path))

    got = read_image(path)

    assert got.shape == np.asarray(upright).shape
    assert np.abs(got.astype(int) - np.asarray(upright)).max() <= 8


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x00\x00\x00\x1cftypisom" + bytes(40), "not an image"),
        (b"\x89PNG\r\n\x1a\n" + bytes(10), "damaged or truncated"),
        (b"", "the file is empty"),
    ],
)
def test_wrong_files_are_described(tmp_path, content, words):
    path = tmp_path / "a.png"
    path.write_bytes(content)

    with pytest.raises(FileFormatError, match=words):
        read_image(path)


def test_tiles_stand_row_by_row():
    tiles = [np.full((2, 3, 3), value, np.uint8) for value in (10, 20, 30)]

    sheet = tile_frames(tiles)

    assert sheet.shape == (4, 6, 3)
    assert sheet[::2, ::3, 0].tolist() == [[10, 20], [30, 255]]


def test_tiles_of_different_shapes_are_refused():
    with pytest.raises(MismatchError, match="different shapes"):
        tile_frames([np.zeros((2, 2, 3), np.uint8), np.zeros((2, 3, 3), np.uint8)])


def test_videos_play_side_by_side_in_step():
    videos = [iter([np.full((t, 2, 2, 3), v, np.uint8) for t in (3, 1)]) for v in range(5)]

    chunks = list(tile_videos(videos))

    assert [chunk.shape for chunk in chunks] == [(3, 4, 6, 3), (1, 4, 6, 3)]


def test_a_contact_sheet_shows_first_and_last_frame():
    num_rows, frame_idxs = choose_sheet_frames(2, 40, max_columns=4)

    assert (num_rows, frame_idxs.tolist()) == (2, [0, 13, 26, 39])


def test_a_contact_sheet_of_many_videos_shows_the_first_ones():
    assert choose_sheet_frames(100, 1, max_rows=3)[0] == 3
