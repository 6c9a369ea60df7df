"""Sound: clicks are onsets where their energy is, bands are told apart, and latents follow."""

import numpy as np
import pytest

from mocotool.configs.edit import Move
from mocotool.configs.react import ReactConfig, parse_driven
from mocotool.errors import ConfigError
from mocotool.latents import LatentsMeta, Trajectory
from mocotool.steering.hearing import RATE, hear
from mocotool.steering.reaction import draw_reaction, react_trajectory, travel

CLICKS_S = (0.31, 0.96, 1.5, 2.27, 3.04, 3.4)


@pytest.fixture(scope="module")
def clicks():
    """Four seconds of silence with six bursts of noise, 5 ms each."""
    samples = np.zeros(4 * RATE, np.float32)
    for second in CLICKS_S:
        start = int(second * RATE)
        samples[start : start + 110] = np.random.default_rng(0).uniform(-0.8, 0.8, 110)
    return samples


def walk(num_frames=9, num_videos=2):
    steps = np.random.default_rng(0).standard_normal((num_videos, num_frames, 4))
    latents = np.cumsum(steps, axis=1).astype(np.float32)
    return Trajectory(latents=latents, meta=LatentsMeta(space="w", fps=8.0))


@pytest.mark.parametrize("fps", [12, 24, 29.97, 50])
def test_onsets_of_clicks_are_where_they_are_and_where_their_energy_is(clicks, fps):
    hearing = hear(clicks, fps=fps)

    expected = np.array([int(second * fps) for second in CLICKS_S])
    assert hearing.num_frames == round(4 * fps)
    assert len(hearing.onsets) == len(expected)
    assert np.abs(hearing.onsets - expected).max() <= 1
    for onset in hearing.onsets:
        around = np.arange(max(onset - 3, 0), onset + 4)
        loudest = around[np.argmax(hearing.loudness[around])]
        assert abs(loudest - onset) <= 1


def test_a_louder_repeat_of_the_same_sound_has_the_same_onsets(clicks):
    np.testing.assert_array_equal(hear(clicks, fps=24).onsets, hear(0.05 * clicks, fps=24).onsets)


@pytest.mark.parametrize(
    ("hertz", "loud", "quiet"),
    [
        (80, "bass", ("mid", "high")),
        (700, "mid", ("bass", "high")),
        (5000, "high", ("bass", "mid")),
    ],
)
def test_bands_are_told_apart(hertz, loud, quiet):
    seconds = np.arange(2 * RATE) / RATE
    tone = 0.5 * np.sin(2 * np.pi * hertz * seconds) * (seconds > 1)
    others = [
        0.5 * np.sin(2 * np.pi * other * seconds) * (seconds < 0.5) for other in (80, 700, 5000)
    ]
    samples = (tone + sum(others)).astype(np.float32)

    hearing = hear(samples, fps=20)

    late = slice(25, 38)
    assert getattr(hearing, loud)[late].min() > 0.8
    assert max(getattr(hearing, name)[late].max() for name in quiet) < 0.1


@pytest.mark.parametrize("num_samples", [1, 100, 5000])
def test_silence_and_short_sounds_have_frames_and_no_onsets(num_samples):
    hearing = hear(np.zeros(num_samples, np.float32), fps=24)

    assert hearing.num_frames == max(round(num_samples / RATE * 24), 1)
    assert len(hearing.onsets) == 0
    assert hearing.drive("onset", decay_frames=5).max() == 0
    assert hearing.loudness.max() == 0


# What follows it


def react(hearing, trajectory=None, **config):
    config = ReactConfig(fps=24, **config)
    return react_trajectory(trajectory or walk(), hearing, config=config)


@pytest.mark.parametrize("by", ["energy", "nothing"])
@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_the_way_is_as_long_as_the_sound_and_has_exact_ends(clicks, by, mode):
    trajectory = walk()

    reacted = react(hear(clicks, fps=24), trajectory, by=by, mode=mode)

    assert (reacted.num_frames, reacted.meta.fps) == (96, 24)
    np.testing.assert_array_equal(reacted.latents[:, 0], trajectory.latents[:, 0])
    np.testing.assert_allclose(reacted.latents[:, -1], trajectory.latents[:, -1], atol=1e-5)


def test_at_each_onset_the_latents_are_at_their_next_frame(clicks):
    trajectory, hearing = walk(4), hear(clicks, fps=24)

    reacted = react(hearing, trajectory, by="onset")

    for count, onset in enumerate(hearing.onsets, start=1):
        np.testing.assert_array_equal(reacted.latents[:, onset], trajectory.latents[:, count % 4])


def test_steps_are_long_where_it_is_loud(clicks):
    hearing = hear(clicks, fps=24)

    steps = np.diff(travel(hearing, 9, ReactConfig(fps=24, calm=0.1)))

    loud = hearing.loudness[1:] > 0.5
    assert steps[loud].min() > 3 * steps[~loud].mean()


def test_a_direction_is_pushed_at_onsets_and_falls_back(clicks, tmp_path):
    np.save(tmp_path / "up.npy", np.array([0, 0, 1, 0], np.float32))
    hearing, move = hear(clicks, fps=24), Move(str(tmp_path / "up.npy"), 3.0)

    reacted = react(hearing, directions=((move, "onset"),), by="nothing", decay=0.1)

    pushed = (reacted.latents - react(hearing, by="nothing").latents)[0]
    np.testing.assert_allclose(pushed[hearing.onsets, 2], 3.0, atol=1e-4)
    np.testing.assert_allclose(pushed[hearing.onsets + 2, 2], 3.0 * np.exp(-2 / 2.4), atol=1e-4)
    assert np.abs(pushed[:, [0, 1, 3]]).max() == 0


def test_what_drives_a_direction_is_typed_in_short():
    assert parse_driven("0:2@bass, smile.npy:-1") == (
        (Move("0", 2.0), "bass"),
        (Move("smile.npy", -1.0), "onset"),
    )
    with pytest.raises(ConfigError, match="driven by 'drums', expected bass, mid, high or onset"):
        parse_driven("0:2@drums")


def test_the_picture_of_a_reaction_is_a_picture(clicks):
    picture = draw_reaction(hear(clicks, fps=24), 9, ReactConfig(fps=24))

    assert picture.ndim == 3
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 20
