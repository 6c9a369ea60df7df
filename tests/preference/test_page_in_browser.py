"""The page of `moco compare`, played through in a real browser."""

import json

import numpy as np
import pytest
from reference.browser import find_browser, opened_browser, wait_for_file

from mocotool.video.pictures import write_png
from mocotool.video.writing import write_video

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_browser() is None, reason="no Chromium with its driver is installed"),
]
ODD = "<b>'bold'\" & <script>alert(1)<!--"


@pytest.fixture
def sides(tmp_path):
    folders = [tmp_path / "ours", tmp_path / ODD]
    for folder, shade in zip(folders, (40, 200), strict=True):
        folder.mkdir()
        for number in range(3):
            frames = np.full((4, 32, 32, 3), shade + number, np.uint8)
            write_video(folder / f"{number} {ODD}.mp4", iter([frames]), fps=8.0)
        write_png(folder / "still.png", frames[0])
    return folders


@pytest.mark.parametrize("width", [1200, 390])
def test_a_person_votes_stops_goes_on_and_hands_the_votes_over(run_moco, sides, tmp_path, width):
    made = run_moco("compare", *sides, "-o", tmp_path / "page", "--num-trials", 6, "--json")
    assert made.exit_code == 0, made.stderr

    with opened_browser(tmp_path, width=width) as browser:
        browser.open(tmp_path / "page" / "index.html")
        assert "Question 1 of 6" in browser.text()
        assert not any(side.name in browser.text() for side in sides)
        browser.press("left", "right", "right")
        browser.press("backspace")  # takes the third back
        browser.tap("#left")
        browser.reload()
        assert "Question 4 of 6" in browser.text()
        browser.press("left", "left", "right", "right")  # one more than there are
        assert "That was all" in browser.text()
        browser.tap("#save")
        saved = wait_for_file(tmp_path / "downloads", "votes-*.json")
        is_too_wide = browser.run("return document.documentElement.scrollWidth > innerWidth")

    record = json.loads(saved.read_text(encoding="utf-8"))
    chosen = [vote["chosen"] for vote in record["votes"]]
    assert chosen == ["left", "right", "left", "left", "left", "right"]
    assert record["sides"] == [side.name for side in sides]
    assert not is_too_wide
    preferred = [vote[vote["chosen"]] for vote in record["votes"]]
    counted = run_moco("compare", "tally", saved, "--json")
    assert json.loads(counted.stdout)["pairs"][0]["num_a"] == preferred.count(0)


def test_what_is_shown_is_there_and_plays(run_moco, sides, tmp_path):
    run_moco("compare", *sides, "-o", tmp_path / "page", "--grid", 2, "--num-trials", 2)

    with opened_browser(tmp_path, width=1200) as browser:
        browser.open(tmp_path / "page" / "index.html")
        states = """return Promise.all([...document.querySelectorAll(".side video, .side img")].map(
            async (node) => {
              for (let i = 0; i < 200 && !(node.naturalWidth || node.currentTime); i++)
                await new Promise((done) => setTimeout(done, 50));
              return [node.tagName, node.naturalWidth || node.videoWidth];
            }))"""
        shown = browser.run(states)

    assert len(shown) == 8
    assert sorted({tag for tag, _ in shown}) == ["IMG", "VIDEO"]
    assert all(size == 32 for _, size in shown)
