"""`moco plot-run`, and the curves it draws."""

import json

import numpy as np
import pytest

from mocotool.errors import FileFormatError
from mocotool.training.run_curves import GENERATOR, MOTION, OTHERS, RIGHT, group_of, read_metrics
from mocotool.video.pictures import read_image


@pytest.fixture
def run_folder(tmp_path):
    rows = [
        {"step": step, "g_loss": 1 / step, "d_video": 0.5, "motion_real": 0.1, "seconds": 2.0}
        for step in range(1, 6)
    ]
    lines = [json.dumps(row) for row in rows]
    (tmp_path / "metrics.jsonl").write_text("\n".join([*lines, '{"step": 6, "g_lo']) + "\n")
    return tmp_path


def test_the_picture_goes_into_the_run(run_moco, run_folder):
    result = run_moco("plot-run", run_folder, "--json")

    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["last_step"] == 5
    picture = read_image(run_folder / "curves.png")
    assert picture.shape == (1200, 1920, 3)  # three charts, two a row
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 3


def test_it_can_be_drawn_again_while_the_run_goes_on(run_moco, run_folder):
    run_moco("plot-run", run_folder)

    assert run_moco("plot-run", run_folder).exit_code == 0


def test_a_picture_elsewhere_is_not_overwritten(run_moco, run_folder, tmp_path):
    out = tmp_path / "mine.png"
    out.write_bytes(b"mine")

    result = run_moco("plot-run", run_folder, "-o", out)

    assert result.exit_code == 2
    assert "already exists" in result.stderr
    assert run_moco("plot-run", run_folder, "-o", out, "--force").exit_code == 0


def test_a_folder_without_a_log_is_named(run_moco, tmp_path):
    result = run_moco("plot-run", tmp_path)

    assert result.exit_code == 3
    assert "metrics.jsonl: no such file" in result.stderr


def test_an_empty_log_is_said(tmp_path):
    (tmp_path / "metrics.jsonl").write_text("")

    with pytest.raises(FileFormatError, match="nothing has been logged yet"):
        read_metrics(tmp_path)


def test_numbers_that_were_not_finite_are_gaps(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "g_loss": null}\n')

    ((step, value),) = read_metrics(tmp_path)["g_loss"]

    assert step == 1
    assert np.isnan(value)


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("g_video", GENERATOR),
        ("d_video", OTHERS),
        ("contrastive", OTHERS),
        ("d_video_right_real", RIGHT),
        ("g_grad", "Gradient norms"),
        ("motion_generated", MOTION),
        ("drift_real", MOTION),
    ],
)
def test_each_number_has_its_chart(name, group):
    assert group_of(name) == group
