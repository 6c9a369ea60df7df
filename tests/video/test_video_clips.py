import numpy as np
import PIL.Image
import pytest
from reference.video_files import decode_from_start, encode_clip, numbered_frames

from mocotool.errors import FileFormatError, MismatchError
from mocotool.video import decoded as decoded_frames
from mocotool.video.clips import ClipDataset, FrameDataset, epoch_order, read_or_replace
from mocotool.video.cutting import read_squares, square_frames
from mocotool.video.decoded import decode_all
from mocotool.video.listing import list_videos
from mocotool.video.opening import open_video
from mocotool.video.pictures import write_png


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    for index, num_frames in enumerate((8, 9, 12)):
        frames = numbered_frames(num_frames, 24, 40)
        frames[..., 1] = index * 50
        encode_clip(folder / f"{index}.mkv", "ffv1", frames=frames, pix_fmt="bgr0", g="4")
    return folder


@pytest.fixture(scope="module")
def listing(folder):
    return list_videos(folder, min_frames=8)


def make_clips(listing, **options):
    return ClipDataset(listing, num_frames=4, frame_stride=2, size=16, **options)


def test_every_admissible_start_comes_up_the_last_one_too(listing):
    # The reference never uses a video's last frames: its range of starts ends one too early.
    dataset = make_clips(listing)
    seen = {video_idx: set() for video_idx in range(3)}
    for position in range(300):
        video_idx, frames = dataset.locate(position)
        seen[video_idx].add(frames.start)

    assert seen == {0: {0}, 1: {0, 1}, 2: {0, 1, 2, 3, 4}}


def test_videos_shorter_than_a_clip_are_refused(listing):
    with pytest.raises(
        MismatchError, match="0.mkv: has 8 frames, a clip of 5 with stride 2 needs 10"
    ):
        ClipDataset(listing, num_frames=5, frame_stride=2)


def test_a_clip_is_every_other_frame_of_its_window(listing, folder):
    dataset = make_clips(listing)
    video_idx, frames = dataset.locate(5)

    clip = dataset.read(5)

    whole = decode_from_start(folder / f"{video_idx}.mkv")
    assert clip.shape == (4, 3, 16, 16)
    np.testing.assert_array_equal(clip, square_frames(whole[list(frames)], 16))
    assert (frames.step, len(frames)) == (2, 4)


