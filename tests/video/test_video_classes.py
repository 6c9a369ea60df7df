"""Which class each picture is of: labels of data sets, samples of tars, and folders."""

import json

import numpy as np
import pytest
from reference.archive_files import make_tar, make_zip, unpack

from mocotool.errors import FileFormatError, MismatchError
from mocotool.video.classes import find_classes
from mocotool.video.listing import list_videos
from mocotool.video.loading import LabelledLoader, load_images
from mocotool.video.pictures import encode_png


def picture(shade):
    return encode_png(np.full((8, 8, 3), shade, np.uint8))


def pictures(names):
    """Pictures whose shade is ten times their place."""
    return {name: picture(10 * place) for place, name in enumerate(names)}


def table(labels):
    return {"dataset.json": json.dumps({"labels": labels}).encode()}


def by_name(path):
    """Class names, and the label of each picture by its name."""
    listing = list_videos(path)
    classes = find_classes(listing)
    names = [source.name for entry in listing.entries for source in entry.sources]
    names = [name.rpartition("/")[2] for name in names]
    return classes.names, dict(zip(names, classes.label(listing).tolist(), strict=True))


# Labels


IMAGES = [f"00000/img{i:08d}.png" for i in range(4)]
LABELS = [[name, label] for name, label in zip(IMAGES, (2, 0, 1, 0), strict=True)]


@pytest.mark.parametrize("labels", [LABELS, dict(LABELS)])
@pytest.mark.parametrize("pack", [make_zip, unpack])
def test_labels_of_a_data_set_are_those_of_its_images(tmp_path, pack, labels):
    # as stylegan3's dataset_tool.py writes them; all images of one folder are one entry
    packed = pack(tmp_path / "set.zip", pictures(IMAGES) | table(labels))

    names, found = by_name(packed)

    assert names == ("0", "1", "2")
    assert list(found.values()) == [2, 0, 1, 0]


def test_a_video_has_the_label_of_its_folder(tmp_path):
    # as stylegan-v reads them: a folder a video, all in one folder, labels without that one's name
    frames = pictures([f"ucf/{clip}/{i:06d}.png" for clip in ("run_1", "sit_1") for i in range(3)])
    labels = {"ucf/dataset.json": table([["run_1/000000.jpg", 1], ["sit_1/0.jpg", 0]])}
    labels = {name: data["dataset.json"] for name, data in labels.items()}

    listing = list_videos(make_zip(tmp_path / "ucf.zip", frames | labels))
    classes = find_classes(listing)

    assert classes.label(listing).tolist() == [1, 1, 1, 0, 0, 0]
    assert classes.count(listing) == [3, 3]


def test_vectors_that_choose_a_class_are_classes(tmp_path):
    labels = [[IMAGES[0], [0, 0, 1]], [IMAGES[1], [1.0, 0.0, 0.0]]]
    packed = make_zip(tmp_path / "set.zip", pictures(IMAGES[:2]) | table(labels))

    assert list(by_name(packed)[1].values()) == [2, 0]


def test_numbers_beside_the_pictures_of_a_tar_are_their_classes(tmp_path):
    samples = {}
    for key, label in enumerate((1, 0, 1)):
        samples |= {f"{key:04d}.png": picture(key), f"{key:04d}.cls": f"{label}\n".encode()}

    listing = list_videos(make_tar(tmp_path / "shard-0.tar", samples))

    assert find_classes(listing).label(listing).tolist() == [1, 0, 1]


# Folders


@pytest.mark.parametrize("pattern", ["{}/{}.png", "train/{}/{}.png", "{}/clip/{}.png"])
@pytest.mark.parametrize("pack", [make_zip, unpack])
def test_without_labels_folders_are_classes(tmp_path, pack, pattern):
    names = [pattern.format(*pair) for pair in (("red", "a"), ("blue", "b"), ("red", "c"))]

    classes, found = by_name(pack(tmp_path / "set", pictures(names)))

    assert classes == ("blue", "red")
    assert found == {"a.png": 1, "b.png": 0, "c.png": 1}


def test_archives_are_classes_as_folders_are(tmp_path):
    make_zip(tmp_path / "red.zip", pictures(["a.png"]))
    make_tar(tmp_path / "blue.tar", pictures(["b.png"]))

    assert by_name(tmp_path) == (("blue", "red"), {"b.png": 0, "a.png": 1})


