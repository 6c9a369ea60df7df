"""What a run in training is told of its walks, beside real clips."""

import pytest

from mocotool.configs.sample import SampleConfig
from mocotool.errors import MismatchError
from mocotool.metrics import held_out_motion
from mocotool.metrics.held_out_motion import HeldOutMotion
from mocotool.metrics.sources import RenderedLatents
from mocotool.motion.checkpoint import load_motion
from mocotool.trajectory import sample_trajectory


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(held_out_motion, "NUM_WALKS", 12)
    monkeypatch.setattr(held_out_motion, "NUM_REAL", 24)


def _real(motion, generator, n=12):
    seeds = tuple(range(n))
    config = SampleConfig(seeds=seeds, motion_seeds=seeds, num_frames=8)
    return RenderedLatents(sample_trajectory(motion, generator, config=config), generator)


def test_a_model_that_made_the_clips_is_near_to_them(toy_motion_path, toy_generator):
    motion = load_motion(toy_motion_path)
    judge = HeldOutMotion(_real(motion, toy_generator), toy_generator, num_frames=6)
    still = load_motion(toy_motion_path, step_size=1e-3)

    own, frozen = judge(motion), judge(still)

    assert own["distance"] < 0.5 * frozen["distance"]
    assert own["liveliness"] == pytest.approx(1.0, rel=0.3)
    assert frozen["liveliness"] < 0.1
    assert (frozen["own"], frozen["own_24"]) == (1.0, 1.0)
    assert own["held_out"] == pytest.approx(own["distance"] / max(own["own"], 1 / 12))
    assert judge(motion) == own  # nothing is drawn anew


def test_one_clip_says_nothing(toy_motion, toy_generator):
    one = _real(toy_motion, toy_generator, n=1)

    with pytest.raises(MismatchError, match="expected at least 2"):
        HeldOutMotion(one, toy_generator, num_frames=6)