def test_each_video_comes_once_an_epoch_in_another_order_each(listing):
    dataset = make_clips(listing)
    epochs = [[dataset.locate(3 * e + place)[0] for place in range(3)] for e in range(20)]

    assert all(sorted(epoch) == [0, 1, 2] for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_the_seed_decides(listing):
    places = [[make_clips(listing, seed=seed).locate(p) for p in range(30)] for seed in (0, 0, 1)]

    assert places[0] == places[1] != places[2]


def test_decoded_clips_equal_those_read_on_demand(listing, tmp_path):
    in_memory = decode_all(listing.entries, size=16)
    in_file = decode_all(listing.entries, size=16, memory_bytes=0, folder=tmp_path / "cache")
    found_again = decode_all(listing.entries, size=16, memory_bytes=0, folder=tmp_path / "cache")

    assert decode_all(listing.entries, size=16, memory_bytes=0) is None
    for position in range(6):
        expected = make_clips(listing).read(position)
        for decoded in (in_memory, in_file, found_again):
            clip = make_clips(listing, decoded=decoded).read(position)
            np.testing.assert_array_equal(clip, expected)
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_a_large_file_of_frames_is_checked_in_places(listing, tmp_path, monkeypatch):
    checked = []
    checksums = decoded_frames._checksums

    def count(path, pieces):
        checked.append(sorted(pieces))
        return checksums(path, pieces)

    monkeypatch.setattr(decoded_frames, "_checksums", count)
    monkeypatch.setattr(decoded_frames, "CHECKED_BYTES", 256)
    options = {"size": 16, "memory_bytes": 0, "folder": tmp_path}
    decode_all(listing.entries, **options)
    (path,) = tmp_path.glob("*.npy")
    whole = path.read_bytes()
    num_pieces = -(-len(whole) // 256)

    decode_all(listing.entries, **options)
    monkeypatch.setattr(decoded_frames, "CHECKED_PIECES", num_pieces)
    decode_all(listing.entries, **options)
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    decode_all(listing.entries, **options)

    assert [len(pieces) for pieces in checked] == [num_pieces, 16, *[num_pieces] * 3]
    assert len(set(checked[1])) == 16 < num_pieces
    assert path.read_bytes() == whole  # decoded again


def test_every_frame_comes_once_an_epoch(listing):
    dataset = FrameDataset(listing, size=8)
    whole = np.concatenate([read_squares(e, range(e.num_frames), 8) for e in listing.entries])

    epoch = np.stack([dataset.read(position) for position in range(len(dataset))])

    assert len(dataset) == 29
    order = epoch_order(29, 0, 0)
    np.testing.assert_array_equal(epoch, whole[order])
    decoded = FrameDataset(listing, size=8, decoded=decode_all(listing.entries, size=8))
    np.testing.assert_array_equal(decoded.read(40), dataset.read(40))


def test_images_of_a_folder_may_differ_in_size(tmp_path):
    for index, size in enumerate([(8, 8), (8, 12), (9, 8)]):
        write_png(tmp_path / f"{index}.png", np.full((*size, 3), index, np.uint8))

    squares = read_squares(open_video(tmp_path), range(3), 4)

    assert squares[:, 0, 0, 0].tolist() == [0, 1, 2]


@pytest.mark.parametrize(("height", "width", "size"), [(40, 64, 16), (33, 27, 16), (12, 20, 32)])
def test_resizing_agrees_with_pillow(height, width, size):
    frame = numbered_frames(1, height, width)[0]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    image = PIL.Image.fromarray(frame[top : top + side, left : left + side])
    expected = np.asarray(image.resize((size, size), PIL.Image.Resampling.BICUBIC)).astype(int)

    got = square_frames(frame[None], size)[0].transpose(1, 2, 0)

    # torch and Pillow round their fixed-point weights differently.
    assert np.abs(got - expected).max() <= 1


def test_a_damaged_video_is_replaced_and_named(listing):
    class Damaged(ClipDataset):
        def read(self, position):
            if self.locate(position)[0] == 1:
                raise FileFormatError("1.mkv: frame 3 cannot be decoded")
            return super().read(position)

    dataset = Damaged(listing, num_frames=4, size=16)
    damaged = next(p for p in range(9) if dataset.locate(p)[0] == 1)

    clip, position, problems = read_or_replace(dataset, damaged)
    again, *_ = read_or_replace(dataset, damaged)

    assert problems[0] == "1.mkv: frame 3 cannot be decoded"
    np.testing.assert_array_equal(clip, again)
    np.testing.assert_array_equal(clip, dataset.read(position))


def test_nothing_but_damaged_videos_is_an_error(listing):
    class Damaged(ClipDataset):
        def read(self, position):
            raise FileFormatError("all.mkv: frame 3 cannot be decoded")

    with pytest.raises(FileFormatError, match="nor could 8 others"):
        read_or_replace(Damaged(listing, num_frames=4, size=16), 0)


def test_decoding_all_remembers_what_is_damaged(listing, tmp_path):
    entries = listing.entries[:2]
    broken = open_video(encode_clip(tmp_path / "later.mkv", "ffv1", pix_fmt="bgr0"))
    broken.path.write_bytes(b"gone")
    decoded = decode_all([entries[0], broken, entries[1]], size=8)

    assert decoded.read(0, range(8)).shape == (8, 3, 8, 8)
    assert decoded.read(2, range(9)).any()
    with pytest.raises(FileFormatError, match="later.mkv"):
        decoded.read(1, range(2))