def test_labels_come_before_folders(tmp_path):
    files = pictures(["x/a.png", "y/b.png"]) | table([["x/a.png", 1], ["y/b.png", 0]])

    assert by_name(unpack(tmp_path / "set", files))[1] == {"a.png": 1, "b.png": 0}
    files |= {"dataset.json": b'{"labels": null}'}
    assert by_name(unpack(tmp_path / "set", files))[0] == ("x", "y")


# What cannot be


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (pictures(["a.png", "b.png"]), "a.png is in no class folder"),
        (pictures(["x/a.png", "b.png"]), "b.png is in no class folder"),
        (pictures(["a.png"]) | table([["a.png", 0]]), "all its pictures have the same class"),
        (pictures(["a.png", "b.png"]) | table([["a.png", 1]]), "b.png: has no label"),
        (pictures(["a.png"]) | table([["a.png", [0.5, 2]]]), "vectors of 2 numbers"),
        (pictures(["a.png"]) | table([["a.png", 1.5]]), "the label 1.5, expected a whole number"),
        (pictures(["a.png"]) | table([["a.png", -1]]), "the label -1"),
        (pictures(["a.png"]) | table([["a.png", 10**6]]), "a label is 1000000"),
        (pictures(["a.png"]) | {"dataset.json": b"{"}, "dataset.json: not a table of labels"),
    ],
)
@pytest.mark.parametrize("pack", [make_zip, unpack])
def test_what_has_no_classes_is_refused_with_the_reason(tmp_path, pack, files, said):
    listing = list_videos(pack(tmp_path / "set", files))

    with pytest.raises(FileFormatError, match=said):
        find_classes(listing)


def test_a_class_that_is_no_number_is_refused(tmp_path):
    samples = {"0.png": picture(0), "0.cls": b"cat", "1.png": picture(1), "1.cls": b"0" * 999}
    listing = list_videos(make_tar(tmp_path / "a.tar", samples))

    with pytest.raises(FileFormatError, match=r"0.cls: holds 'cat', expected the number"):
        find_classes(listing)


# Batches


@pytest.fixture
def labelled(tmp_path):
    """A loader of pictures whose shade says their class."""
    shades = {f"{'dark' if i < 5 else 'light'}/{i}.png": picture(20 * i) for i in range(12)}
    listing = list_videos(unpack(tmp_path / "set", shades))
    labels = find_classes(listing).label(listing)

    def load(labels=labels, **options):
        loader = load_images(listing, resolution=8, batch_size=4, num_workers=0, **options)
        return LabelledLoader(loader, labels)

    return load


@pytest.mark.parametrize("memory_bytes", [0, None])
def test_a_batch_has_the_classes_of_its_pictures(labelled, memory_bytes):
    batches = labelled(memory_bytes=memory_bytes)

    for _ in range(5):
        images_u8, labels = next(batches)
        assert labels.tolist() == [int(shade >= 100) for shade in images_u8[:, 0, 0, 0].tolist()]


def test_a_damaged_picture_is_replaced_with_its_class(labelled, tmp_path):
    batches = labelled(memory_bytes=0)
    (tmp_path / "set" / "light" / "7.png").write_bytes(b"\x89PNG\r\n\x1a\n no more")

    pairs = [next(batches) for _ in range(3)]  # an epoch

    shades = [s for images_u8, _ in pairs for s in images_u8[:, 0, 0, 0].tolist()]
    labels = [label for _, labels in pairs for label in labels.tolist()]
    assert 140 not in shades
    assert labels == [int(shade >= 100) for shade in shades]


def test_a_saved_loader_goes_on_and_knows_its_classes(labelled):
    batches = labelled()
    next(batches)
    state = batches.state_dict()
    expected = next(batches)

    resumed = labelled()
    resumed.load_state_dict(state)
    found = next(resumed)

    assert [x.tolist() for x in found] == [x.tolist() for x in expected]
    with pytest.raises(MismatchError, match="the classes of the pictures are not those"):
        labelled(labels=np.zeros(12, np.int64)).load_state_dict(state)
