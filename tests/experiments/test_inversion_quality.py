"""The table of inversion says what each way of comparing pictures comes to."""

import re

from experiments.inversion_quality import main

from mocotool.bundled import CLIPS_FOLDER
from mocotool.video.pictures import read_image


def test_more_steps_come_nearer_and_the_sheet_shows_every_row(toy_generator_path, tmp_path, capsys):
    main(
        [
            *(str(CLIPS_FOLDER), "--generator", str(toy_generator_path)),
            *("--perceptual", "none", "none", "squeezenet", "--num-steps", "10", "60", "10"),
            *("--num-images", "2", "--sheet", str(tmp_path / "sheet.png")),
        ]
    )

    lines = [line for line in capsys.readouterr().out.splitlines() if " dB" in line]
    mean = [float(re.search(r", (\d+\.\d) dB", line)[1]) for line in lines]
    assert len(mean) == 3
    assert mean[0] < mean[1]
    assert read_image(tmp_path / "sheet.png").shape == (4 * 16, 2 * 16, 3)
