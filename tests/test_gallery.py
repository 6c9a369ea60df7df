import os
from pathlib import Path

import pytest
from page_reader import PageReader, find_linked

from mocotool.errors import FileFormatError
from mocotool.gallery import Section, collect_sections, write_gallery

ODD_NAMES = (
    "with space.mp4",
    "a#b.mp4",
    "100%.mp4",
    "100%25.png",
    "what?.mp4",
    "Ünï-κόσμε-人.webm",
    "<b>\"bold\" & 'x'.gif",
    "a:b.mp4",
    "back\\slash.png",
    "{braces}.jpg",
)


@pytest.fixture
def make_files(tmp_path):
    def make(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(b"x")
        return tmp_path

    return make


def group_names(folder):
    return {
        section.title: [path.name for path in section.files] for section in collect_sections(folder)
    }


def test_files_are_grouped_by_name_and_counted_as_people_count(make_files):
    folder = make_files("walk-2.mp4", "walk-10.mp4", "walk-0.mp4", "strip.png", "walk-0.npz")

    assert group_names(folder) == {
        "strip": ["strip.png"],
        "walk": ["walk-0.mp4", "walk-2.mp4", "walk-10.mp4"],
    }


def test_folders_in_the_folder_are_sections_of_their_own(make_files):
    folder = make_files("a/walk-0.mp4", "b/c/walk-0.mp4", "b/c/walk-1.mp4", "b/0000.png")

    assert group_names(folder) == {
        "a/walk": ["walk-0.mp4"],
        "b": ["0000.png"],
        "b/c/walk": ["walk-0.mp4", "walk-1.mp4"],
    }


def test_files_named_by_numbers_alone_are_one_section(make_files):
    folder = make_files("0000.png", "0001.png")

    assert group_names(folder) == {folder.name: ["0000.png", "0001.png"]}


def test_hidden_files_and_folders_named_like_videos_are_passed_over(make_files):
    folder = make_files("good.MP4", ".part.mp4", ".cache/a.png", "frames.mp4/0000.txt")

    assert group_names(folder) == {"good": ["good.MP4"]}


@pytest.mark.parametrize("names", [(), ("walk.npz",), ("notes.txt", ".hidden.mp4")])
def test_a_folder_with_nothing_to_show_is_refused(make_files, names):
    with pytest.raises(FileFormatError, match="nothing to show"):
        collect_sections(make_files(*names))


def test_a_folder_that_is_missing_or_a_file_is_refused(make_files):
    with pytest.raises(FileFormatError, match="no such folder"):
        collect_sections(make_files() / "gone")
    with pytest.raises(FileFormatError, match="no such folder"):
        collect_sections(make_files("a.mp4") / "a.mp4")


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_file_of_any_name_is_linked(make_files, name):
    folder = make_files(name)

    write_gallery(folder / "index.html", collect_sections(folder), title="odd")

    assert find_linked(folder / "index.html") == [(folder / name).resolve()]


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_a_name_that_is_no_text_is_linked(tmp_path):
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad-\xff-x.mp4"))
    try:
        odd.write_bytes(b"x")
    except OSError:
        pytest.skip("this file system takes only text")

    write_gallery(tmp_path / "index.html", collect_sections(tmp_path), title="odd")

    assert find_linked(tmp_path / "index.html") == [odd]


def test_a_page_elsewhere_links_relatively(make_files):
    folder = make_files("results/deep/walk.mp4", "pages/keep.txt")
    page = folder / "pages" / "page.html"

    write_gallery(page, collect_sections(folder / "results"), title="away")

    assert PageReader(page).addresses == ["../results/deep/walk.mp4"]
    find_linked(page)


def test_nothing_in_a_section_is_taken_for_markup(make_files):
    folder = make_files("a.mp4", "b.png")
    nasty = '<script>alert("1")</script> & {x}'
    section = Section(
        title=nasty,
        text=nasty,
        commands=(nasty, "second"),
        printed=nasty,
        captions=(nasty, "two"),
        files=(folder / "a.mp4", folder / "b.png"),
    )

    write_gallery(folder / "index.html", [section], title=nasty, intro=nasty)

    reader = PageReader(folder / "index.html")
    assert "<script" not in (folder / "index.html").read_text()
    assert reader.titles == [nasty]
    assert reader.captions == [nasty, "two"]
    assert reader.printed == [f"{nasty}\nsecond", nasty]


def test_a_file_alone_needs_no_caption_and_several_have_their_names(make_files):
    folder = make_files("strip.png", "walk-0.mp4", "walk-1.mp4")

    write_gallery(folder / "index.html", collect_sections(folder), title="page")

    reader = PageReader(folder / "index.html")
    assert reader.captions == ["walk-0.mp4", "walk-1.mp4"]
    assert reader.num_figures == 3


def test_a_section_without_files_shows_what_was_said(tmp_path):
    section = Section(title="number", files=(), printed="diversity  0.03")

    write_gallery(tmp_path / "index.html", [section], title="page")

    reader = PageReader(tmp_path / "index.html")
    assert (reader.printed, reader.num_figures) == (["diversity  0.03"], 0)


def test_the_page_needs_neither_a_script_nor_the_network(make_files):
    folder = make_files("a.mp4")

    write_gallery(folder / "index.html", collect_sections(folder), title="page")

    text = (folder / "index.html").read_text()
    assert "<script" not in text
    assert "://" not in text
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in text


def test_the_page_is_the_same_each_time(make_files):
    folder = make_files("b.mp4", "a.png")
    pages = [folder / "one.html", folder / "two.html"]

    for page in pages:
        write_gallery(page, collect_sections(folder), title="page")

    assert pages[0].read_bytes() == pages[1].read_bytes()
