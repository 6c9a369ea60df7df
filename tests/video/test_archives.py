import json
import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from reference.archive_files import make_tar, make_zip, unpack
from reference.video_files import numbered_frames

from mocotool.errors import FileFormatError
from mocotool.metrics.sources import VideoFiles
from mocotool.video.archives import is_archive, list_members, open_source, read_source
from mocotool.video.listing import list_videos
from mocotool.video.loading import load_clips, load_images
from mocotool.video.opening import open_video
from mocotool.video.pictures import encode_png
from mocotool.video.reading import read_frames

GOLDEN = Path(__file__).parent.parent / "golden" / "people-1.mp4"
STORED, DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED


def clips(num_clips=2, num_frames=6, pattern="clip{clip}/{frame:06d}.png"):
    """Files of clips as frames: those of clip c begin with frame 10 c."""
    frames = numbered_frames(10 * num_clips, 16, 16)
    return {
        pattern.format(clip=clip, frame=frame): encode_png(frames[10 * clip + frame])
        for clip in range(num_clips)
        for frame in range(num_frames)
    }


# What archives hold


@pytest.mark.parametrize("compression", [STORED, DEFLATED])
@pytest.mark.parametrize(
    "pattern",
    ["clip{clip}/{frame:06d}.png", "{clip:05d}/img{frame:08d}.png", "set/{clip}/x/{frame}.png"],
)
def test_a_zip_of_frames_is_read_as_the_folder_that_it_would_unpack_to(
    tmp_path, compression, pattern
):
    labels = json.dumps({"labels": [["clip0/000000.png", 1]]})
    files = clips(pattern=pattern) | {"dataset.json": labels.encode(), "frame_paths.json": b"{}"}
    archive = make_zip(tmp_path / "set.zip", files, compression)
    folder = unpack(tmp_path / "set", files)

    packed, unpacked = list_videos(archive), list_videos(folder)

    assert [entry.path.relative_to(archive) for entry in packed.entries] == [
        entry.path.relative_to(folder) for entry in unpacked.entries
    ]
    for one, other in zip(packed.entries, unpacked.entries, strict=True):
        assert (one.num_frames, one.width, one.names) == (6, 16, other.names)
        np.testing.assert_array_equal(read_frames(one, [5, 0, 3]), read_frames(other, [5, 0, 3]))


def test_videos_in_a_tar_are_sought_in_place(tmp_path):
    files = {"b/000.mp4": GOLDEN.read_bytes(), "b/000.cls": b"3", "b/001.mp4": GOLDEN.read_bytes()}
    archive = make_tar(tmp_path / "shard.tar", files)

    first, second = list_videos(archive).entries

    assert (str(first.path), first.num_frames) == (f"{archive}/b/000.mp4", 72)
    alone = read_frames(open_video(GOLDEN), [70, 3, 40])
    np.testing.assert_array_equal(read_frames(first, [70, 3, 40]), alone)
    np.testing.assert_array_equal(read_frames(second, [70, 3, 40]), alone)


@pytest.mark.parametrize("compression", [STORED, DEFLATED])
def test_videos_in_a_zip_are_read(tmp_path, compression):
    archive = make_zip(tmp_path / "a.zip", {"x.mp4": GOLDEN.read_bytes()}, compression)

    (entry,) = list_videos(archive).entries

    alone = read_frames(open_video(GOLDEN), [71])
    np.testing.assert_array_equal(read_frames(entry, [71]), alone)


def test_pictures_of_a_tar_with_texts_beside_them_are_samples_by_themselves(tmp_path):
    picture = encode_png(numbered_frames(1, 16, 16)[0])
    samples = {f"{key:06d}.{kind}": data for key in range(3) for kind, data in (
        ("png", picture), ("cls", b"1"), ("json", b"{}"))}  # fmt: skip

    entries = list_videos(make_tar(tmp_path / "keys.tar", samples)).entries
    frames = list_videos(make_tar(tmp_path / "frames.tar", clips(1))).entries

    assert [(entry.kind, entry.num_frames) for entry in entries] == [("image", 1)] * 3
    assert [(entry.kind, entry.num_frames) for entry in frames] == [("frames", 6)]


def test_archives_in_a_folder_are_looked_into_and_broken_ones_named(tmp_path):
    make_zip(tmp_path / "0.zip", clips())
    make_tar(tmp_path / "1.tar", {"x.mp4": GOLDEN.read_bytes()})
    (tmp_path / "2.zip").write_bytes(b"PK\x03\x04 and nothing more")
    warnings = []

    listing = list_videos(tmp_path, warn=warnings.append)

    assert [entry.num_frames for entry in listing.entries] == [6, 6, 72]
    assert len(warnings) == 1
    assert "2.zip" in warnings[0]


def test_hidden_files_are_left_out_and_others_counted(tmp_path):
    files = clips(1) | {"__MACOSX/clip0/000000.png": b"", ".x.png": b"", "model.pt": b""}
    archive = make_zip(tmp_path / "a.zip", files)

    assert len(list_videos(archive).entries) == 1
    empty = make_zip(tmp_path / "b.zip", {"model.pt": b"x"})
    with pytest.raises(FileFormatError, match=r"no usable video \(other files: 1 .pt\)"):
        list_videos(empty)


