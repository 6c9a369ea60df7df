"""What a type checker says of calls into the package."""

import dataclasses
import importlib
import pkgutil
import re
import subprocess
import sys

import pytest
from survey import ROOT

import mocotool
import mocotool.configs
import mocotool.errors

pytest.importorskip("mypy")

SNIPPET = """
from pathlib import Path

import mocotool
from mocotool import ConfigError, PCAConfig, TrainMotionConfig

generator = mocotool.load_generator("g.pkl", device="cpu")
basis = mocotool.fit_pca_basis(generator, config=PCAConfig(num_samples=100))
config = TrainMotionConfig.from_recipe("paper", num_steps=10)
try:
    trajectory = mocotool.read_latents(Path("walk.npz"))
except ConfigError as error:
    print(error.hint)
reveal_type(basis)  # revealed: mocotool.basis.PCABasis
reveal_type(trajectory)  # revealed: mocotool.latents.Trajectory
mocotool.load_generator(42)  # arg-type
mocotool.load_generator("g.pkl", nonsense=True)  # call-arg
mocotool.fit_pca_basis("g.pkl")  # arg-type
PCAConfig(num_samples="many")  # arg-type
PCAConfig(num_sample=3)  # call-arg
TrainMotionConfig(recipe="mine")  # arg-type
basis.no_such_name  # attr-defined
mocotool.no_such_name  # attr-defined
"""


@pytest.mark.slow
def test_mypy_accepts_right_calls_and_refuses_wrong_ones(tmp_path):
    path = tmp_path / "snippet.py"
    path.write_text(SNIPPET)

    done = subprocess.run(
        # With the project's own settings, and so with what was kept of the package's last check.
        [sys.executable, "-m", "mypy", str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )

    lines = SNIPPET.splitlines()
    said = {}
    for number, message in re.findall(
        r"snippet\.py:(\d+): (?:error: |note: (?=Revealed))(.*)", done.stdout
    ):
        said[int(number)] = message
    expected = {n: line.partition("  # ")[2] for n, line in enumerate(lines, 1) if "  # " in line}
    assert said.keys() == expected.keys(), done.stdout + done.stderr
    for number, wanted in expected.items():
        kind, _, name = wanted.partition("revealed: ")
        if kind:
            assert said[number].endswith(f"[{kind}]"), said[number]
        else:
            assert name in said[number]


def test_every_configuration_and_error_is_public():
    names = {name for name, value in vars(mocotool.errors).items() if isinstance(value, type)}
    for module in pkgutil.iter_modules(mocotool.configs.__path__, "mocotool.configs."):
        names |= {
            name
            for name, value in vars(importlib.import_module(module.name)).items()
            if dataclasses.is_dataclass(value) and name.endswith(("Config", "Protocol", "Options"))
        }

    assert names - set(mocotool.__all__) == set()
