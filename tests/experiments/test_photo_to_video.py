"""The table of photos that come alive says that tuning comes nearer, and the sheet shows it."""

import re

import pytest
from experiments.photo_to_video import main

from mocotool.bundled import CLIPS_FOLDER
from mocotool.video.pictures import read_image


@pytest.mark.slow
def test_tuning_comes_nearer_and_the_sheet_shows_two_rows_a_person(tmp_path, capsys):
    main(
        [
            *(str(CLIPS_FOLDER), "--num-people", "2", "-o", str(tmp_path / "sheet.png")),
            *("--num-steps", "10", "--num-tune-steps", "15"),
        ]
    )

    psnr = [float(found) for found in re.findall(r"(\d+\.\d) dB", capsys.readouterr().out)]
    assert len(psnr) == 2
    assert psnr[1] > psnr[0]
    assert read_image(tmp_path / "sheet.png").shape[:2] == (4 * 128, 6 * 128)
