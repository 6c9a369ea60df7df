"""Sets of tars, read in place: by one name, shared among ranks, and gone on with exactly."""

import numpy as np
import pytest
from reference.archive_files import make_tar
from reference.video_files import numbered_frames

from mocotool.errors import ConfigError, FileFormatError
from mocotool.video import decoded
from mocotool.video.braces import expand_braces
from mocotool.video.clips import ClipDataset
from mocotool.video.listing import list_videos
from mocotool.video.loading import BatchLoader, load_clips
from mocotool.video.pictures import encode_png

SETTINGS = {"num_frames": 3, "frame_stride": 1, "size": 16, "num_workers": 0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three tars of two clips of five frames, all of them different."""
    place = tmp_path_factory.mktemp("shards")
    frames = numbered_frames(30, 16, 16)
    for shard in range(3):
        make_tar(
            place / f"{shard:03d}.tar",
            {
                f"clip{2 * shard + clip}/{frame}.png": encode_png(
                    frames[10 * shard + 5 * clip + frame]
                )
                for clip in range(2)
                for frame in range(5)
            },
        )
    return place


def test_tars_are_named_as_webdataset_does(folder):
    whole, named = list_videos(folder), list_videos(folder / "{000..002}.tar")

    assert len(named.entries) == 6
    settings = {"num_frames": 3, "frame_stride": 1, "size": 16}
    datasets = [ClipDataset(listing, **settings) for listing in (whole, named)]
    assert datasets[0].fingerprint == datasets[1].fingerprint
    assert datasets[0].contents == datasets[1].contents
    assert len(list_videos(folder / "{000,002}.tar").entries) == 4
    with pytest.raises(FileFormatError, match=r"003\.tar: no such"):
        list_videos(folder / "{000..003}.tar")


def test_braces_are_what_shells_make_of_them(tmp_path):
    def names(text):
        return [path.name for path in expand_braces(tmp_path / text)]

    assert names("a-{08..11}.tar") == ["a-08.tar", "a-09.tar", "a-10.tar", "a-11.tar"]
    assert names("{a,b}{0..1}") == ["a0", "a1", "b0", "b1"]
    for plain in ("a.tar", "{x}", "{}", "{a..b}", "{3}"):
        assert names(plain) == [plain]
    (tmp_path / "{0..1}.tar").touch()
    assert names("{0..1}.tar") == ["{0..1}.tar"]
    for wrong in ("{3..1}", "{0..999999999999}", "{0..999}{0..999}"):
        with pytest.raises(ConfigError):
            names(wrong)


@pytest.mark.parametrize("memory_bytes", [0, None])
def test_ranks_share_every_epoch_without_overlap(folder, memory_bytes):
    listing = list_videos(folder)
    seen, drawn = {}, []
    for rank in range(2):
        loader = load_clips(
            listing, batch_size=2, rank=rank, world_size=2, memory_bytes=memory_bytes, **SETTINGS
        )
        for batch in range(3):
            clips, positions = loader.read()
            drawn += [loader.dataset.item(position) for position in positions]
            seen[batch, rank] = clips

    assert sorted(drawn) == list(range(6))
    alone = load_clips(listing, batch_size=2, **SETTINGS)
    for batch in range(3):
        whole = next(alone)
        np.testing.assert_array_equal(np.concatenate([seen[batch, 0], seen[batch, 1]]), whole)


def test_a_stopped_run_goes_on_exactly_also_with_another_number_of_ranks(folder):
    listing = list_videos(folder / "{000..002}.tar")
    whole = load_clips(listing, batch_size=2, memory_bytes=0, **SETTINGS)
    first = load_clips(listing, batch_size=2, memory_bytes=0, **SETTINGS)
    next(first), next(first)
    expected = [next(whole) for _ in range(6)][2:]

    resumed = []
    for rank in range(2):
        loader: BatchLoader = load_clips(
            listing, batch_size=2, rank=rank, world_size=2, memory_bytes=0, **SETTINGS
        )
        loader.load_state_dict(first.state_dict())
        resumed.append([next(loader) for _ in range(4)])

    for batch, parts in zip(expected, zip(*resumed, strict=True), strict=True):
        np.testing.assert_array_equal(np.concatenate(parts), batch)


def test_a_set_that_no_disk_has_room_for_is_decoded_as_it_is_drawn(folder, tmp_path, monkeypatch):
    usage = decoded.shutil._ntuple_diskusage(100, 100, 0)
    monkeypatch.setattr(decoded.shutil, "disk_usage", lambda _: usage)
    told = []

    loader = load_clips(
        list_videos(folder),
        batch_size=2,
        memory_bytes=0,
        folder=tmp_path / "frames",
        warn=told.append,
        **SETTINGS,
    )

    assert not loader.dataset.is_decoded
    assert "clips are decoded each time that they are drawn" in told[0]
    assert not list((tmp_path / "frames").iterdir())
    np.testing.assert_array_equal(
        next(loader), next(load_clips(list_videos(folder), batch_size=2, **SETTINGS))
    )
