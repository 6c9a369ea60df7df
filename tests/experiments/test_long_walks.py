"""The curves of long walks have the units and the ends that theory says."""

import json

import numpy as np
import pytest
from experiments import long_walks
from experiments.long_walks import (
    list_lengths,
    list_walks,
    main,
    measure_distance,
    measure_unit,
)

from mocotool.metrics import motion_baselines
from mocotool.trajectory import draw_latents
from mocotool.video.pictures import read_image


def test_drawn_latents_are_one_standard_deviation_away_and_their_mean_is_none(
    toy_motion, toy_generator
):
    to_units = measure_unit(toy_generator, toy_motion)
    drawn = draw_latents(toy_generator, list(range(1000))).numpy()

    walks = np.stack([drawn, np.broadcast_to(drawn.mean(axis=0), drawn.shape)], axis=1)
    first, second = measure_distance(to_units(walks))

    assert first == pytest.approx(1.0, abs=0.05)
    assert second < 0.1


def test_lengths_double():
    assert list_lengths(512) == [16, 32, 64, 128, 256, 512]
    assert list_lengths(40) == [16, 32]


def test_independent_steps_add_to_the_square_as_they_add_in_number(toy_motion, toy_generator):
    walks = list_walks(toy_motion, toy_generator, seed=0, n=300, num_frames=65)["random walk"]()

    squares = np.square(measure_distance(measure_unit(toy_generator, toy_motion)(walks.latents)))

    assert (squares[64] - squares[0]) / (squares[32] - squares[0]) == pytest.approx(2, rel=0.1)


def test_every_walk_is_followed_to_its_end(
    toy_motion_path, toy_generator_path, tmp_path, monkeypatch, capsys
):
    for module in (long_walks, motion_baselines):
        monkeypatch.setattr(module, "NUM_DRAWN", 256)
    picture, numbers = tmp_path / "walks.png", tmp_path / "walks.json"

    main(
        [
            *(str(toy_motion_path), "--generator", str(toy_generator_path)),
            *("--num-frames", "32", "--num-contents", "5", "--seeds", "2"),
            *("-o", str(picture), "--json", str(numbers)),
        ]
    )

    walks = json.loads(numbers.read_text())["walks"]
    assert list(walks) == [
        *("motion model", "its AR(1) process", "AR(1) with return", "untrained", "random walk")
    ]
    curves = {name: np.array(figures["distance"]) for name, figures in walks.items()}
    for name, curve in curves.items():
        assert curve.shape == (2, 32), name
        np.testing.assert_allclose(curve[:, 0], curves["motion model"][:, 0], rtol=1e-5)
        assert np.shape(walks[name]["own"]) == np.shape(walks[name]["drift"]) == (2, 2)
    assert read_image(picture).shape == (1200, 880, 3)
    assert "| motion model |" in capsys.readouterr().out
