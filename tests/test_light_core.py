"""What needs no tensors loads no torch: other files are read, and latents made longer."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from survey import ROOT

from mocotool import bundled
from mocotool.basis import write_basis
from mocotool.configs.pca import PCAConfig
from mocotool.latents import LatentsMeta, Trajectory, write_latents
from mocotool.pca import fit_pca_basis

SCRIPT = """
import sys
from mocotool.cli.app import app
try:
    app(prog_name="moco")
except SystemExit as end:
    assert not end.code, end.code
heavy = {"torch", "scipy", "sklearn", "matplotlib", "http.client", "fsspec"}
print("loaded:", *sorted(heavy & sys.modules.keys()), file=sys.stderr)
"""


@pytest.fixture
def files(tmp_path, toy_generator):
    rng = np.random.default_rng(0)
    latents = rng.standard_normal((2, 8, 12)).astype(np.float32)
    with (tmp_path / "walk.npz").open("wb") as file:
        write_latents(Trajectory(latents=latents, meta=LatentsMeta(space="w")), file)
    with (tmp_path / "pca.npz").open("wb") as file:
        write_basis(
            fit_pca_basis(toy_generator, config=PCAConfig(num_samples=100, num_components=4)), file
        )
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.json").write_text('{"run": "train-motion"}')
    (run / "metrics.jsonl").write_text(json.dumps({"step": 1, "g_loss": 2.0}) + "\n")
    return tmp_path


def loaded_by(*argv, folder):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, argv)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert "loaded:" in done.stderr, done.stderr
    return done.stderr.rpartition("loaded:")[2].split()


CLIP = next(iter(sorted(bundled.CLIPS_FOLDER.glob("*.mp4"))))
MOTION = bundled.FOLDER / "motion.safetensors"


@pytest.mark.parametrize(
    ("argv", "may_load"),
    [
        (["info", "walk.npz"], set()),
        (["info", "pca.npz"], set()),
        (["info", MOTION], set()),
        (["info", "run"], set()),
        (["info", CLIP], set()),
        (["interpolate", "walk.npz", "-o", "longer.npz"], set()),
        (["interpolate", "walk.npz", "--mode", "cubic", "-o", "longer.npz"], {"scipy"}),
        (["path", "walk.npz", "walk.npz#0:2", "--mode", "linear", "-o", "path.npz"], set()),
        (["loop", "walk.npz", "-o", "loop.npz"], set()),
        (["edit", "walk.npz", "--pca", "pca.npz", "--direction", "0:1", "-o", "edit.npz"], set()),
        (["edit", "walk.npz", "--smooth", "1", "-o", "edit.npz"], {"scipy"}),
        (["mix", "walk.npz", "walk.npz", "-o", "mix.npz"], set()),
        (["cut", "walk.npz", "--speed", "0.5", "-o", "cut.npz"], set()),
        (["cat", "walk.npz", "walk.npz", "-o", "cat.npz"], set()),
        (["gallery", bundled.CLIPS_FOLDER, "-o", "page.html"], set()),
        (["plot-run", "run"], {"matplotlib"}),
    ],
    ids=lambda value: " ".join(map(str, value[:2])) if isinstance(value, list) else "",
)
def test_what_needs_no_tensors_loads_no_torch(argv, may_load, files):
    assert set(loaded_by(*argv, folder=files)) <= may_load


def test_a_command_that_computes_does_load_torch(files):
    assert "torch" in loaded_by("info", bundled.FOLDER / "people.safetensors", folder=files)