def test_training_reads_batches_from_archives_as_from_folders(tmp_path):
    files = clips(num_frames=8)
    archive = make_zip(tmp_path / "set.zip", files, DEFLATED)
    folder = unpack(tmp_path / "set", files)
    settings = {"num_frames": 3, "size": 16, "batch_size": 4, "num_workers": 0}

    for memory_bytes in (0, None):  # decoded on demand, and at once
        with (
            load_clips(list_videos(archive), memory_bytes=memory_bytes, **settings) as packed,
            load_clips(list_videos(folder), memory_bytes=memory_bytes, **settings) as unpacked,
        ):
            np.testing.assert_array_equal(next(packed), next(unpacked))
            assert packed.state_dict() == unpacked.state_dict()
    images = load_images(list_videos(archive), resolution=16, batch_size=2, num_workers=0)
    assert next(images).shape == (2, 3, 16, 16)


def test_metrics_know_archives_by_their_content(tmp_path):
    archive = make_zip(tmp_path / "set.zip", clips())
    same = make_zip(tmp_path / "same.zip", clips())
    other = make_zip(tmp_path / "other.zip", clips(num_frames=5))

    ids = [VideoFiles(list_videos(path)).fingerprint([0, 1]) for path in (archive, same, other)]

    assert ids[0] == ids[1] != ids[2]


def test_nothing_is_unpacked(tmp_path, monkeypatch):
    archive = make_zip(tmp_path / "set.zip", clips(), DEFLATED)
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    read_frames(list_videos(archive).entries[0], [0])

    assert [path.name for path in tmp_path.iterdir()] == ["set.zip"]


# What archives may not hold


def corrupt(path, place, data):
    whole = bytearray(path.read_bytes())
    whole[place : place + len(data)] = data
    path.write_bytes(whole)
    return path


@pytest.mark.parametrize(
    "name", ["../x.png", "/etc/x.png", "a/../../x.png", "C:\\x.png", "a\nb.png"]
)
@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_names_that_lead_out_are_refused(tmp_path, make, name):
    archive = make(tmp_path / "a.archive", {"ok.png": b"x", name: b"x"})

    with pytest.raises(FileFormatError, match="which leads out of it"):
        list_members(archive)


def test_links_and_devices_of_a_tar_are_not_followed(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, kind in (("a.png", tarfile.SYMTYPE), ("b.png", tarfile.LNKTYPE),
                           ("c.png", tarfile.CHRTYPE)):  # fmt: skip
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)

    assert is_archive(tmp_path / "a.tar")
    assert list_members(tmp_path / "a.tar") == []


def test_bombs_are_refused_before_anything_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("mocotool.video.archives.SPARE_BYTES", 1000)
    archive = make_zip(tmp_path / "a.zip", {"x.png": bytes(1 << 20)}, DEFLATED)

    with pytest.raises(FileFormatError, match="far more bytes than the file has"):
        list_members(archive)


def test_a_member_that_is_longer_than_it_says_is_refused(tmp_path):
    archive = make_zip(tmp_path / "a.zip", {"x.png": bytes(5000)}, DEFLATED)
    directory = archive.read_bytes().index(b"PK\x01\x02")
    corrupt(archive, directory + 24, (50).to_bytes(4, "little"))
    (member,) = list_members(archive)

    with pytest.raises(FileFormatError, match="longer than the archive says"):
        read_source(member)


def test_a_damaged_member_is_told_by_its_checksum(tmp_path):
    archive = make_zip(tmp_path / "a.zip", clips(1))
    corrupt(archive, 60, b"???")
    first = list_members(archive)[0]

    with pytest.raises(FileFormatError, match="its checksum does not match"):
        read_source(first)
    with pytest.raises(FileFormatError, match="no usable video"):
        list_videos(archive)


def test_encrypted_and_oddly_compressed_members_are_refused(tmp_path):
    archive = make_zip(tmp_path / "a.zip", {"x.png": b"x"})
    directory = archive.read_bytes().index(b"PK\x01\x02")
    shutil.copy(archive, tmp_path / "b.zip")
    corrupt(archive, directory + 8, b"\x01")
    with zipfile.ZipFile(tmp_path / "c.zip", "w", zipfile.ZIP_LZMA) as lzma:
        lzma.writestr("x.png", b"x")

    with pytest.raises(FileFormatError, match="encrypted"):
        list_members(archive)
    with pytest.raises(FileFormatError, match="compressed by method 14"):
        list_members(tmp_path / "c.zip")


def test_a_name_of_absurd_length_is_not_read(tmp_path):
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 1 << 33
    path = tmp_path / "a.tar"
    with path.open("wb") as file:
        file.write(info.tobuf(tarfile.GNU_FORMAT))
        file.truncate(20 << 20)

    with pytest.raises(FileFormatError, match=r"a\.tar"):
        list_members(path)


def test_a_tar_that_is_cut_short_is_refused_with_what_to_do(tmp_path):
    archive = make_tar(tmp_path / "a.tar", {"x.mp4": GOLDEN.read_bytes()})
    archive.write_bytes(archive.read_bytes()[:3000])

    with pytest.raises(FileFormatError) as refused:
        list_videos(archive)

    assert "unpack it" in (refused.value.hint or "") or "no usable video" in str(refused.value)


def test_a_compressed_video_is_held_in_memory_only_while_it_is_small(tmp_path, monkeypatch):
    monkeypatch.setattr("mocotool.video.archives.MAX_PACKED_BYTES", 1000)
    archive = make_zip(tmp_path / "a.zip", {"x.mp4": GOLDEN.read_bytes()}, DEFLATED)
    (member,) = list_members(archive)

    with pytest.raises(FileFormatError, match="would be held") as refused:
        open_source(member)

    assert "zip -0" in refused.value.hint
