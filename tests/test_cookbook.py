"""The cookbook: twelve short recipes, each with a small picture, and all of them run."""

import re
import sys

import pytest
from survey import ROOT

from mocotool.video.opening import open_video
from mocotool.video.pictures import read_image

sys.path.insert(0, str(ROOT / "docs"))
import cookbook

RECIPES = cookbook.read_recipes()


def test_there_are_twelve_recipes_of_three_lines_at_most():
    lengths = {name: len(shell.strip().splitlines()) for name, shell in RECIPES.items()}

    assert len(lengths) == 12
    assert max(lengths.values()) <= 3


def test_each_recipe_shows_its_own_picture_and_all_are_small():
    shown = re.findall(r"!\[.+\]\((pictures/cookbook/.+)\)", cookbook.PAGE.read_text("utf-8"))

    assert shown == [f"pictures/cookbook/{name}.png" for name in RECIPES]
    files = sorted(cookbook.PICTURES.iterdir())
    assert sorted(ROOT / "docs" / path for path in shown) == files
    assert sum(file.stat().st_size for file in files) < 1_000_000
    assert all(read_image(file).ndim == 3 for file in files)


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_runs_and_makes_its_picture(name, warm_moco, tmp_path):
    cookbook.prepare_inputs(tmp_path)

    made = cookbook.run_recipe(RECIPES[name], tmp_path, str(warm_moco.program))

    assert open_video(made).num_frames > 1
    cookbook.draw_strip(made, tmp_path / "strip.png")
    assert read_image(tmp_path / "strip.png").shape[1] > 100
